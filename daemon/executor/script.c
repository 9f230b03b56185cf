#include "daemon/executor/script.h"

#include <string.h>

#include "store/base/mem.h"

/* ---- quoting ---- */

void script_quote(struct buf *buf, const char *text)
{
    buf_append_char(buf, '\'');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            buf_append_str(buf, "'\\''");
        } else {
            buf_append_char(buf, *p);
        }
    }
    buf_append_char(buf, '\'');
}

void script_set(struct buf *buf, const char *name, const char *value)
{
    buf_printf(buf, "%s=", name);
    script_quote(buf, value);
    buf_append_char(buf, '\n');
}

/* ---- checks ---- */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool only(const char *text, const char *allowed, size_t max)
{
    size_t len = strlen(text);

    return len > 0 && len <= max && text[0] != '-' && strspn(text, allowed) == len;
}

static bool printable(const char *text, size_t max)
{
    if (strlen(text) > max) {
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

int script_check_config(const struct exec_config *config, struct err *reterr)
{
    if (config->fstab[0] != '/' || !only(config->fstab, LETTERS "/._-", 1024)) {
        return err_set(reterr, E_INVALID, "fstab '%s' is no plain path", config->fstab);
    }
    if (!only(config->mount_options, LETTERS ",=._-", 512)) {
        return err_set(reterr, E_INVALID, "mount options '%s' have characters that are not allowed",
                       config->mount_options);
    }
    return 0;
}

int script_check_host(const char *host, struct err *reterr)
{
    if (!only(host, LETTERS "._:-", 255)) {
        return err_set(reterr, E_INVALID, "host name '%s' has characters that are not allowed", host);
    }
    return 0;
}

int script_check_device(const struct store_device *device, struct err *reterr)
{
    if (device->name[0] != '/' || !only(device->name, LETTERS "/_.:-", 1024)) {
        return err_set(reterr, E_INVALID, "device name '%s' has characters that are not allowed", device->name);
    }
    return 0;
}

int script_check_name(const char *what, const char *name, struct err *reterr)
{
    if (!only(name, LETTERS "_.-", 255)) {
        return err_set(reterr, E_INVALID, "%s '%s' has characters that are not allowed", what, name);
    }
    return 0;
}

int script_check_volume(const struct store_volume *volume, struct err *reterr)
{
    if (!only(volume->name, LETTERS "_-", 1024)) {
        return err_set(reterr, E_INVALID, "volume name '%s' has characters that are not allowed", volume->name);
    }
    for (size_t i = 0; i < volume->options.n; i++) {
        if (!printable(volume->options.items[i], 4096) || volume->options.items[i][0] == '-') {
            return err_set(reterr, E_INVALID, "volume option %zu has characters that are not allowed", i);
        }
    }
    return 0;
}

int script_check_brick(const struct exec_brick *item, struct err *reterr)
{
    CLEANUP(free_ptr) char *path = store_brick_path(item->brick);
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(item->brick);
    int rc = script_check_host(item->storage_host, reterr);

    rc = rc != 0 ? rc : script_check_name("thin pool", item->brick->pool, reterr);
    rc = rc != 0 ? rc : script_check_name("logical volume", lv, reterr);
    if (rc == 0 && (path[0] != '/' || !only(path, LETTERS "/._-", 1024))) {
        rc = err_set(reterr, E_INVALID, "path of brick %s has characters that are not allowed",
                     id_text(item->brick->id).text);
    }
    return rc;
}

/* ---- beginnings ---- */

/* The locks are inherited by what the script starts, so that an orphaned command still holds them; lvm and mount get
 * them closed, since a monitor daemon that they start would hold them for ever. The script itself waits for them. */
static const char prelude[] = "LC_ALL=C; export LC_ALL\n"
                              "PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH\n"
                              "exec </dev/null\n"
                              "say() { printf '%s\\n' \"$*\" >&2; }\n"
                              "L() { $WRAPPER timeout -k 5 300 /usr/sbin/lvm \"$@\" 6>&- 7>&- 8>&- 9>&-; }\n"
                              "base=/var/lib/heketi\n"
                              "mkdir -p $base/mounts || exit 1\n"
                              "exec 9>>$base/.hecate-lock || exit 1\n";

/* The fence is "CLUSTER TERM". Ids of clusters grow with the time when they were formed: one that has been restored
 * from a backup, or made anew, begins with low terms and takes the nodes over all the same; the one before it is shut
 * out. */
static const char fence_look[] =
    "other=; fence=\n"
    "{ read -r other fence <$base/.hecate-fence; } 2>/dev/null || true\n"
    "if [ \"$other\" != \"$MANAGERS\" ]; then\n"
    "    expr \"x$other\" \\< \"x$MANAGERS\" >/dev/null || {\n"
    "        say \"cluster $other of managers, which was formed later, has this node ($base/.hecate-fence)\"\n"
    "        exit 78\n"
    "    }\n"
    "    fence=-1\n"
    "fi\n"
    "[ \"$fence\" -le \"$TERM_NUMBER\" ] || { say \"term $fence has taken over\"; exit 76; }\n";

static const char fence_shared[] = "[ \"$fence\" -ge \"$TERM_NUMBER\" ] || exit 77\n";

static const char fence_raise[] = "[ \"$fence\" -lt \"$TERM_NUMBER\" ] || exit 0\n"
                                  "set -e\n"
                                  "printf '%s %s\\n' \"$MANAGERS\" \"$TERM_NUMBER\" >$base/.hecate-fence.new\n"
                                  "sync $base/.hecate-fence.new\n"
                                  "mv $base/.hecate-fence.new $base/.hecate-fence\n"
                                  "sync $base\n";

static void begin(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    script_set(buf, "WRAPPER", config->lvm_wrapper);
    buf_printf(buf, "MANAGERS=%s TERM_NUMBER=%lu LIMIT=%u BACKUP=%s\n", id_text(step->managers).text,
               (unsigned long)step->term, config->gluster_timeout_s, config->backup_lvm_metadata ? "y" : "n");
    buf_append_str(buf, prelude);
}

void script_begin(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    begin(config, step, buf);
    buf_append_str(buf, "flock -s -w 60 9 || { say 'the fence of this node is being raised'; exit 75; }\n");
    buf_append_str(buf, fence_look);
    buf_append_str(buf, fence_shared);
}

void script_fence(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    begin(config, step, buf);
    buf_append_str(buf, "flock -x -w 120 9 || { say 'a step of an older term still runs'; exit 75; }\n");
    buf_append_str(buf, fence_look);
    buf_append_str(buf, fence_raise);
}

void script_group_lock(struct buf *buf)
{
    buf_append_str(buf, "exec 8>>$base/.hecate-$VG || exit 1\n"
                        "flock -x -w 240 8 || { say \"$VG is in use by an earlier step\"; exit 75; }\n");
}
