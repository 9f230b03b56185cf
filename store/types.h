/* The records of the volume database. Plain data: who may change it and how is command.h.
 *
 * Sizes: volumes in whole GiB, everything below a volume in KiB. Times: milliseconds since 1970 (decided by the leader,
 * travels in the command). Strings are never NULL unless said so. Lists own their items.
 */
#ifndef HECATE_STORE_TYPES_H
#define HECATE_STORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/id.h"

#define STORE_KIB_PER_GIB UINT64_C(1048576)

struct store_strs {
    char **items;
    size_t n;
};

struct store_tag {
    char *name, *value;
};

struct store_tags { /* ascending by name */
    struct store_tag *items;
    size_t n;
};

enum store_state { STORE_STATE_ONLINE = 0, STORE_STATE_OFFLINE = 1, STORE_STATE_FAILED = 2 };

struct store_cluster {
    struct id id;
    bool file, block;
};

struct store_node {
    struct id id, cluster;
    uint32_t zone;             /* >= 1 */
    struct store_strs manage;  /* item 0: where commands are sent */
    struct store_strs storage; /* item 0: Gluster peer and brick host */
    struct store_tags tags;
    enum store_state state;
    struct id pending; /* the operation that adds or deletes it, or ID_NONE */
};

struct store_device {
    struct id id, node;
    char *name; /* as given, e.g. /dev/sdb */
    struct store_strs paths;
    char *pv_uuid;       /* "" while unknown */
    uint64_t total_kib;  /* size in extents; 0 while being added */
    uint64_t extent_kib; /* 4096 by default */
    struct store_tags tags;
    enum store_state state;
    struct id pending;
    bool destroy_data; /* as asked at add */
};

enum store_brick_type { STORE_BRICK_UNKNOWN = 0, STORE_BRICK_NORMAL = 1, STORE_BRICK_ARBITER = 2 };

struct store_brick { /* part of its volume: set and position are its place there */
    struct id id, volume, device;
    uint32_t set, position; /* set in the volume, position in the set; order of volume create */
    uint64_t size_kib;      /* virtual size of the LV */
    uint64_t pool_kib;      /* thin pool data */
    uint64_t meta_kib;      /* thin pool metadata */
    char *pool;             /* LV name of the pool, "tp_<id>" */
    char *lv;               /* LV name; "" means "brick_<id>" */
    char *path;             /* brick directory given to Gluster; "" means the default path */
    enum store_brick_type type;
    struct id pending; /* the operation that adds or removes it */
};

enum store_durability { STORE_NONE = 0, STORE_REPLICATE = 1, STORE_DISPERSE = 2 };

/* Whether block volumes may be put on a block hosting volume. */
enum store_restriction { STORE_UNRESTRICTED = 0, STORE_LOCKED = 1, STORE_LOCKED_BY_UPDATE = 2 };

struct store_volume {
    struct id id, cluster;
    char *name;
    uint32_t size_gib;
    enum store_durability durability;
    uint32_t replica;                   /* effective for replicate; as asked otherwise (echoed) */
    uint32_t disperse_data, redundancy; /* effective for disperse; as asked otherwise */
    int64_t gid;                        /* 0: none */
    struct store_strs options;          /* effective list, may contain "" */
    bool snapshot_enable;
    float snapshot_factor;
    bool block; /* hosts block volumes */
    enum store_restriction restriction;
    /* Of a block hosting volume: kept back for its file system. What is free is the size without this and without the
     * block volumes: store_volume_free_gib. */
    uint32_t reserved_gib;
    struct id pending;          /* create, clone (of the new one), delete */
    struct store_brick *bricks; /* ordered by (set, position) */
    size_t n_bricks;
    struct id created_by; /* the operation or job that answers for its creation */
    struct id *clusters;  /* that the request allowed; none: all */
    size_t n_clusters;
    struct id fingerprint; /* of the request that created it (a repeated one is recognised); ID_NONE: unknown */
    /* Made for a request without a name, and nobody has been told of it yet: an equal request may take it over. */
    bool untold;
};

struct store_block_volume { /* its cluster is that of its hosting volume */
    struct id id, hosting;
    char *name; /* unique on its hosting volume */
    uint32_t size_gib;
    uint32_t usable_gib; /* what every exporting host serves: less than the size after a partial expand */
    uint32_t new_gib;    /* a running expand's total, else 0; the larger one is charged to the hosting volume */
    uint32_t ha_count;   /* exporting hosts; until it is created: as asked, 0 for all */
    bool auth;           /* CHAP, as asked */
    char *iqn, *user;
    char *password;          /* a secret: not for logs, messages or command lines */
    struct store_strs hosts; /* storage host names that export it */
    struct id pending;       /* create, expand, delete */
    struct id created_by;    /* as of a volume */
    struct id fingerprint;
    struct id *clusters; /* that the request allowed; none: all */
    size_t n_clusters;
};

enum store_op_type { /* numbers are stored and shown by Heketi's names; never renumber */
                     STORE_OP_CREATE_VOLUME = 1,
                     STORE_OP_DELETE_VOLUME = 2,
                     STORE_OP_EXPAND_VOLUME = 3, /* its new bricks are pending by it, the volume is not */
                     STORE_OP_CLONE_VOLUME = 7,  /* its target is the new volume; the source stays as it is */
                     /* Its target is the block volume. When no hosting volume has room it makes one as well, which is
                      * then pending by it: store_operation_volume. */
                     STORE_OP_CREATE_BLOCK = 4,
                     STORE_OP_DELETE_BLOCK = 5,
                     STORE_OP_EXPAND_BLOCK = 9,
                     STORE_OP_REMOVE_DEVICE = 6, /* moves its bricks, one part (EVICT_BRICK) after another */
                     STORE_OP_EVICT_BRICK = 8,   /* its target is the brick that goes */
                     STORE_OP_NODE_ADD = 101,
                     STORE_OP_NODE_DELETE = 102,
                     STORE_OP_DEVICE_ADD = 103,
                     STORE_OP_DEVICE_DELETE = 104,
                     /* Begun by the OP_END of a volume's create or delete, never by OP_BEGIN: destroys the bricks that
                      * were left on nodes
                      * (`abandoned`; they keep their space charged). Its target is that volume's id; the volume may be
                      * gone. */
                     STORE_OP_CLEAN_BRICKS = 105,
                     STORE_OP_NODE_REMOVE = 106, /* moves its bricks, one part (REMOVE_DEVICE) after another */
                     /* Begun by the OP_END of a forced device delete that could not clean up: does so when the node is
                      * back. Its target is the device, which nobody sees any more. */
                     STORE_OP_CLEAN_DEVICE = 108,
                     STORE_OP_DEVICE_RESYNC = 107, /* asks the node how large the device is; holds nothing */
                     /* The device is lost: a volume group under the same id is made on another disk, or on the same
                      * one rebuilt, and each brick at its place, which heals. */
                     STORE_OP_DEVICE_REPLACE = 109,
                     /* The node came back without its system, or another machine has taken its place: its glusterd
                      * becomes the old peer again, and then its devices are replaced, one part (DEVICE_REPLACE) after
                      * another. */
                     STORE_OP_NODE_REPLACE = 110,
                     /* Begun by the good OP_END of an expand: spreads the files over the new bricks too. Holds nothing;
                      * its volume may be gone. */
                     STORE_OP_REBALANCE = 113,
};

#define STORE_OP_OWN_FIRST 100 /* from here on those that Heketi does not record */
#define STORE_OP_TYPES 128     /* above all types */

enum store_op_phase {
    STORE_OP_FORWARD = 0, /* doing */
    STORE_OP_UNDO = 1,    /* taking back; ends as failed with `reason` */
    /* Evict: the volume has the replacement. Device replace: what the old one held is gone. Only forward from here. */
    STORE_OP_COMMITTED = 2,
};
#define STORE_OP_PHASES 3

struct store_parked { /* a part that waits for an unreachable node */
    struct id node;
    char *text; /* for people: what is left to do, and the last error */
};

struct store_renewal { /* a device that is to be rebuilt */
    struct id device;
    char *name; /* on which disk; "": the one that it had */
};

struct store_operation { /* its id is the queue id */
    struct id id;
    enum store_op_type type;
    enum store_op_phase phase;
    struct id target; /* volume, node or device */
    int64_t created_ms;
    uint32_t attempt;  /* replans so far */
    char *reason;      /* why it is being undone; "" in FORWARD */
    bool force;        /* device delete, node delete: forget; replace: what is on the disks may be destroyed */
    struct id source;  /* clone: the volume it is made from */
    uint32_t size_gib; /* expand: added at the end */
    struct store_parked *parked;
    size_t n_parked;
    /* Bricks of abandoned attempts that still have to be destroyed on their nodes; they keep their space charged. */
    struct store_brick *abandoned;
    size_t n_abandoned;
    uint64_t begin_index; /* log index of its begin: order of age */
    /* Evict: the brick that comes instead of the target. Until COMMITTED it is the last of `abandoned` and the target
     * is in the volume; from then on the other way round, so that `abandoned` is always what has to go in the end.
     * ID_NONE: no place is chosen yet. */
    struct id replacement;
    bool skip_heal;   /* evict, remove: as asked, nothing about healing is checked or awaited */
    struct id parent; /* the operation that this one is a part of, or ID_NONE */
    /* Remove, node replace: the part under way, or ID_NONE; a part that failed leaves its error in `reason`. */
    struct id child;
    /* Volume create that a repetition has taken over: the queue id that answers for it instead of its own, which has
     * failed. ID_NONE: its own. */
    struct id answers;
    struct store_renewal *renewals; /* node replace: what is still to be done; device replace: its own one */
    size_t n_renewals;
    bool lost; /* replace: bricks that have no other copy are rebuilt as empty ones */
    /* Create, clone, FORWARD: it came with a backup. How it ended after the backup was made is not known: what it made
     * may have been given to somebody, and hold data. */
    bool restored;
};

/* Who may change anything (heketi-rest.md 6.13). UNSET: never set; the configuration of the leader decides. */
enum store_mode {
    STORE_MODE_UNSET = 0,
    STORE_MODE_NORMAL = 1,
    STORE_MODE_READ_ONLY = 2,
    STORE_MODE_LOCAL_CLIENT = 3,
};

enum store_hold { STORE_HOLD_UNSET = 0, STORE_HOLD_OFF = 1, STORE_HOLD_ON = 2 };

struct store_settings { /* of the whole cluster; there is one such record, or none while nothing is set */
    struct id id;       /* STORE_SETTINGS_ID */
    enum store_mode mode;
    uint32_t log_level;     /* 0: as configured on each member; otherwise a log level + 1 */
    struct id load;         /* a load is under way: the database is not whole. ID_NONE: none */
    uint32_t load_part;     /* the part that comes next */
    struct id loaded;       /* the load that was finished last */
    uint32_t feature_level; /* 0: the first one (level.h) */
    enum store_hold hold;   /* ON: the level is not raised */
};

#define STORE_SETTINGS_ID ((struct id){{[15] = 1}})
#define STORE_LOG_LEVEL_MAX 6

enum store_resource { STORE_RES_NONE = 0, STORE_RES_NODE = 1, STORE_RES_VOLUME = 2, STORE_RES_BLOCK_VOLUME = 3 };

struct store_job { /* a finished operation: what GET /queue/<id> answers, repeatably, for at least an hour */
    struct id id;
    bool failed;
    char *error;                  /* failed: the text; else "" */
    enum store_resource resource; /* done: where 303 points, NONE: 204 */
    struct id resource_id;
    enum store_op_type type; /* 0 for jobs without an operation (state changes) */
    int64_t ended_ms;
};

void store_strs_fini(struct store_strs *strs);
void store_strs_add(struct store_strs *strs, const char *text);
void store_strs_copy(struct store_strs *to, const struct store_strs *from); /* to is overwritten, not freed */
void store_tags_fini(struct store_tags *tags);
void store_tags_set(struct store_tags *tags, const char *name, const char *value); /* keeps the order, replaces */
void store_tags_copy(struct store_tags *to, const struct store_tags *from);
const char *store_tags_get(const struct store_tags *tags, const char *name); /* NULL when absent */
void store_brick_fini(struct store_brick *brick);
void store_brick_copy(struct store_brick *to, const struct store_brick *from);
void store_volume_fini(struct store_volume *volume);
void store_volume_copy(struct store_volume *to, const struct store_volume *from); /* with its bricks */
void store_block_volume_fini(struct store_block_volume *block);
void store_block_volume_copy(struct store_block_volume *to, const struct store_block_volume *from);
void store_device_fini(struct store_device *device);
void store_device_copy(struct store_device *to, const struct store_device *from);

/* How many bricks of a volume form a set: they hold the same data, or parts of it. */
uint32_t store_volume_width(const struct store_volume *volume);
bool store_volume_is_single(const struct store_volume *volume); /* each file is on one brick only */

const char *store_state_name(enum store_state state); /* "online" ... */
const char *store_mode_name(enum store_mode mode);    /* "normal", "read-only", "local-client" */
bool store_mode_parse(const char *name, enum store_mode *ret_mode);
bool store_op_has_parts(enum store_op_type type);        /* removals, node replace: consists of other operations */
const char *store_op_type_name(enum store_op_type type); /* "create-volume", "add-node", ... */
const char *store_durability_name(enum store_durability value);   /* "none", "replicate", "disperse" */
const char *store_restriction_name(enum store_restriction value); /* "", "locked", "locked-by-update" */

/* Of so many GiB of a block hosting volume: what its file system keeps (heketi-storage.md 8.2). Added piece by piece as
 * the volume grows. */
uint32_t store_block_reserve_gib(uint32_t size_gib);

/* Names on the nodes (heketi-storage.md 1.1): malloc'ed. */
char *store_brick_lv_name(const struct store_brick *brick); /* brick_<id> unless recorded */
char *store_brick_path(const struct store_brick *brick);    /* mount point + "/brick" unless recorded */
/* /var/lib/heketi/mounts/vg_<device>/brick_<id>, or the parent of the recorded path (clones: Gluster mounts them) */
char *store_brick_mount(const struct store_brick *brick);
char *store_brick_devnode(const struct store_brick *brick); /* /dev/mapper/vg_<device>-<LV> */

#endif
