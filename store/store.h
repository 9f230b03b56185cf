/* The replicated volume database: one deterministic state machine. No I/O, no clock, no random.
 *
 * One direction of each link is stored, the reverse is an index. Used and free space are derived from bricks.
 * Lists of ids come in ascending order. Pointers returned by lookups are valid until the next apply.
 */
#ifndef HECATE_STORE_STORE_H
#define HECATE_STORE_STORE_H

#include <stdatomic.h>

#include "store/command.h"
#include "store/ids.h"
#include "store/request.h"
#include "store/types.h"

struct store;

struct store *store_new(void);
void store_free(struct store *store);
/* What the store held before a load was refused or taken back: to be freed (store_free), which takes long when it is
 * much, so it may be done in another thread. NULL: nothing. */
struct store *store_take_gone(struct store *store);

/* Applies one command at a log index (must grow). Never fails: a refusal is a result and changes nothing. */
void store_apply(struct store *store, uint64_t index, const struct store_cmd *cmd, struct store_result *ret_result);
uint64_t store_applied_index(const struct store *store);

/* All invariants of heketi-storage.md 1.4 and of the indexes. 0 or E_DAMAGED with the first violation. O(everything).
 */
int store_check(const struct store *store, struct err *reterr);

/* A digest of the whole state; equal states give equal digests. Maintained incrementally: O(1) here. */
struct store_digest {
    uint8_t bytes[16];
};
struct store_digest store_digest(const struct store *store);

/* Snapshots: canonical (equal states give equal bytes), checksummed, versioned. take is cheap (shares immutable record
 * encodings by the hundred) and safe to encode, and to free, from another thread while the store goes on. */
struct store_snapshot;
struct store_snapshot *store_snapshot_take(const struct store *store);
void store_snapshot_encode(const struct store_snapshot *snapshot, struct buf *buf);
void store_snapshot_free(struct store_snapshot *snapshot);
/* The same in pieces; the snapshot must outlive it. next appends about so many bytes, a record more at most; false:
 * those were the last. */
struct store_encoder;
struct store_encoder *store_encoder_new(const struct store_snapshot *snapshot);
size_t store_encoder_size_bytes(const struct store_encoder *encoder); /* of all of it */
bool store_encoder_next(struct store_encoder *encoder, size_t bytes, struct buf *buf);
void store_encoder_free(struct store_encoder *encoder);
/* A new store from a snapshot. E_DAMAGED, E_UNSUPPORTED. */
int store_snapshot_decode(const void *data, size_t len, struct store **ret_store, struct err *reterr);
/* The same, in a thread: E_CANCELLED soon after *stop has become true. */
int store_snapshot_decode_until(const void *data, size_t len, const atomic_bool *stop, struct store **ret_store,
                                struct err *reterr);

/* Whether the bytes are a snapshot as it is written: the frame and its checksum, every record readable, in its
 * canonical form and in order, ids once each, as many as are said, the digest of all and the feature level. Takes the
 * memory of one record. Not seen: whether records fit to each other (objects that are named and missing, names or
 * bricks twice, space), which decode finds. ret_applied: the index that it is at. E_DAMAGED, E_UNSUPPORTED. */
int store_snapshot_check(const void *data, size_t len, uint64_t *ret_applied, struct err *reterr);
/* Whether it can be a snapshot of so many bytes that begins with these STORE_SNAPSHOT_HEAD ones (all, if it has fewer):
 * what it is, of which release, its length, and that it has room for as many records as are said. E_DAMAGED,
 * E_UNSUPPORTED. */
#define STORE_SNAPSHOT_HEAD 4096
int store_snapshot_judge(const void *head, size_t len, uint64_t size_bytes, uint64_t *ret_applied, struct err *reterr);

/* Lookups: NULL when unknown. Pending objects are found too; callers that show things to clients look at `pending`. */
const struct store_cluster *store_cluster(const struct store *store, struct id id);
const struct store_node *store_node(const struct store *store, struct id id);
const struct store_device *store_device(const struct store *store, struct id id);
const struct store_volume *store_volume(const struct store *store, struct id id);
const struct store_brick *store_brick(const struct store *store, struct id id);
const struct store_block_volume *store_block_volume(const struct store *store, struct id id);
const struct store_operation *store_operation(const struct store *store, struct id id);
#define STORE_TEXT_TAKEN_OVER "The volume was taken over by a repetition of the request; repeat it to get another one"
/* The operation that this queue id answers for instead of its own, which a repetition has taken over; or NULL. */
const struct store_operation *store_operation_answering(const struct store *store, struct id id);
const struct store_job *store_job(const struct store *store, struct id id);
const struct store_settings *store_settings(const struct store *store); /* never NULL; zero while nothing is set */
const struct store_volume *store_volume_by_name(const struct store *store, struct id cluster, const char *name);

/* Iteration in ascending id order: pass NULL first, then the last one; NULL at the end. */
const struct store_cluster *store_cluster_next(const struct store *store, const struct store_cluster *last);
const struct store_node *store_node_next(const struct store *store, const struct store_node *last);
const struct store_device *store_device_next(const struct store *store, const struct store_device *last);
const struct store_volume *store_volume_next(const struct store *store, const struct store_volume *last);
const struct store_operation *store_operation_next(const struct store *store, const struct store_operation *last);
/* Will its next successful END end a part of what waits for its node, and not yet itself? */
bool store_ends_in_parts(const struct store *store, const struct store_operation *op);
/* In the order in which they began: the next one after that index and id. 0, ID_NONE: the oldest. */
const struct store_operation *store_operation_younger(const struct store *store, uint64_t begin_index, struct id id);
const struct store_block_volume *store_block_volume_next(const struct store *store,
                                                         const struct store_block_volume *last);
/* Of a cluster; of one hosting volume. */
const struct store_block_volume *store_cluster_block_next(const struct store *store, struct id cluster,
                                                          const struct store_block_volume *last);
const struct store_block_volume *store_volume_block_next(const struct store *store, struct id hosting,
                                                         const struct store_block_volume *last);
/* Nodes of a cluster, devices of a node, bricks on a device (of volumes; abandoned ones are not listed). */
const struct store_node *store_cluster_node_next(const struct store *store, struct id cluster,
                                                 const struct store_node *last);
const struct store_volume *store_cluster_volume_next(const struct store *store, struct id cluster,
                                                     const struct store_volume *last);
const struct store_device *store_node_device_next(const struct store *store, struct id node,
                                                  const struct store_device *last);
const struct store_brick *store_device_brick_next(const struct store *store, struct id device,
                                                  const struct store_brick *last);
/* Of a clone, and of its bricks as Gluster is said to have placed them (told, in the same order; those up to `at` are
 * looked at): is the place of this one that of another brick, of the database or among them? Two bricks with one LV or
 * one path go together, whichever is to be destroyed. */
bool store_place_taken(const struct store *store, const struct store_volume *volume, const struct store_volume *told,
                       size_t at);
/* Does Gluster put a brick of a clone there? Path: /run/gluster/snaps/UUID/brickN/NAME; LV: UUID_N, both with the same
 * UUID, 32 hexadecimal digits. */
bool store_is_clone_place(const char *lv, const char *path);
/* A block volume that clients may see: not while it is created or deleted; while it grows, with its old size. */
bool store_block_volume_shown(const struct store_block_volume *block);
/* What iterating would count, at once: volumes that no operation holds, block volumes that are shown, bricks of
 * volumes. */
size_t store_cluster_shown(const struct store *store, struct id cluster);
size_t store_cluster_blocks_shown(const struct store *store, struct id cluster);
size_t store_device_bricks(const struct store *store, struct id device);
/* The ids of the volumes that no operation holds, of one cluster or (ID_NONE) of all, as they are now: ids_fini, before
 * the store is freed or not. Costs little, however many they are. */
struct ids store_volumes_shown(const struct store *store, struct id cluster);
/* The same of block volumes: of one cluster or of all, of one hosting volume. */
struct ids store_blocks_shown(const struct store *store, struct id cluster);
struct ids store_volume_blocks_shown(const struct store *store, struct id hosting);
/* Charged on the device by bricks, those of pending and abandoned ones included (pool + metadata). */
uint64_t store_device_used_kib(const struct store *store, struct id device);
/* Free for block volumes, those being created and the growth of those being expanded taken off: size - reserved - sum
 * of the block volumes. 0 for others. */
uint32_t store_volume_free_gib(const struct store *store, struct id hosting);
/* The volume that the operation itself creates, deletes or has as its target; NULL when it is about something else. */
const struct store_volume *store_operation_volume(const struct store *store, const struct store_operation *op);

struct store_counts {
    size_t clusters, nodes, devices, volumes, block_volumes, bricks, operations, jobs;
    size_t waiting; /* operations of which a part is parked: it waits for a node */
    size_t limited; /* operations that take one of STORE_OPERATIONS_MAX places */
    size_t limited_waiting;
    size_t made_bytes; /* of the records of volumes that operations make */
};
struct store_counts store_counts(const struct store *store);
/* Places for operations that create or enlarge volumes: how many there are, and how many are taken. */
struct store_places {
    size_t taken, n;
};
struct store_places store_places(const struct store *store);
/* Whether a request with this key was done and is remembered; never for "". */
bool store_key_known(const struct store *store, const char *key);
/* Operations of this type in this phase. */
size_t store_operations_of(const struct store *store, enum store_op_type type, enum store_op_phase phase);
/* The smallest ended_ms of all jobs, INT64_MAX when there is none: whether an EXPIRE_JOBS would do anything. */
int64_t store_jobs_oldest_ms(const struct store *store);
/* The newest time that a command left in the state, 0 when there is none; what cannot be a time of ours (a dump may
 * have brought it) does not count. Walks the operations. */
int64_t store_newest_ms(const struct store *store);

/* ---- planner: pure; on the leader; turns a request into a command ---- */

struct store_reason { /* why a volume found no place here */
    struct id cluster;
    struct id node, device; /* ID_NONE: of the whole cluster, the whole node */
    char *text;             /* what follows the name of the place: the cause, then the figures of this place */
    size_t cause_len;       /* of the cause */
};

struct store_reasons {
    struct store_reason *items;
    size_t n;
};
void store_reasons_fini(struct store_reasons *reasons);
/* Lines for people, each after an LF: they follow a text. By cluster, and there by cause: of each the first few places,
 * then how many more there are. A long list is cut. */
void store_reasons_print(const struct store *store, const struct store_reasons *reasons, struct buf *buf);

struct store_plan_env {
    void *user;
    void (*random)(void *user, void *data, size_t len);
    /* Is this node known to be down? NULL: nobody is. */
    bool (*node_down)(void *user, struct id node);
    /* Has somebody asked lately what became of this queue id? Then no repetition takes it over. NULL: none ever does.
     */
    bool (*asked)(void *user, struct id op_id);
    int64_t now_ms;
    /* limits and settings of heketi.json (heketi-storage.md 5.1, 12.4); store_plan_env_init sets Heketi's defaults */
    uint64_t brick_min_kib, brick_max_kib;
    uint32_t bricks_per_volume_max;
    int64_t volumes_per_cluster_max; /* negative: unlimited */
    uint32_t average_file_size_kib;
    bool zone_strict;
    const char *pre_options, *post_options; /* comma lists, "" when none */
    const char *block_options;              /* of block hosting volumes; "" when none */
    const char *oldest_client;              /* GlusterFS version that volumes must be mountable by; "" any */
    bool block_auto;                        /* make a hosting volume when no one has room */
    uint32_t block_size_gib;                /* of such a one */
    const struct id *exclude_nodes;         /* replan: nodes that failed this operation */
    size_t n_exclude_nodes;
    struct store_reasons *reasons; /* not NULL: filled when a volume, or a brick's replacement, finds no place */
};
void store_plan_env_init(struct store_plan_env *env);
/* The op-version that a GlusterFS client of this version ("3.8", "4.1", "10") surely knows; 0: it is no version, or one
 * before 3.7. */
uint32_t store_client_op_version(const char *version);

/* STORE_OK or STORE_REPEATED: *ret_cmd is filled (owner: caller, store_cmd_fini) unless REPEATED, where ret_result has
 * the first one's ids. Otherwise ret_result->text is the client's text; "No space" keeps Heketi's first line. */
enum store_code store_plan(const struct store *store, const struct store_request *request,
                           const struct store_plan_env *env, struct store_cmd *ret_cmd,
                           struct store_result *ret_result);
/* New bricks for a volume create whose bricks could not be made, a (new) replacement for an evict (OP_REPLAN). */
enum store_code store_plan_again(const struct store *store, struct id op_id, const struct store_plan_env *env,
                                 struct store_cmd *ret_cmd, struct store_result *ret_result);

/* The next part of a removal (OP_BEGIN); NOT_FOUND: nothing is left to move; other refusals: not now. */
enum store_code store_plan_part(const struct store *store, struct id op_id, const struct store_plan_env *env,
                                struct store_cmd *ret_cmd, struct store_result *ret_result);
bool store_op_parts_left(const struct store *store, struct id op_id);

#endif
