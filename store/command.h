/* Commands: what the replicated log carries. A command holds everything that is not deterministic (ids, time, chosen
 * bricks), is encoded as a versioned msgpack map, and is checked again by apply against the state it meets. */
#ifndef HECATE_STORE_COMMAND_H
#define HECATE_STORE_COMMAND_H

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/types.h"

#define STORE_CMD_MAX_BYTES (4u << 20) /* longer encodings are refused */
/* What store_cmd_judge lets into the log: records of a load, bricks, tags and parked parts together, and bytes in
 * memory. No release makes a command of as much (the end of a load, 768 KiB, has bricks of 88 bytes at least). */
#define STORE_CMD_MAX_ITEMS 10000
#define STORE_CMD_MAX_DECODED (8u << 20)
#define STORE_TEXT_MAX 8192 /* reasons, errors, parked texts: longer ones are cut, all made clean */
/* Places for operations; more are refused: TOO_BUSY. Clean-ups, and the ways out (removals, and deletes of nodes and
 * devices), need none. Some places are kept from what makes or enlarges volumes (from feature level 2 on). */
#define STORE_OPERATIONS_MAX 1000
#define STORE_OPERATIONS_KEPT 100
/* Bytes of the records of all volumes that are being made (options, bricks): the leader begins no operation that would
 * make it more. Each member has them in memory, in its log and in its snapshots. */
#define STORE_MADE_BYTES_MAX ((size_t)16 << 20)
#define STORE_EXPIRE_MAX 1000
/* When a node is forgotten by force: bricks of operations that wait for it and end with one command. */
#define STORE_FORGET_WORK 250
#define STORE_KEY_MAX 128
/* Request keys that repetitions of a request may leave with its job, and with all jobs together. */
#define STORE_JOB_KEYS_MAX 64
#define STORE_KEYS_MAX 65536
#define STORE_BRICKS_MAX 1024 /* bricks of one volume, whatever is configured */

enum store_cmd_type { /* stored: never renumber */
                      STORE_CMD_NOOP = 1,
                      STORE_CMD_CLUSTER_CREATE = 2, /* cluster */
                      STORE_CMD_CLUSTER_FLAGS = 3,  /* cluster */
                      STORE_CMD_CLUSTER_DELETE = 4, /* target */
                      STORE_CMD_TAGS = 5,           /* target (node or device), tags = the tags after the change */
                      STORE_CMD_SET_STATE = 6, /* target (node or device), state; records a finished job under op_id */
                      STORE_CMD_OP_BEGIN =
                          10, /* op_type and its object: reserves and records the operation in one step */
                      STORE_CMD_OP_REPLAN = 11, /* op_id. Volume create: volume.bricks = the new bricks; the old ones
                                                   are abandoned. Evict: volume.bricks = one, the (next) replacement */
                      STORE_CMD_OP_UNDO = 12,   /* op_id, text = reason */
                      STORE_CMD_OP_PARKED = 13, /* op_id, parked: replaces the list (n 0: nothing is parked any more) */
                      /* op_id, time_ms, failed, text = error; device add, resync: what the node said in `device` */
                      STORE_CMD_OP_END = 14,
                      /* time_ms: forget jobs (and request keys) that ended before; at most STORE_EXPIRE_MAX by one
                         command, oldest first (level 1: so many jobs, with all their keys) */
                      STORE_CMD_EXPIRE_JOBS = 15,
                      /* A repeated create of the volume `target` (explicit name): remembers `key` for op_id, the
                       * volume's created_by; if that job has expired, op_id is new and becomes a finished job that
                       * points to the volume. A repeated expand of it: remembers `key` for op_id, the expand. */
                      STORE_CMD_REPEAT = 16,
                      /* volume clone: op_id, volume.bricks in the order of the volume's, each with its id, the path and
                       * the LV that Gluster gave it: known before anything of them may be taken away again */
                      STORE_CMD_OP_LEARN = 25,
                      /* volume expand: op_id. It is being undone, but Gluster has the bricks: forward again. */
                      STORE_CMD_OP_REDO = 26,
                      STORE_CMD_RESTRICT = 27, /* target (volume), restriction; a finished job under op_id */
                      /* target (volume); volume.bricks: each of its bricks, of which only the id counts, in Gluster's
                       * order */
                      STORE_CMD_ORDER = 28,
                      /* op_id. Evict: Gluster has taken the replacement. Device replace: the volume group is new */
                      STORE_CMD_OP_MOVED = 30,
                      STORE_CMD_OP_FORWARD =
                          31,              /* evict that is undone: op_id; Gluster took the replacement after all */
                      STORE_CMD_TOLD = 32, /* target: a volume that somebody is about to be told of */
                      /* op_id = a new queue id, target = an untold volume, base = the queue id that answers for it,
                       * which fails; key */
                      STORE_CMD_TAKE_OVER = 33,
                      STORE_CMD_SETTINGS = 40,   /* settings: what is not zero is set */
                      STORE_CMD_LOAD = 42,       /* op_id = the load, load: a part (store/load.h) */
                      STORE_CMD_LOAD_ABORT = 43, /* op_id: takes back what was loaded */
                      STORE_CMD_LEVEL = 44,      /* settings.feature_level: the next one; everybody knows it */
                      STORE_CMD_JOB = 41,        /* op_id, time_ms: records a job that is done and made nothing */
};

#define STORE_CMD_LAST 63 /* the codec reads numbers up to here */

struct store_load { /* records of a database; begin_index of operations is that of the command */
    uint32_t part;  /* from 0 */
    bool last;
    struct store_cluster *clusters;
    struct store_node *nodes;
    struct store_device *devices;
    struct store_volume *volumes;
    struct store_block_volume *blocks;
    struct store_operation *operations;
    size_t n_clusters, n_nodes, n_devices, n_volumes, n_blocks, n_operations;
};

struct store_cmd {
    enum store_cmd_type type;
    int64_t time_ms;
    char *key;     /* request key (Idempotency-Key), "" when none; OP_BEGIN, CLUSTER_CREATE */
    bool key_made; /* by a member for its own repetitions: the client gave none */
    struct id op_id;
    enum store_op_type op_type; /* OP_BEGIN */
    struct id target;
    enum store_state state;       /* SET_STATE */
    bool failed;                  /* OP_END */
    bool force;                   /* OP_BEGIN of device delete, node delete, volume delete, replace */
    char *text;                   /* never NULL */
    struct store_cluster cluster; /* CLUSTER_CREATE, CLUSTER_FLAGS */
    /* OP_BEGIN of node add: the whole record; tags and so on; of node replace: manage, empty: as before */
    struct store_node node;
    struct store_device
        device; /* OP_BEGIN of device add; OP_END of device add: sizes, pv_uuid, paths, of resync, replace: sizes */
    /* OP_BEGIN of volume create, with bricks, and of clone (the new volume); OP_BEGIN of expand: size_gib to add and
     * the new bricks, their sets counted from 0; OP_REPLAN; OP_LEARN */
    struct store_volume volume;
    /* OP_BEGIN of block volume create (with `volume`, when a hosting volume is to be made too), of expand: new_gib;
     * OP_END of create and expand: what the nodes said (iqn, user, password, hosts, sizes; 0: not known) */
    struct store_block_volume block;
    struct store_tags tags;      /* TAGS */
    struct store_parked *parked; /* OP_PARKED */
    size_t n_parked;
    struct id fingerprint; /* of the client's request (OP_BEGIN, CLUSTER_CREATE, REPEAT): equal parameters */
    struct id base;        /* TAGS: fingerprint of the tags it was computed from; ID_NONE: replaces any */
    /* OP_END of a volume's create or delete: bricks that the end does not keep may still be on nodes that do not
     * answer; an operation of this id (STORE_OP_CLEAN_BRICKS) takes them over. ID_NONE: none is left. Of a forced
     * device delete: the same with the device (STORE_OP_CLEAN_DEVICE). */
    struct id follow_id;
    struct id rebalance_id; /* good OP_END of an expand: begins a STORE_OP_REBALANCE of this id; ID_NONE: none */
    enum store_restriction restriction; /* RESTRICT */
    bool skip_heal;                     /* OP_BEGIN of evict, remove */
    /* OP_BEGIN of a part (evict of a device's removal, device's removal of a node's, its replacing of a node's) */
    struct id parent;
    struct store_settings settings; /* SETTINGS */
    struct store_load load;         /* LOAD */
    /* OP_BEGIN of node replace: devices that get another disk; of device replace: the device itself, or none */
    struct store_renewal *renewals;
    size_t n_renewals;
    bool lost; /* OP_BEGIN of replace */
};

enum store_code { /* the result of a command or plan: 0 is success, everything else a refusal by the rules */
                  STORE_OK = 0,
                  STORE_REPEATED, /* a request key or explicit name seen before with equal parameters: ids are the first
                                     one's */
                  STORE_NOT_FOUND,     /* 404 */
                  STORE_CONFLICT,      /* 409 */
                  STORE_BAD_REQUEST,   /* 400 */
                  STORE_NO_ALLOCATION, /* 500: no space and its relatives */
                  STORE_IN_USE,        /* 500: the target is pending */
                  STORE_STALE_PLAN,    /* the state moved between plan and apply: plan again */
                  STORE_TOO_BUSY,      /* 429 */
};

struct store_result {
    enum store_code code;
    struct id id;    /* the object created or named */
    struct id op_id; /* the operation accepted: the queue id */
    char text[2048]; /* refusal: complete text for the client (without final LF), as heketi-rest.md has it */
};

void store_cmd_init(struct store_cmd *cmd, enum store_cmd_type type); /* strings "", everything else zero */
void store_cmd_fini(struct store_cmd *cmd);
/* Appends the encoding. Longer ones than a log takes (cons_propose) or STORE_CMD_MAX_BYTES are refused there. */
void store_cmd_encode(const struct store_cmd *cmd, struct buf *buf);
/* Never trusts its input: sizes, counts and depth are checked before anything is reserved. Unknown type or version:
 * E_UNSUPPORTED (the member must stop); anything else wrong: E_DAMAGED. How much it is does not matter: it is in the
 * log. */
int store_cmd_decode(const void *data, size_t len, struct store_cmd *ret_cmd, struct err *reterr);
/* Whether store_cmd_decode would read it, without much time or memory: 0 or the code that it would return, or E_DAMAGED
 * for what is too much at once. Fast. */
int store_cmd_judge(const void *data, size_t len, struct err *reterr);

#endif
