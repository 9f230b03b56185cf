/* What `gluster ... --xml` says. Pure: text in, structs out.
 *
 * Every reader returns 0, or E_PROTOCOL with a text that says what was expected: the answer is then empty. An answer of
 * 0 can still be a refusal by Gluster (op.ret != 0, no data). Texts are never NULL. Each answer is freed by its _fini.
 */
#ifndef HECATE_DAEMON_EXECUTOR_GLUSTER_XML_H
#define HECATE_DAEMON_EXECUTOR_GLUSTER_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/executor/executor.h"
#include "store/base/err.h"

struct gluster_op {
    int64_t ret;    /* 0: done */
    int64_t number; /* opErrno, often 0 or -1 in a refusal */
    char *text;     /* opErrstr */
};

struct gluster_name {
    char *name;
};

struct gluster_names { /* volume list, snapshot list */
    struct gluster_op op;
    struct gluster_name *items;
    size_t n;
};

struct gluster_peer {
    char *uuid, *host; /* the asked node calls itself "localhost" in `pool list`, and is not in `peer status` */
    bool connected;
    int64_t state; /* enum gluster_peer_state */
    char *state_text;
    struct gluster_name *hosts; /* all names of it */
    size_t n_hosts;
};

enum gluster_peer_state { GLUSTER_PEER_IN_POOL = 3 };

struct gluster_peers {
    struct gluster_op op;
    struct gluster_peer *items;
    size_t n;
};

struct gluster_brick {
    char *name; /* host:/path */
    char *host_uuid;
    bool arbiter;
};

struct gluster_option {
    char *name, *value;
};

struct gluster_volume {
    char *name, *id;
    int64_t status; /* enum gluster_volume_status */
    char *status_text;
    int64_t type;
    char *type_text;                                /* Replicate, Distributed-Replicate, Disperse, ... */
    int64_t replica, arbiter, disperse, redundancy; /* 1, 0, 0, 0 where it has none */
    struct gluster_brick *bricks;                   /* in order, sets side by side */
    size_t n_bricks;
    struct gluster_option *options;
    size_t n_options;
};

enum gluster_volume_status { GLUSTER_CREATED = 0, GLUSTER_STARTED = 1, GLUSTER_STOPPED = 2 };

struct gluster_created { /* volume create */
    struct gluster_op op;
    char *id;
};

struct gluster_volumes { /* volume info */
    struct gluster_op op;
    struct gluster_volume *items;
    size_t n;
};

struct gluster_brick_state {
    char *host, *path, *host_uuid;
    bool online;
    int64_t pid;                   /* -1: none */
    int64_t size_total, size_free; /* bytes; only with `detail` */
    char *device, *file_system;
};

struct gluster_volume_state {
    char *name;
    struct gluster_brick_state *bricks; /* and, without `detail`, daemons: their path is no path */
    size_t n_bricks;
};

struct gluster_states { /* volume status */
    struct gluster_op op;
    struct gluster_volume_state *items;
    size_t n;
};

struct gluster_heal {
    char *name; /* host:/path, or "information not available" */
    char *host_uuid;
    char *status;    /* "Connected", or why not */
    int64_t entries; /* -1: unknown */
};

struct gluster_heals { /* volume heal info */
    struct gluster_op op;
    struct gluster_heal *items;
    size_t n;
};

struct gluster_moved {
    int64_t files, bytes, failures, skipped;
    int64_t status; /* enum gluster_move_status */
    char *status_text;
};

struct gluster_move { /* of one node */
    char *host, *host_uuid;
    struct gluster_moved moved;
};

enum gluster_move_status {
    GLUSTER_MOVE_NONE = 0,
    GLUSTER_MOVE_STARTED = 1,
    GLUSTER_MOVE_STOPPED = 2,
    GLUSTER_MOVE_COMPLETE = 3,
    GLUSTER_MOVE_FAILED = 4,
};

struct gluster_moves { /* rebalance and remove-brick: start (only task) and status */
    struct gluster_op op;
    char *task;
    struct gluster_move *items;
    size_t n;
    struct gluster_moved total;
};

struct gluster_snapshot_volume {
    char *volume; /* of the snapshot: its name in /run/gluster/snaps */
    char *status; /* "Started", "Stopped" */
    char *origin;
};

struct gluster_snapshot {
    char *name, *uuid;
    struct gluster_snapshot_volume *volumes;
    size_t n_volumes;
};

struct gluster_snapshots { /* snapshot info */
    struct gluster_op op;
    struct gluster_snapshot *items;
    size_t n;
};

/* Any answer, of which only the outcome matters. */
int gluster_xml_op(const char *text, size_t len, struct gluster_op *ret, struct err *reterr);
void gluster_op_fini(struct gluster_op *op);

#define GLUSTER_XML_READER(name, type) \
    int gluster_xml_##name(const char *text, size_t len, struct type *ret, struct err *reterr)

GLUSTER_XML_READER(volume_list, gluster_names);
GLUSTER_XML_READER(snapshot_list, gluster_names);
GLUSTER_XML_READER(peers, gluster_peers);
GLUSTER_XML_READER(created, gluster_created); /* id is "" in a refusal */
GLUSTER_XML_READER(volumes, gluster_volumes);
GLUSTER_XML_READER(states, gluster_states);
GLUSTER_XML_READER(heals, gluster_heals);
GLUSTER_XML_READER(heal_summary, gluster_heals); /* heal info summary: short, however much there is to heal */
GLUSTER_XML_READER(rebalance, gluster_moves);
GLUSTER_XML_READER(remove_brick, gluster_moves);
GLUSTER_XML_READER(snapshots, gluster_snapshots);

/* The same for what may be long, heard in pieces (xml.h). It is kept as an inventory has it, which takes it over as it
 * is: so much is neither copied nor freed in one turn of the loop. */
struct gluster_listing { /* volume info */
    struct gluster_op op;
    struct exec_gluster_volume *items;
    size_t n;
};

struct gluster_snapshot_listing { /* snapshot info: names of the snapshots' volumes */
    struct gluster_op op;
    struct store_strs names;
};

struct xml_stream;
struct xml_stream *gluster_xml_stream_listing(struct gluster_listing *ret, size_t kept_max);
struct xml_stream *gluster_xml_stream_snapshots(struct gluster_snapshot_listing *ret, size_t kept_max);
void gluster_listing_fini(struct gluster_listing *listing);
void gluster_snapshot_listing_fini(struct gluster_snapshot_listing *listing);

void gluster_names_fini(struct gluster_names *names);
void gluster_peers_fini(struct gluster_peers *peers);
void gluster_created_fini(struct gluster_created *created);
void gluster_volumes_fini(struct gluster_volumes *volumes);
void gluster_states_fini(struct gluster_states *states);
void gluster_heals_fini(struct gluster_heals *heals);
void gluster_moves_fini(struct gluster_moves *moves);
void gluster_snapshots_fini(struct gluster_snapshots *snapshots);

#endif
