/* The executor does one step on one storage node: a single remote call that checks, does, verifies and syncs.
 *
 * Every step is safe to repeat: what is there already is left, what is gone already is gone. A step is reported done
 * only when its effect is on stable storage of the node. Two executors exist: ssh (real nodes) and mock (pretended
 * nodes, whose failures, delays and hangs can be ordered).
 */
#ifndef HECATE_DAEMON_EXECUTOR_EXECUTOR_H
#define HECATE_DAEMON_EXECUTOR_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "store/base/err.h"
#include "store/types.h"

enum exec_step_kind {
    EXEC_GLUSTERD_CHECK = 1, /* is glusterd running on `host`? */
    EXEC_PEER_PROBE,         /* on `host` (a member of the pool): probe `peer`; verified by peer status */
    EXEC_PEER_DETACH,        /* on `host`: detach `peer`; not a peer: done */
    EXEC_PEER_FORGET,        /* on `host`: let go of `peer`, which the pool has detached; not a peer: done */
    EXEC_DEVICE_SETUP,       /* pvcreate + vgcreate vg_<device>; result has sizes, pv_uuid, paths */
    EXEC_DEVICE_TEARDOWN,    /* vgremove + pvremove + rmdir; absent: done */
    EXEC_BRICK_CREATE,       /* pool, LV, XFS, fstab, mount, directory, gid; synced */
    EXEC_BRICK_SYNC,         /* after the volume has started: what Gluster wrote on the brick is on stable storage */
    EXEC_BRICK_DESTROY,      /* umount, fstab, LV, pool, directory; absent: done */
    EXEC_VOLUME_CREATE,      /* volume create + add-brick + set + start; existing with the same bricks: completed */
    EXEC_VOLUME_DELETE,      /* stop + delete; absent: done. Snapshots present, not `known`: refused before the stop */
    EXEC_HEAL_CHECK = 30,    /* may old_brick be replaced? Heketi's rules (heal.h); nothing is changed. It has been, by
                                new_brick: done */
    EXEC_BRICK_REPLACE,      /* replace-brick old_brick new_brick commit force, after another heal check; done: done */
    EXEC_BRICK_UNREPLACED,   /* is new_brick no part of the volume? It is: a permanent refusal */
    EXEC_HEAL_WAIT,          /* is nothing left to heal in the set of new_brick? Otherwise E_REMOTE says how much */
    EXEC_FENCE,              /* raises the fence of `host` to the term; nothing else */
    EXEC_INVENTORY,          /* what is there: groups, volumes, mounts, Gluster's volumes and peers; changes nothing */

    EXEC_VOLUME_EXPAND = 40, /* add-brick of `bricks`; they are in the volume already: done */
    EXEC_VOLUME_LOOK,        /* result.volume: does the volume exist with all of `bricks` (none given: at all)? */
    EXEC_REBALANCE_START,    /* running already: done */
    EXEC_REBALANCE_STATUS,   /* result.unfinished while it runs */
    EXEC_VOLUME_CLONE,       /* snapshot of `source`, clone of it as `volume`; exists: done. result.volume */
    EXEC_CLONE_START,        /* options of its own, start; the snapshot goes */
    EXEC_SNAPSHOT_DELETE,    /* the snapshot that VOLUME_CLONE may have left; absent: done */
    EXEC_VOLUME_CHECK, /* is the volume started, of its kind, with `bricks` in order? Otherwise a permanent refusal;
                          it is not there or not started, or has none of them: E_BUSY */
    /* With gluster-block, on any node of the pool; result.block is what it says afterwards. */
    EXEC_BLOCK_CREATE = 60, /* `block` on `volume`, exported by `hosts`; it is there: left, whoever exports it */
    EXEC_BLOCK_EXPAND,      /* to block->new_gib; is as large: done */
    EXEC_BLOCK_LOOK,        /* absent: done, result.block.present is false */
    EXEC_BLOCK_DELETE,      /* absent, or its hosting volume is: done. Not installed: refused for good */
    EXEC_DEVICE_LOOK = 70,  /* result.device: how large the group of the device is; changes nothing */
    /* Of what is rebuilt at its place; safe to repeat for the same `renewal`. */
    EXEC_NODE_RENEW =
        80,            /* glusterd of `host` becomes the peer that the pool knows as `peer`: done, if it is that one */
    EXEC_DEVICE_LOST,  /* is the device's group gone, or empty? It is there, with content: a permanent refusal, unless
                          device->destroy_data, or only the node's system is new; changes nothing */
    EXEC_DEVICE_RENEW, /* the same; then an empty group, or the old one, where only the system is new. result.device */
    EXEC_BRICK_RESET,  /* Gluster takes the brick that BRICK_CREATE has rebuilt for an empty one, to be healed */
};

struct exec_brick {
    const struct store_brick *brick; /* borrowed until the callback */
    const char *storage_host;        /* of the brick's node */
};

/* What the database knows of a Gluster volume, by which it is told from another one of the same name: all its bricks,
 * those that its operation made before or takes away, too. */
struct exec_known {
    struct id id;
    const struct exec_brick *bricks; /* borrowed until the callback */
    size_t n;
};

struct exec_step {
    enum exec_step_kind kind;
    const char *host; /* manage address; borrowed until the callback */
    struct id node;   /* for logs and status */
    struct id op_id;
    struct id cluster;   /* INVENTORY: of the node */
    struct id managers;  /* the managers' own cluster: the node refuses one formed before the last (E_AUTH) */
    uint64_t term;       /* of the leader: the node refuses an older one (E_FENCED) */
    bool repair;         /* FENCE: a damaged one is rewritten. Only for a leader that has its lease after it heard of
                            the damage: what a damaged fence has forgotten is then no newer term */
    bool replaced;       /* BRICK_SYNC: it has taken the place of another one in a dispersed volume */
    bool rebuild;        /* BRICK_CREATE: at the place of one that is lost, of which Gluster knows */
    struct id renewal;   /* *_RENEW: what belongs together, so that it is done once */
    uint64_t needed_kib; /* DEVICE_RENEW: so much has to fit on it */
    const struct store_strs *silent; /* Gluster: storage names of nodes that fell silent lately, or NULL. A command for
                                        the whole pool is not begun where Gluster takes one of them for connected still
                                        (E_BUSY): it would wait for it, some ten minutes */
    uint32_t timeout_ms;             /* whole step; 0: the executor's default for this kind */
    const char *peer;                /* PEER_*, NODE_RENEW: storage name */
    bool force;                      /* PEER_DETACH: of one that does not answer */
    const struct store_device *device; /* DEVICE_* */
    const struct store_volume
        *volume;        /* VOLUME_*, REBALANCE_*, CLONE_START, HEAL_*, BRICK_(UN)REPLACE(D); BRICK_CREATE (gid) */
    const char *source; /* VOLUME_CLONE: name of the volume to be cloned */
    /* Steps that change a Gluster volume: of this one; VOLUME_CLONE: of the source; BLOCK_*: of the hosting volume */
    struct exec_known known;
    bool undo; /* VOLUME_DELETE: of what a create has left; somebody else's volume of the name is left, too: done */
    /* BRICK_CREATE, _SYNC, _DESTROY: exactly one; with a volume: all, in order; VOLUME_EXPAND: the new ones;
     * VOLUME_LOOK: those looked for; VOLUME_CHECK: those just made */
    const struct exec_brick *bricks;
    size_t n_bricks;
    const struct store_block_volume *block; /* BLOCK_*; volume is its hosting volume, without bricks */
    const struct store_strs *hosts;         /* BLOCK_CREATE; NODE_RENEW (the rest of the pool): storage names */
    struct exec_brick old_brick;            /* HEAL_CHECK, BRICK_REPLACE, BRICK_UNREPLACED */
    struct exec_brick new_brick; /* BRICK_REPLACE, BRICK_UNREPLACED, BRICK_RESET, HEAL_WAIT; HEAL_CHECK, if any */
    bool skip_heal;              /* BRICK_REPLACE: without the heal check */
    uint32_t snapshot_limit;     /* PEER_PROBE: > 0 sets snap-max-hard-limit */
};

struct exec_device_info { /* of DEVICE_SETUP, DEVICE_RENEW; of DEVICE_LOOK without paths */
    uint64_t total_kib, extent_kib;
    char pv_uuid[64];
    struct store_strs paths;
};

struct exec_volume_info { /* of VOLUME_LOOK and VOLUME_CLONE */
    bool present;
    bool partly;              /* VOLUME_LOOK: with some of the bricks only */
    bool there;               /* VOLUME_LOOK: a volume of that name, whatever its bricks are */
    char uuid[64];            /* Gluster's, with dashes */
    struct store_strs bricks; /* "host:/path" in Gluster's order */
};

struct exec_block_info { /* of BLOCK_CREATE, BLOCK_EXPAND, BLOCK_LOOK */
    bool present;
    uint32_t size_gib, usable_gib; /* usable: what every host serves */
    char iqn[256], user[128];
    char password[128]; /* a secret */
    struct store_strs hosts;
};

struct exec_lv {               /* a logical volume of a group vg_<id> */
    char *group, *name, *pool; /* pool: "" where it has none */
    uint64_t kib;
};

struct exec_gluster_volume {
    char *name, *id;
    bool started;
    struct store_strs bricks; /* "host:/path", in order */
};

struct exec_peer {
    struct store_strs names; /* of one other node of the pool */
    bool connected;
};

struct exec_inventory {       /* of INVENTORY: of one node */
    _Atomic unsigned refs;    /* threads keep it, too */
    size_t bytes;             /* that it takes, about */
    struct store_strs groups; /* all volume groups vg_<id> */
    struct store_strs mounts; /* below the folder of mounts: mount points */
    struct store_strs fstab;  /* mount points there */
    struct exec_lv *lvs;
    size_t n_lvs;
    struct exec_gluster_volume *volumes;
    size_t n_volumes;
    bool snapshots_known;        /* asked for only when there are LVs of snapshots */
    struct store_strs snapshots; /* names of Gluster's snapshot volumes: 32 hexadecimal digits */
    bool peers_known;
    struct exec_peer *peers;
    size_t n_peers;
};
/* Has Gluster made this LV, for a snapshot or a clone? They are called NAME_NUMBER, NAME that of the volume made of it:
 * 32 hexadecimal digits. */
bool exec_is_snapshot_lv(const char *name);
#define EXEC_SNAPSHOT_NAME_LEN 32
#define EXEC_INVENTORY_BYTES_MAX ((size_t)128 << 20) /* a node that has more to list cannot be looked at */
/* Keeps it beyond the callback; given back by exec_inventory_free. */
struct exec_inventory *exec_inventory_ref(struct exec_inventory *inventory);
/* A large one is freed by a thread: that takes long. */
void exec_inventory_free(struct exec_inventory *inventory);
void exec_inventory_free_here(struct exec_inventory *inventory); /* in a thread that may take its time */

/* What is the matter with a node, where more is known than a code says. */
enum exec_cause {
    EXEC_CAUSE_NONE,
    EXEC_CAUSE_FENCE_DAMAGED, /* its fence says nothing that can be right */
    EXEC_CAUSE_FENCE_AHEAD,   /* its fence names a term that no leader ever had: found by the driver */
    EXEC_CAUSE_FOREIGN,       /* another cluster of managers has it */
    EXEC_CAUSE_HOST_KEY,      /* its key is not the one that is known, or not known at all */
    EXEC_CAUSE_USER_KEY,      /* it does not let us in */
    EXEC_CAUSE_FLOOD,         /* it answers without end */
    EXEC_CAUSE_GARBAGE,       /* its answers have no meaning */
};

struct exec_result {
    int code; /* E_OK; E_CONNECT, E_AUTH, E_TIMEOUT (outcome unknown: look again), E_FENCED, E_REMOTE, E_BUSY
                 (gluster: another transaction), E_DAMAGED (the fence), E_PROTOCOL, E_CANCELLED */
    enum exec_cause cause;
    char message[2048]; /* failure: the text of the node, fit for clients and logs */
    bool permanent;     /* E_REMOTE: repeating is pointless (e.g. the device holds other data) */
    bool apart;         /* E_BUSY: a node of the pool is not connected (yet) to another one */
    bool marked;        /* E_BUSY: Gluster takes a brick for one of a volume, as a try that failed may have left it */
    bool moved;         /* E_BUSY: it was not begun; another node is asked instead */
    bool unfinished;    /* E_OK, but what the step asks about goes on: ask again later. message says how far it is */
    /* The rest is freed by the executor after the callback. */
    struct exec_device_info device;
    struct exec_volume_info volume;
    struct exec_block_info block;
    struct exec_inventory *inventory; /* of INVENTORY */
};

struct executor;
struct exec_call; /* one running step */

/* Fires exactly once, from the loop, never from within exec_run. */
typedef void (*exec_done_cb)(void *user, const struct exec_result *result);

struct exec_ops {
    struct exec_call *(*run)(struct executor *executor, const struct exec_step *step, exec_done_cb cb, void *user);
    /* The callback still comes (E_CANCELLED or the real result). The remote command may go on; its late effect is
     * fenced or found by the next check. */
    void (*cancel)(struct executor *executor, struct exec_call *call);
    void (*close)(struct executor *executor, void (*closed_cb)(void *user), void *user);
};

struct executor {
    const struct exec_ops *ops;
};

static inline struct exec_call *exec_run(struct executor *executor, const struct exec_step *step, exec_done_cb cb,
                                         void *user)
{
    return executor->ops->run(executor, step, cb, user);
}

static inline void exec_cancel(struct executor *executor, struct exec_call *call)
{
    executor->ops->cancel(executor, call);
}

static inline void exec_close(struct executor *executor, void (*closed_cb)(void *user), void *user)
{
    executor->ops->close(executor, closed_cb, user);
}

void exec_result_fini(struct exec_result *result);
/* Is it a failure of the node as such, whatever the step was? */
bool exec_is_unreachable(int code);
/* The name of the snapshot that an operation clones from: the same one at each try. malloc'ed. */
char *exec_snapshot_name(struct id op_id);
const char *exec_step_name(enum exec_step_kind kind); /* "brick-create", ... */

/* ---- settings: sections sshexec and mock of the configuration; strings are borrowed for the executor's life ---- */

struct exec_config {
    const char *keyfile, *user; /* ssh */
    uint16_t port;
    const char *known_hosts; /* file; NULL: none */
    bool trust_first_use;    /* unknown host keys are learnt and written to known_hosts; else refused */
    bool sudo;
    const char *fstab, *mount_options;
    const char *pv_data_alignment, *vg_extent_size, *lv_chunk_size;
    const char *lvm_wrapper;    /* "" */
    const char *block_prealloc; /* of gluster-block create: full or no */
    bool backup_lvm_metadata;
    uint32_t xfs_sw, xfs_su;
    uint32_t gluster_timeout_s;   /* 600 */
    uint32_t connect_timeout_ms;  /* 5000 */
    uint32_t silence_timeout_ms;  /* 20000: a host that acknowledges nothing for so long, keep-alive probes included */
    uint64_t mock_device_kib;     /* 500 GiB */
    bool mock_devices_once;       /* a name in use on its node is refused */
    const char *mock_faults;      /* mock: JSON text of orders, see mock_orders.h; "" none */
    const char *mock_faults_file; /* mock: a file with further ones, read again when it changes; "" none */
};
void exec_config_init(struct exec_config *config); /* Heketi's defaults */
/* What becomes part of commands on the nodes: E_INVALID names the setting that cannot, as hecate.json has it. */
int exec_config_check(const struct exec_config *config, struct err *reterr);

/* Can this private key be used? E_INVALID says what is wrong with the file. */
int exec_key_check(const char *file, struct err *reterr);

struct executor *exec_ssh_new(uv_loop_t *loop, const struct exec_config *config, struct err *reterr);
struct executor *exec_mock_new(uv_loop_t *loop, const struct exec_config *config, struct err *reterr);

#endif
