/* Old clients (heketi-storage.md 16): what a volume's options demand of the clients that mount it. A client takes a
 * volume only if it knows the highest op-version among the volume's client options; one option that is on by default
 * since 6.0 counts for nothing there and yet puts a translator into every client's graph that clients before 4.1 do not
 * have. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

#define FIRST_CLIENT 30700 /* older ones are not known */
#define CTIME_CLIENT 40100 /* features/utime */
#define HEAL_CLIENT 30800  /* cluster.granular-entry-heal, which new volumes have on */

struct demand {
    const char *option;
    uint32_t op_version;
    bool value; /* it is no switch: 0 is a value like others */
};

/* Client options that Gluster 3.7.0 did not have, with the op-version that brought them (Gluster 11). */
static const struct demand options[] = {
    {"client.keepalive-count", 31002, true},
    {"client.keepalive-interval", 31002, true},
    {"client.keepalive-time", 31002, true},
    {"client.tcp-user-timeout", 31002, true},
    {"cluster.favorite-child-policy", 30712, false},
    {"cluster.force-migration", 40000, false},
    {"cluster.full-lock", 31302, false},
    {"cluster.granular-entry-heal", 30800, false},
    {"cluster.halo-enabled", 31100, false},
    {"cluster.halo-max-latency", 31100, false},
    {"cluster.halo-max-replicas", 31100, false},
    {"cluster.halo-min-replicas", 31100, false},
    {"cluster.halo-nfsd-max-latency", 31100, false},
    {"cluster.halo-shd-max-latency", 31100, false},
    {"cluster.heal-wait-queue-length", 30710, false},
    {"cluster.lock-migration", 30800, false},
    {"cluster.locking-scheme", 30712, false},
    {"cluster.lookup-optimize", 30702, false},
    {"cluster.optimistic-change-log", 70200, false},
    {"cluster.rmdir-optimize", 110000, false},
    {"cluster.shd-max-threads", 30712, false},
    {"cluster.shd-wait-qlength", 30712, false},
    {"cluster.use-anonymous-inode", 90000, false},
    {"cluster.use-compound-fops", 30804, false},
    {"ctime.noatime", 50000, false},
    {"dht.force-readdirp", 30705, false},
    {"disperse.background-heals", 30703, false},
    {"disperse.cpu-extensions", 30900, false},
    {"disperse.eager-lock", 30710, false},
    {"disperse.eager-lock-timeout", 40000, false},
    {"disperse.heal-wait-qlength", 30703, false},
    {"disperse.optimistic-change-log", 31001, false},
    {"disperse.other-eager-lock", 31300, false},
    {"disperse.other-eager-lock-timeout", 40000, false},
    {"disperse.parallel-writes", 31300, false},
    {"disperse.quorum-count", 80000, false},
    {"disperse.read-policy", 30706, false},
    {"disperse.self-heal-window-size", 31100, false},
    {"disperse.shd-max-threads", 30900, false},
    {"disperse.shd-wait-qlength", 30900, false},
    {"disperse.stripe-cache", 40000, true},
    {"features.cloudsync", 40100, true},
    {"features.cloudsync-product-id", 70000, true},
    {"features.cloudsync-remote-read", 70000, false},
    {"features.cloudsync-store-id", 70000, true},
    {"features.cloudsync-storetype", 50000, true},
    {"features.ctime", 40100, false},
    {"features.failover-hosts", 40000, true},
    {"features.s3plugin-bucketid", 50000, true},
    {"features.s3plugin-hostname", 50000, true},
    {"features.s3plugin-keyid", 50000, true},
    {"features.s3plugin-seckey", 50000, true},
    {"features.shard-deletion-rate", 50000, true},
    {"features.shard-lru-limit", 50000, true},
    {"features.tag-namespaces", 40100, false},
    {"features.timeout", 40000, true},
    {"features.worm-file-level", 30800, false},
    {"features.worm-files-deletable", 31300, false},
    {"performance.aggregate-size", 40100, false},
    {"performance.cache-capability-xattrs", 31000, false},
    {"performance.cache-ima-xattrs", 31000, false},
    {"performance.cache-invalidation", 30900, false},
    {"performance.cache-samba-metadata", 30900, false},
    {"performance.cache-swift-metadata", 30710, false},
    {"performance.ctime-invalidation", 50000, false},
    {"performance.global-cache-invalidation", 60000, false},
    {"performance.io-cache-size", 80000, true},
    {"performance.md-cache-statfs", 40000, false},
    {"performance.nfs.write-behind-trickling-writes", 31301, false},
    {"performance.nl-cache", 31100, false},
    {"performance.nl-cache-limit", 31100, true},
    {"performance.nl-cache-positive-entry", 31100, false},
    {"performance.nl-cache-timeout", 31100, true},
    {"performance.parallel-readdir", 31000,
     false}, /* no client option to glusterd: older ones mount, and find nothing */
    {"performance.quick-read-cache-invalidation", 40000, false},
    {"performance.quick-read-cache-size", 80000, true},
    {"performance.quick-read-cache-timeout", 80000, true},
    {"performance.rda-cache-limit", 30901, true},
    {"performance.rda-high-wmark", 30901, true},
    {"performance.rda-low-wmark", 30901, true},
    {"performance.rda-request-size", 30901, true},
    {"performance.resync-failed-syncs-after-fsync", 30707, false},
    {"performance.write-behind-trickling-writes", 31301, false},
    {"performance.xattr-cache-list", 40000, true},
    {"rebalance.ensure-durability", 100000, false},
};

/* The highest of each group's options, as Gluster ships the groups. */
static const struct demand groups[] = {
    {"db-workload", 0, false},        {"distributed-virt", 0, false}, {"gluster-block", 30712, false},
    {"metadata-cache", 30900, false}, {"nl-cache", 31100, false},     {"samba", 31100, false},
    {"virt", 30712, false},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* One number up to 99, and the dot after it if there is one. */
static bool parse_part(const char **text, uint32_t *ret_value)
{
    uint32_t value = 0;
    size_t n = 0;

    while ((*text)[n] >= '0' && (*text)[n] <= '9' && n < 3) {
        value = value * 10 + (uint32_t)((*text)[n++] - '0');
    }
    *text += n;
    if (**text == '.' && (*text)[1] != '\0') {
        (*text)++;
    }
    *ret_value = value;
    return n > 0 && value < 100;
}

uint32_t store_client_op_version(const char *version)
{
    uint32_t major, minor = 0, patch = 0, op_version;

    if (!parse_part(&version, &major) || (*version != '\0' && !parse_part(&version, &minor)) ||
        (*version != '\0' && !parse_part(&version, &patch)) || *version != '\0') {
        return 0;
    }
    /* Of later minor releases and patches only the first one's knowledge is counted on. */
    op_version = (major * 100 + (major < 5 ? minor : 0)) * 100;
    return op_version >= FIRST_CLIENT ? op_version : 0;
}

/* Is it a name for this option? Gluster takes it without the part before the first dot, too. */
static bool is_named(const char *option, const char *name, size_t len)
{
    const char *dot = strchr(option, '.');

    return (strlen(option) == len && strncmp(option, name, len) == 0) ||
           (memchr(name, '.', len) == NULL && strlen(dot + 1) == len && strncmp(dot + 1, name, len) == 0);
}

/* Switches that are off demand nothing; to glusterd nothing but a switch can be off. */
static bool is_off(const char *value)
{
    static const char *const words[] = {"off", "no", "false", "disable", "0"};

    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcasecmp(value, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What the option demands; UINT32_MAX: that cannot be told. */
static uint32_t demand_of(const char *text)
{
    size_t len = strcspn(text, " ");
    const char *value = text[len] == ' ' ? text + len + 1 : "";

    if (len == 5 && strncmp(text, "group", 5) == 0) {
        for (size_t i = 0; i < COUNT(groups); i++) {
            if (strcmp(groups[i].option, value) == 0) {
                return groups[i].op_version;
            }
        }
        return UINT32_MAX;
    }
    for (size_t i = 0; i < COUNT(options); i++) {
        if (is_named(options[i].option, text, len)) {
            return options[i].value || !is_off(value) ? options[i].op_version : 0;
        }
    }
    return 0;
}

enum store_code plan_client_options(struct store_strs *list, const char *client, struct store_result *result)
{
    uint32_t known = store_client_op_version(client);

    if (client[0] == '\0') {
        return STORE_OK;
    }
    if (known == 0) {
        return refuse(result, STORE_BAD_REQUEST, "'%s' is no version of a GlusterFS client from 3.7 on", client);
    }
    for (size_t i = 0; i < list->n; i++) {
        uint32_t demand = demand_of(list->items[i]);

        if (demand == UINT32_MAX) {
            return refuse(result, STORE_BAD_REQUEST,
                          "What option '%s' demands of clients is not known; the oldest client is %s (op-version %u)",
                          list->items[i], client, known);
        }
        if (demand > known) {
            return refuse(result, STORE_BAD_REQUEST,
                          "Option '%s' demands clients of op-version %u; the oldest client is %s (op-version %u)",
                          list->items[i], demand, client, known);
        }
    }
    if (known < CTIME_CLIENT) {
        store_strs_add(list, "features.ctime off");
    }
    if (known < HEAL_CLIENT) {
        store_strs_add(list, "cluster.granular-entry-heal off");
    }
    return STORE_OK;
}
