#include "daemon/node_advice.h"

#include <string.h>

#include "store/base/mem.h"
#include "store/base/text.h"

#define FENCE "/var/lib/heketi/.hecate-fence"

static void host_key_remedy(char *text, size_t size, const char *host, const struct cfg *cfg)
{
    CLEANUP(free_ptr) char *own = mem_printf("%s/known_hosts", cfg->data_dir);
    CLEANUP(free_ptr)
    char *name = strcmp(cfg->ssh_port, "22") == 0 ? mem_strdup(host) : mem_printf("[%s]:%s", host, cfg->ssh_port);
    const char *file = *cfg->ssh_known_hosts != '\0' ? cfg->ssh_known_hosts : own;

    text_print(text, size,
               "find out whether it is the right host; if it was set up anew, run on every member: "
               "ssh-keygen -R '%s' -f %s; ssh-keyscan -p %s %s >>%s",
               name, file, cfg->ssh_port, host, file);
}

static const struct {
    const char *code, *what, *remedy;
} advices[] = {
    [EXEC_CAUSE_NONE] = {"node-down", "does not answer",
                         "look at the node and its glusterd; what waits for it goes on by itself when it answers"},
    [EXEC_CAUSE_FENCE_DAMAGED] =
        {"fence-damaged", "is avoided",
         "it is written again by itself where the node still tells which cluster it belongs to; should this warning "
         "stay, make sure that no other cluster of Hecate has the node, and run on it: rm -rf " FENCE},
    [EXEC_CAUSE_FENCE_AHEAD] =
        {"fence-ahead", "is avoided",
         "a majority of the members knows no such term: the file was changed by hand, or the members' data were put "
         "back to an older state; run on the node: rm " FENCE},
    [EXEC_CAUSE_FOREIGN] =
        {"node-foreign", "is avoided",
         "each node belongs to one cluster of managers: stop the other one; if it is gone for good, or its id comes "
         "from a clock that was wrong, run on the node: rm " FENCE},
    [EXEC_CAUSE_HOST_KEY] = {"host-key", "is avoided", NULL},
    [EXEC_CAUSE_USER_KEY] =
        {"node-login", "is avoided",
         "on the node, put the public key that belongs to glusterfs.sshexec.keyfile into ~%s/.ssh/authorized_keys"},
    [EXEC_CAUSE_FLOOD] =
        {"node-floods", "is avoided",
         "its answers must end: as user %s on the node, see what the login itself prints, and what gluster and lvm do; "
         "it is tried again by itself, at most a minute later"},
    [EXEC_CAUSE_GARBAGE] =
        {"node-garbage", "is asked only when no other can be",
         "as user %s on the node, see what 'gluster volume info --xml' prints; it is tried again by itself, at most a "
         "minute later"},
};

bool node_advice(const struct op_node_view *view, const char *host, const struct cfg *cfg,
                 struct node_advice *ret_advice)
{
    const char *format = advices[view->cause].remedy;
    const char *mark = format != NULL ? strstr(format, "%s") : NULL;
    char error[512];

    if (!view->avoided) {
        return false;
    }
    ret_advice->code = advices[view->cause].code;
    text_line(error, sizeof(error), view->last_error);
    text_print(ret_advice->text, sizeof(ret_advice->text), "storage node %.255s %s: %s", host,
               advices[view->cause].what, error);
    if (format == NULL) {
        host_key_remedy(ret_advice->remedy, sizeof(ret_advice->remedy), host, cfg);
    } else if (mark == NULL) {
        text_print(ret_advice->remedy, sizeof(ret_advice->remedy), "%s", format);
    } else {
        text_print(ret_advice->remedy, sizeof(ret_advice->remedy), "%.*s%.64s%s", (int)(mark - format), format,
                   cfg->ssh_user, mark + 2);
    }
    return true;
}
