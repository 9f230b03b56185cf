#include "daemon/health.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "daemon/member_priv.h"
#include "store/base/text.h"

#define MIB ((uint64_t)1 << 20)
#define DISK_LOW_MIB 512
#define DISK_LOW_PERCENT 5
#define LAG_MAX 10000 /* entries: seconds of the busiest cluster */
#define QUEUE_FULL_PERCENT 80
#define SPACE_LOW_PERCENT 5

/* A large disk may be nearly full and still have room for a long time; a small one is never larger than it is. */
bool health_disk_low(uint64_t free_mib, uint64_t total_mib)
{
    return free_mib < DISK_LOW_MIB && free_mib < total_mib * DISK_LOW_PERCENT / 100 + 1;
}

/* The figures are the kernel's own: nothing is read from the disk. */
bool health_disk(const struct member *member, uint64_t *ret_free_mib, uint64_t *ret_total_mib)
{
    struct statvfs fs;

    if (statvfs(member->cfg->data_dir, &fs) != 0) {
        return false; /* what is wrong with it will be seen by the log */
    }
    *ret_free_mib = (uint64_t)fs.f_bavail * fs.f_frsize / MIB;
    *ret_total_mib = (uint64_t)fs.f_blocks * fs.f_frsize / MIB;
    return true;
}

static void warn_disk(uint64_t member_id, uint64_t free_mib, uint64_t total_mib, health_cb cb, void *user)
{
    char text[256];

    if (health_disk_low(free_mib, total_mib)) {
        text_print(text, sizeof(text), "member %" PRIu64 " has %" PRIu64 " MiB left of %" PRIu64 " MiB for its data",
                   member_id, free_mib, total_mib);
        cb(user, "disk-low", text, "make room: a member whose disk is full stops, and the cluster must do without it");
    }
}

/* Of all members: whoever looks at one should see what is wrong with any. */
static void warn_disks(const struct member *member, const struct cons_status *status, health_cb cb, void *user)
{
    uint64_t free_mib, total_mib;

    if (health_disk(member, &free_mib, &total_mib)) {
        warn_disk((uint64_t)member->cfg->member_id, free_mib, total_mib, cb, user);
    }
    for (size_t i = 0; i < status->n_members; i++) {
        const struct replica *replica = replicas_get(member->replicas, status->members[i].id);

        if (replica != NULL && status->members[i].connected && replica->disk_total_mib != 0) {
            warn_disk(replica->member_id, replica->disk_free_mib, replica->disk_total_mib, cb, user);
        }
    }
}

static void warn_lag(const struct cons_status *status, health_cb cb, void *user)
{
    char text[256];

    for (size_t i = 0; status->role == CONS_LEADER && i < status->n_members; i++) {
        const struct cons_member_status *item = &status->members[i];

        if (item->connected && item->match_index + LAG_MAX < status->last_index) {
            text_print(text, sizeof(text), "member %" PRIu64 " is %" PRIu64 " entries behind", item->id,
                       status->last_index - item->match_index);
            cb(user, "member-lags", text, "it is catching up, or its disk or network is too slow: look at both");
        }
    }
}

#define WAITING_LOOKED_MAX 1000 /* waiting operations: more may wait for a dead node */
#define STEPS_LOOKED_MAX 64     /* of each; those that have failed come first */

/* What waiting operations wait for, as far as this member knows: the leader does. An operation may wait for several
 * nodes, and for each in another way. */
struct waits {
    const struct store_operation *op; /* that is looked at */
    bool seen[OP_TROUBLES];           /* of it */
    size_t n[OP_TROUBLES];            /* operations */
    char first[OP_TROUBLES][768];
};

static void see_trouble(void *user, const struct op_step_view *step)
{
    struct waits *waits = user;
    enum op_trouble trouble = step->trouble;

    if (trouble == OP_TROUBLE_NONE || waits->seen[trouble]) {
        return;
    }
    waits->seen[trouble] = true;
    if (waits->n[trouble]++ == 0) {
        char error[512];

        text_line(error, sizeof(error), step->last_error);
        text_print(waits->first[trouble], sizeof(waits->first[trouble]), "%s of %s on %s: %s", step->step,
                   id_text(waits->op->id).text, step->host, error);
    }
}

static void look_at_waiting(const struct member *member, struct waits *waits)
{
    size_t n = store_counts(member->store).waiting;

    n = n < WAITING_LOOKED_MAX ? n : WAITING_LOOKED_MAX;
    while (n > 0 && (waits->op = store_operation_next(member->store, waits->op)) != NULL) {
        if (waits->op->n_parked > 0) {
            memset(waits->seen, 0, sizeof(waits->seen));
            (void)op_driver_visit(member->driver, waits->op->id, STEPS_LOOKED_MAX, see_trouble, waits);
            n--;
        }
    }
}

/* To give up a node is advised only where a node is known that cannot be reached: it destroys what is on it. */
static void warn_waiting(const struct member *member, health_cb cb, void *user)
{
    static const struct {
        enum op_trouble trouble;
        const char *code, *text, *remedy;
    } kinds[] = {
        {OP_TROUBLE_REFUSED, "operations-refused", "are refused by a storage node again and again",
         "mend on the node what it complains of, or do by hand there what it refuses; they go on by themselves then"},
        {OP_TROUBLE_BUSY, "operations-busy", "wait for a storage node that answers, and says that it cannot do it now",
         "they go on by themselves; if they do not, look on the node for what it says, and mend it there: it answers, "
         "so do not give it up"},
        {OP_TROUBLE_SILENT, "operations-wait", "wait for a storage node that cannot be reached",
         "bring the node back, and they go on by themselves; if it never comes back: 'hecate node disable', 'hecate "
         "node remove', then 'hecate device delete --force-forget' of each of its devices and 'hecate node delete "
         "--force-forget'"},
    };
    struct waits waits = {.op = NULL};
    size_t n = store_counts(member->store).waiting;
    bool known = false;
    char text[1024];

    look_at_waiting(member, &waits);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        enum op_trouble trouble = kinds[i].trouble;

        if (waits.n[trouble] > 0) {
            text_print(text, sizeof(text), "%s%zu operations %s: %s", n > WAITING_LOOKED_MAX ? "at least " : "",
                       waits.n[trouble], kinds[i].text, waits.first[trouble]);
            cb(user, kinds[i].code, text, kinds[i].remedy);
            known = true;
        }
    }
    if (n > 0 && !known) { /* not the leader, or not for long */
        text_print(text, sizeof(text), "%zu operations wait for storage nodes", n);
        cb(user, "operations-wait", text,
           "see what each waits for: hecate operations list; the leader's status says more");
    }
}

static void warn_operations(const struct member *member, health_cb cb, void *user)
{
    struct store_places places = store_places(member->store);
    char text[256];

    warn_waiting(member, cb, user);
    if (places.taken > places.n * QUEUE_FULL_PERCENT / 100) {
        text_print(text, sizeof(text), "%zu operations are under way; at %zu no volume can be created or expanded",
                   places.taken, places.n);
        cb(user, "queue-full", text, "send fewer requests at once, or see what holds them up: hecate operations list");
    }
}

static void warn_space(const struct member *member, health_cb cb, void *user)
{
    const struct store_cluster *cluster = NULL;

    while ((cluster = store_cluster_next(member->store, cluster)) != NULL) {
        const struct store_node *node = NULL;
        const struct store_device *device;
        uint64_t total_kib = 0, used_kib = 0;
        char text[256];

        while ((node = store_cluster_node_next(member->store, cluster->id, node)) != NULL) {
            device = NULL;
            while ((device = store_node_device_next(member->store, node->id, device)) != NULL) {
                total_kib += device->total_kib;
                used_kib += store_device_used_kib(member->store, device->id);
            }
        }
        if (total_kib > 0 && used_kib >= total_kib - total_kib * SPACE_LOW_PERCENT / 100) {
            text_print(text, sizeof(text), "the devices of storage cluster %s are full to %" PRIu64 " %%",
                       id_text(cluster->id).text, used_kib * 100 / total_kib);
            cb(user, "space-low", text, "add a device: hecate device add");
        }
    }
}

static bool is_address(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* Heketi takes such names, too; what Kubernetes does with them nothing else shows. */
static void warn_names(const struct member *member, health_cb cb, void *user)
{
    const struct store_node *node = NULL, *first = NULL;
    size_t n = 0;
    char text[512], more[64] = "";

    while ((node = store_node_next(member->store, node)) != NULL) {
        if (node->storage.n > 0 && !is_address(node->storage.items[0])) {
            first = n++ == 0 ? node : first;
        }
    }
    if (n == 0) {
        return;
    }
    if (n > 1) {
        text_print(more, sizeof(more), ", nor are those of %zu other nodes", n - 1);
    }
    text_print(text, sizeof(text), "the storage host name %.255s of node %s is no IP address%s",
               first->storage.items[0], id_text(first->id).text, more);
    cb(user, "storage-name", text,
       "endpoints of Kubernetes take addresses only: each try to bind a claim fails there and leaves a volume behind. "
       "If "
       "Kubernetes is to use the node, take it away ('hecate node disable', 'hecate node remove', 'hecate device "
       "delete' "
       "of each device, 'hecate node delete') and add it with its address as 'storage'");
}

static void warn_mode(const struct member *member, health_cb cb, void *user)
{
    enum store_mode mode = store_settings(member->store)->mode;
    char text[128];

    if (mode != STORE_MODE_UNSET && mode != STORE_MODE_NORMAL) {
        text_print(text, sizeof(text), "the server's mode is %s: changes are refused", store_mode_name(mode));
        cb(user, "maintenance", text,
           mode == STORE_MODE_READ_ONLY ? "end it with SIGUSR2 to any hecated"
                                        : "end it: hecate server mode set normal");
    }
}

bool health_warn(const struct member *member, const struct cons_status *status, health_cb cb, void *user)
{
    warn_disks(member, status, cb, user);
    warn_lag(status, cb, user);
    warn_operations(member, cb, user);
    warn_space(member, cb, user);
    warn_names(member, cb, user);
    warn_mode(member, cb, user);
    if (status->role == CONS_LEADER && !status->serving) {
        cb(user, "not-serving", "the leader has no lease at the moment: requests wait",
           "if it stays so: a majority of the members must answer it within the time of the lease");
        return true;
    }
    return false;
}
