/* A validated wish of a client: what the API makes of a request body and what the planner turns into a command.
 * Contains nothing random and no time. */
#ifndef HECATE_STORE_REQUEST_H
#define HECATE_STORE_REQUEST_H

#include "store/types.h"

enum store_request_type {
    STORE_REQ_CLUSTER_CREATE = 1,
    STORE_REQ_CLUSTER_FLAGS,
    STORE_REQ_CLUSTER_DELETE,
    STORE_REQ_NODE_ADD,
    STORE_REQ_NODE_DELETE,
    STORE_REQ_NODE_STATE,
    STORE_REQ_NODE_TAGS,
    STORE_REQ_DEVICE_ADD,
    STORE_REQ_DEVICE_DELETE,
    STORE_REQ_DEVICE_STATE,
    STORE_REQ_DEVICE_TAGS,
    STORE_REQ_VOLUME_CREATE,
    STORE_REQ_VOLUME_DELETE,
    STORE_REQ_VOLUME_EXPAND,
    STORE_REQ_VOLUME_CLONE,
    STORE_REQ_VOLUME_RESTRICT,
    STORE_REQ_BRICK_EVICT = 30,
    STORE_REQ_DEVICE_RESYNC = 31,
    STORE_REQ_NODE_REPLACE = 32,
    STORE_REQ_DEVICE_REPLACE = 33,
    STORE_REQ_BLOCK_CREATE = 35,
    STORE_REQ_BLOCK_EXPAND = 36,
    STORE_REQ_BLOCK_DELETE = 37,
    STORE_REQ_MODE = 40,
    STORE_REQ_LOG_LEVEL = 41,
    STORE_REQ_CLEANUP = 42, /* of operations: they end by themselves, so it is a job that is done at once */
    STORE_REQ_TOLD = 43,    /* somebody is about to be told of the volume */
};

#define STORE_REQ_LAST 63 /* the codec reads numbers up to here */

enum store_tag_change { STORE_TAGS_SET, STORE_TAGS_UPDATE, STORE_TAGS_DELETE };

struct store_volume_request {
    uint32_t size_gib;
    char *name;          /* "" = vol_<id> */
    struct id *clusters; /* in the caller's order; n 0 = all */
    size_t n_clusters;
    enum store_durability durability;
    uint32_t replica, disperse_data, redundancy; /* as asked; 0 = not given */
    int64_t gid;
    struct store_strs options; /* of the request alone */
    bool snapshot_enable;
    float snapshot_factor;
    bool block;
    char *oldest_client; /* GlusterFS version that must be able to mount it; "" = the configured one */
};

struct store_block_request {
    uint32_t size_gib;
    char *name;          /* "" = blockvol_<id> */
    struct id *clusters; /* n 0 = all */
    size_t n_clusters;
    uint32_t ha_count; /* 0 = all hosts */
    bool auth;
};

struct store_request {
    enum store_request_type type;
    struct id target;                  /* cluster, node, device, volume or block volume of the path */
    char *key;                         /* Idempotency-Key, "" when none; at most 128 characters */
    bool key_made;                     /* by a member for its own repetitions: the client gave none */
    bool file, block;                  /* CLUSTER_CREATE, CLUSTER_FLAGS */
    struct id cluster;                 /* NODE_ADD */
    uint32_t zone;                     /* NODE_ADD */
    struct store_strs manage, storage; /* NODE_ADD; NODE_REPLACE: manage, empty: as before */
    struct store_tags tags;            /* NODE_ADD, DEVICE_ADD, *_TAGS */
    enum store_tag_change tag_change;
    enum store_state state;                  /* *_STATE */
    struct id node;                          /* DEVICE_ADD */
    char *device_name;                       /* DEVICE_ADD; DEVICE_REPLACE, "": as before */
    bool destroy_data;                       /* DEVICE_ADD, *_REPLACE */
    bool force;                              /* DEVICE_DELETE, NODE_DELETE: forget; VOLUME_DELETE: also Heketi's own */
    bool skip_heal;                          /* BRICK_EVICT, *_STATE failed: healcheck "disable" */
    struct store_volume_request volume;      /* VOLUME_CREATE; VOLUME_EXPAND: size_gib to add; VOLUME_CLONE: name */
    enum store_mode mode;                    /* MODE */
    uint32_t log_level;                      /* LOG_LEVEL: as in store_settings; 0 changes nothing */
    struct store_block_request block_volume; /* BLOCK_CREATE */
    uint32_t new_gib;                        /* BLOCK_EXPAND: the new total */
    enum store_restriction restriction;      /* VOLUME_RESTRICT */
    struct store_renewal *renewals;          /* NODE_REPLACE: devices that get another disk */
    size_t n_renewals;
    bool lost; /* *_REPLACE: also bricks that have no other copy */
};

/* A zeroed request with empty strings instead of NULL; fini frees everything inside. */
void store_request_init(struct store_request *request, enum store_request_type type);
void store_request_fini(struct store_request *request);
/* A deep copy; to is overwritten, not freed. */
void store_request_copy(struct store_request *to, const struct store_request *from);

#endif
