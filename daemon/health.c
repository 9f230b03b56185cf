#include "daemon/health.h"

#include <inttypes.h>
#include <stdio.h>
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

static void warn_operations(const struct member *member, health_cb cb, void *user)
{
    size_t n = store_counts(member->store).operations, n_parked = 0;
    const struct store_operation *op = NULL;
    char text[256];

    while ((op = store_operation_next(member->store, op)) != NULL) {
        n_parked += op->n_parked > 0;
    }
    if (n_parked > 0) {
        text_print(text, sizeof(text), "%zu operations wait for a storage node that cannot be reached", n_parked);
        cb(user, "operations-wait", text, "bring the node back, or remove it; they go on by themselves then");
    }
    if (n > STORE_OPERATIONS_MAX * QUEUE_FULL_PERCENT / 100) {
        text_print(text, sizeof(text), "%zu of %d operations are under way", n, STORE_OPERATIONS_MAX);
        cb(user, "queue-full", text, "new requests will be refused: send fewer, or look for what holds them up");
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
    warn_mode(member, cb, user);
    if (status->role == CONS_LEADER && !status->serving) {
        cb(user, "not-serving", "the leader has no lease at the moment: requests wait",
           "if it stays so: a majority of the members must answer it within the time of the lease");
        return true;
    }
    return false;
}
