/* Tables and indexes of the store. Only these files see them; apply and planner use the functions below.
 *
 * Each entry begins with its public record. Records hold one direction of each link (node.cluster, device.node,
 * brick.device, volume.cluster); the trees in the parents are the reverse and are rebuilt from a snapshot.
 */
#ifndef HECATE_STORE_STORE_PRIV_H
#define HECATE_STORE_STORE_PRIV_H

#include <bsd/sys/tree.h>

#include "store/ids.h"
#include "store/record_priv.h"
#include "store/store.h"

#define TEXT_ID_NOT_FOUND "Id not found"
#define TEXT_IN_USE "The target exists, contains other items, or is in use."
#define TEXT_BUSY "Server busy. Retry operation later."
#define TEXT_NO_REPLACEMENT "No Replacement was found for resource requested to be removed"

RB_HEAD(cluster_tree, cluster_entry);
RB_HEAD(node_tree, node_entry);
RB_HEAD(cluster_node_tree, node_entry);
RB_HEAD(host_tree, host_entry);
RB_HEAD(device_tree, device_entry);
RB_HEAD(node_device_tree, device_entry);
RB_HEAD(volume_tree, volume_entry);
RB_HEAD(cluster_volume_tree, volume_entry);
RB_HEAD(name_tree, volume_entry);
RB_HEAD(untold_tree, untold_entry);
RB_HEAD(block_tree, block_entry);
RB_HEAD(cluster_block_tree, block_entry);
RB_HEAD(hosted_tree, block_entry);
RB_HEAD(hosted_name_tree, block_entry);
RB_HEAD(device_brick_tree, brick_entry);
RB_HEAD(device_pool_tree, brick_entry);
RB_HEAD(op_tree, op_entry);
RB_HEAD(op_age_tree, op_entry);
RB_HEAD(job_tree, job_entry);
RB_HEAD(job_end_tree, job_entry);
RB_HEAD(key_tree, key_entry);
RB_HEAD(key_op_tree, key_entry);

struct cluster_entry {
    struct store_cluster rec;
    struct record record;
    RB_ENTRY(cluster_entry) by_id;
    struct cluster_node_tree nodes;
    struct cluster_volume_tree volumes;
    struct name_tree names;
    struct cluster_block_tree blocks;
    size_t n_volumes;        /* pending ones included */
    struct ids shown;        /* volumes that no operation holds; checked, as the others here are, by store_check */
    struct ids shown_blocks; /* block volumes that clients may see */
};

struct host_entry { /* one host name of a node */
    const char *name;
    struct node_entry *node;
    RB_ENTRY(host_entry) by_name;
    bool linked; /* false for a name listed twice by its node */
};

struct node_entry {
    struct store_node rec;
    struct record record;
    RB_ENTRY(node_entry) by_id;
    RB_ENTRY(node_entry) in_cluster;
    struct cluster_entry *cluster;
    struct node_device_tree devices;
    struct host_entry *hosts; /* manage names, then storage names */
};

struct meta_count { /* how many pools of a device have this metadata size */
    uint64_t meta_kib;
    size_t n;
};

struct device_entry {
    struct store_device rec;
    struct record record;
    RB_ENTRY(device_entry) by_id;
    RB_ENTRY(device_entry) in_node;
    struct node_entry *node;
    struct device_brick_tree bricks; /* of volumes */
    struct device_pool_tree pools;   /* all bricks, by pool: what is in one pool is charged once */
    size_t n_bricks;                 /* of volumes */
    size_t n_charged;                /* bricks of volumes and abandoned ones */
    size_t n_left;                   /* of those, what clean-ups destroy; checked by store_check, as n_charged is */
    uint64_t used_kib;               /* the sum of their pools; checked by store_check */
    struct meta_count *metas;        /* ascending; the last one sizes LVM's spare metadata LV */
    size_t n_metas;
};

struct brick_entry {
    struct volume_entry *volume; /* or, abandoned: */
    struct op_entry *op;
    uint32_t index;                /* in volume->rec.bricks or op->rec.abandoned */
    uint32_t pool_tag;             /* of its pool's name: most comparisons end here */
    const struct store_brick *rec; /* there: follows each update of the record */
    struct device_entry *device;
    RB_ENTRY(brick_entry) in_device; /* of volumes only */
    RB_ENTRY(brick_entry) in_pools;
};

#define BRICK_PARTS 256
struct brick_part { /* n_slots is 0 or a power of two */
    uint32_t n, n_slots;
    uint32_t *tags;
    struct brick_entry **entries;
};

struct brick_index { /* brick_index.c; zero: empty */
    uintptr_t seed;  /* of its hashes */
    struct brick_part parts[BRICK_PARTS];
};

struct volume_entry {
    struct store_volume rec;
    struct record record;
    RB_ENTRY(volume_entry) by_id;
    RB_ENTRY(volume_entry) in_cluster;
    RB_ENTRY(volume_entry) by_name;
    struct cluster_entry *cluster;
    struct brick_entry *bricks; /* as rec.bricks */
    struct hosted_tree blocks;  /* block volumes on it */
    struct hosted_name_tree block_names;
    uint64_t blocks_gib;        /* their sum; checked by store_check */
    struct ids shown_blocks;    /* of them, those that clients may see */
    size_t n_expands, n_clones; /* operations that expand it, that clone from it */
    size_t made_bytes;          /* of its record while it is being made, else 0 */
    struct untold_entry *untold;
    bool shown;
};

struct untold_entry { /* by fingerprint: what a repetition looks for */
    struct volume_entry *volume;
    RB_ENTRY(untold_entry) link;
};

struct block_entry {
    struct store_block_volume rec;
    struct record record;
    RB_ENTRY(block_entry) by_id;
    RB_ENTRY(block_entry) in_cluster;
    RB_ENTRY(block_entry) hosted;
    RB_ENTRY(block_entry) by_name; /* of its hosting volume */
    struct volume_entry *hosting;
    bool shown;
};

struct op_entry {
    struct store_operation rec;
    struct record record;
    RB_ENTRY(op_entry) by_id;
    RB_ENTRY(op_entry) by_age;
    uint64_t begun;                /* as rec.begin_index, which never changes */
    struct brick_entry *abandoned; /* as rec.abandoned */
};

struct job_entry {
    struct store_job rec;
    struct record record;
    RB_ENTRY(job_entry) by_id;
    RB_ENTRY(job_entry) by_end;
};

struct key_entry {
    struct store_request_key rec;
    struct record record;
    RB_ENTRY(key_entry) by_key;
    RB_ENTRY(key_entry) by_op; /* (operation, time): what expires together */
};

struct settings_entry {
    struct store_settings rec; /* zero while nothing is set */
    struct record record;
};

struct store {
    uint64_t applied;
    struct record_set records;
    struct cluster_tree clusters;
    struct node_tree nodes;
    struct host_tree manage_hosts, storage_hosts;
    struct device_tree devices;
    struct volume_tree volumes;
    struct untold_tree untold;
    size_t n_taken_over; /* operations for which another id answers */
    struct block_tree blocks;
    struct brick_index bricks; /* abandoned ones included */
    struct op_tree ops;
    struct op_age_tree ops_by_age;
    struct job_tree jobs;
    struct job_end_tree jobs_by_end;
    struct key_tree keys;
    struct key_op_tree keys_by_op;
    struct store_counts counts;
    size_t n_ops[STORE_OP_TYPES][STORE_OP_PHASES]; /* checked by store_check */
    struct ids shown, shown_blocks;                /* of all clusters */
    size_t n_keys;
    struct settings_entry settings;
    struct store *gone; /* what take_content took */
};

RB_PROTOTYPE(cluster_tree, cluster_entry, by_id, cluster_cmp);
RB_PROTOTYPE(node_tree, node_entry, by_id, node_cmp);
RB_PROTOTYPE(cluster_node_tree, node_entry, in_cluster, node_cmp);
RB_PROTOTYPE(host_tree, host_entry, by_name, host_cmp);
RB_PROTOTYPE(device_tree, device_entry, by_id, device_cmp);
RB_PROTOTYPE(node_device_tree, device_entry, in_node, device_cmp);
RB_PROTOTYPE(volume_tree, volume_entry, by_id, volume_cmp);
RB_PROTOTYPE(cluster_volume_tree, volume_entry, in_cluster, volume_cmp);
RB_PROTOTYPE(name_tree, volume_entry, by_name, name_cmp);
RB_PROTOTYPE(untold_tree, untold_entry, link, untold_cmp);
RB_PROTOTYPE(block_tree, block_entry, by_id, block_cmp);
RB_PROTOTYPE(cluster_block_tree, block_entry, in_cluster, block_cmp);
RB_PROTOTYPE(hosted_tree, block_entry, hosted, block_cmp);
RB_PROTOTYPE(hosted_name_tree, block_entry, by_name, block_name_cmp);
RB_PROTOTYPE(device_brick_tree, brick_entry, in_device, brick_cmp);
RB_PROTOTYPE(device_pool_tree, brick_entry, in_pools, pool_cmp);
RB_PROTOTYPE(op_tree, op_entry, by_id, op_cmp);
RB_PROTOTYPE(op_age_tree, op_entry, by_age, op_age_cmp);
RB_PROTOTYPE(job_tree, job_entry, by_id, job_cmp);
RB_PROTOTYPE(job_end_tree, job_entry, by_end, job_end_cmp);
RB_PROTOTYPE(key_tree, key_entry, by_key, key_cmp);
RB_PROTOTYPE(key_op_tree, key_entry, by_op, key_op_cmp);

/* First entry of a tree whose head may be const (those of tree.h take no const head), and all of them in order. */
#define TREE_FIRST(head, field)                                    \
    ({                                                             \
        __typeof__(&*RB_ROOT(head)) first_ = RB_ROOT(head);        \
        while (first_ != NULL && RB_LEFT(first_, field) != NULL) { \
            first_ = RB_LEFT(first_, field);                       \
        }                                                          \
        first_;                                                    \
    })
#define TREE_EACH(e, tree, head, field) \
    for ((e) = TREE_FIRST((head), field); (e) != NULL; (e) = RB_NEXT(tree, NULL, (e)))

/* ---- finding (find.c); the entries of a const store are given out mutable: apply owns the store ---- */

struct cluster_entry *find_cluster(const struct store *store, struct id id);
struct node_entry *find_node(const struct store *store, struct id id);
struct device_entry *find_device(const struct store *store, struct id id);
struct volume_entry *find_volume(const struct store *store, struct id id);
struct block_entry *find_block(const struct store *store, struct id id);
struct block_entry *find_block_name(const struct volume_entry *hosting, const char *name);
struct brick_entry *find_brick(const struct store *store, struct id id); /* abandoned ones too */
struct op_entry *find_op(const struct store *store, struct id id);
struct job_entry *find_job(const struct store *store, struct id id);
struct key_entry *find_key(const struct store *store, const char *key);
struct key_entry *find_op_key(const struct store *store, struct id op_id); /* the oldest one of the operation */
struct host_entry *find_host(const struct host_tree *tree, const char *name);
struct volume_entry *find_name(const struct cluster_entry *cluster, const char *name);

/* brick_index.c: entries by the ids of their bricks. */
struct brick_entry *brick_index_find(const struct brick_index *index, struct id id);
bool brick_index_add(struct brick_index *index, struct brick_entry *entry); /* false: the id is there already */
void brick_index_remove(struct brick_index *index, struct brick_entry *entry);
size_t brick_index_count(const struct brick_index *index);

static inline const struct store_brick *brick_of(const struct brick_entry *entry)
{
    return entry->rec;
}
/* Is the object held by an operation of this type? */
bool pending_by(const struct store *store, struct id pending, enum store_op_type type);
/* A node or device that clients may see and name: known, and not just being added. */
bool node_visible(const struct store *store, const struct node_entry *node);
bool device_visible(const struct store *store, const struct device_entry *device);

/* What a block volume takes of its hosting volume, and what is left there. */
uint32_t block_charge_gib(const struct store_block_volume *block);
uint32_t hosting_free_gib(const struct volume_entry *volume);
/* Of an operation: store_operation_volume; the volume that its abandoned bricks were made for (which may be gone). */
struct volume_entry *op_volume(const struct store *store, const struct store_operation *op);
struct id bricks_owner(const struct store *store, const struct store_operation *op);
/* Some brick in the pool of this name on the device, or NULL. */
const struct store_brick *find_pool(const struct device_entry *device, const char *pool);
/* A volume that clients may see and name: not just being made or deleted. */
bool volume_visible(const struct volume_entry *volume);

/* Space for placement: free_kib is what is shown, spare_kib what LVM keeps for its spare metadata LV. */
uint64_t device_free_kib(const struct device_entry *device);
uint64_t device_spare_kib(const struct device_entry *device);

/* Are these bricks fit to be linked: ids new and distinct, devices known, none larger than its device, those in one
 * pool of one opinion about its size? */
bool bricks_linkable(const struct store *store, const struct store_brick *bricks, size_t n);

/* ---- changing (tables.c). Insert copies the record and needs valid links: 0 or E_DAMAGED with what is wrong. ---- */

int insert_cluster(struct store *store, const struct store_cluster *rec, struct err *reterr);
int insert_node(struct store *store, const struct store_node *rec, struct err *reterr);
int insert_device(struct store *store, const struct store_device *rec, struct err *reterr);
int insert_volume(struct store *store, const struct store_volume *rec, struct err *reterr);
int insert_block(struct store *store, const struct store_block_volume *rec, struct err *reterr);
int insert_op(struct store *store, const struct store_operation *rec, struct err *reterr);
int insert_job(struct store *store, const struct store_job *rec, struct err *reterr);
int insert_key(struct store *store, const struct store_request_key *rec, struct err *reterr);
int insert_settings(struct store *store, const struct store_settings *rec, struct err *reterr);

/* New values of existing records. Links, names and bricks must stay as they are... */
void update_cluster(struct store *store, struct cluster_entry *entry, const struct store_cluster *next);
void update_node(struct store *store, struct node_entry *entry, const struct store_node *next);
void update_device(struct store *store, struct device_entry *entry, const struct store_device *next);
void update_volume(struct store *store, struct volume_entry *entry, const struct store_volume *next);
void update_block(struct store *store, struct block_entry *entry, const struct store_block_volume *next);
void update_op(struct store *store, struct op_entry *entry, const struct store_operation *next);
void update_settings(struct store *store, const struct store_settings *next); /* the first one makes the record */
/* ... except here: the volume's bricks become those of *next... */
void change_bricks(struct store *store, struct volume_entry *volume, const struct store_volume *next);
/* ... and here: also the operation's abandoned ones those of *next_op. Bricks may come from either of the two records
 * as they are, and from elsewhere; ids must be new or from them. */
void rewrite_bricks(struct store *store, struct volume_entry *volume, const struct store_volume *next,
                    struct op_entry *op, const struct store_operation *next_op);

/* ... and here: the operation's abandoned bricks become these (copies). They may be some of those it has. */
void change_abandoned(struct store *store, struct op_entry *op, const struct store_brick *bricks, size_t n);

/* All that a load can bring leaves the store at once, however much it is; it waits to be freed (store_take_gone). */
void take_content(struct store *store);

/* The order of a device's pools: by tag, then by name. */
uint32_t pool_tag(const char *pool);
int pool_cmp_to(uint32_t tag, const char *pool, const struct brick_entry *entry);
/* A brick joins or leaves its device's space (space.c). */
void space_charge(struct brick_entry *entry);
void space_discharge(struct brick_entry *entry);

void remove_cluster(struct store *store, struct cluster_entry *entry);
void remove_node(struct store *store, struct node_entry *entry);
void remove_device(struct store *store, struct device_entry *entry);
void remove_volume(struct store *store, struct volume_entry *entry);
void remove_block(struct store *store, struct block_entry *entry);
void remove_op(struct store *store, struct op_entry *entry);
void remove_job(struct store *store, struct job_entry *entry);
void remove_key(struct store *store, struct key_entry *entry);

/* ---- rules (apply_*.c): check says what apply would answer and changes nothing; commit follows a STORE_OK ---- */

/* Fills code and text; returns code. */
enum store_code refuse(struct store_result *result, enum store_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What apply would answer now (STORE_OK with the ids, or a refusal). */
enum store_code apply_check(const struct store *store, const struct store_cmd *cmd, struct store_result *result);

/* apply_ids.c: how many objects, of any kind, have the id; are those new that a command brings, which else fits? */
size_t id_kinds(const struct store *store, struct id id);
enum store_code check_new_ids(const struct store *store, const struct store_cmd *cmd, struct store_result *result);
/* E_DAMAGED when another object has the id of one that this part of a load has brought. */
int check_loaded_ids(const struct store *store, const struct store_load *load, struct err *reterr);
int check_ids(const struct store *store, struct err *reterr); /* the same, of any object */

/* limit.c: may one more operation (OP_BEGIN) begin? Does this one take one of the places? */
enum store_code check_busy(const struct store *store, const struct store_cmd *cmd, struct store_result *result);
/* For the planner alone: apply has to take what leaders of other releases begin. */
enum store_code check_made_bytes(const struct store *store, const struct store_cmd *cmd, struct store_result *result);
/* Is it not there yet, but in the hands of the operation that makes it? */
bool volume_is_made(const struct store_volume *volume);
bool op_takes_place(const struct store_operation *op);

enum store_code check_key(const struct store *store, const struct store_cmd *cmd, struct store_result *result);
/* May a repetition leave one more key with this operation or job? */
enum store_code check_key_room(const struct store *store, struct id op_id, struct store_result *result);
void commit_key(struct store *store, const struct store_cmd *cmd, struct id op_id, struct id object);
void commit_job(struct store *store, const struct store_job *job);
bool tags_valid(const struct store_tags *tags);

#define RULE(name)                                                                                                     \
    enum store_code check_##name(const struct store *store, const struct store_cmd *cmd, struct store_result *result); \
    void commit_##name(struct store *store, uint64_t index, const struct store_cmd *cmd)

#define DEVICE_KIB_MAX (UINT64_C(1) << 50) /* sums of sizes below this cannot overflow */
#define TAGS_MAX 1024                      /* of one node or device, however many updates */
#define HOSTS_MAX 256
#define OPTIONS_MAX 1024
#define EVICT_PLACES_MAX 16 /* places tried for one replacement */
#define BRICK_TEXTS_MAX 256 /* bytes of a planned brick's pool, LV and path: 65536 abandoned ones fit in a record */

RULE(cluster_create);
RULE(cluster_flags);
RULE(cluster_delete);
RULE(tags);
RULE(set_state);
RULE(op_begin);
RULE(op_replan);
RULE(op_undo);
RULE(op_parked);
RULE(op_end);
RULE(expire);
RULE(repeat);
RULE(settings);
RULE(level);
RULE(empty_job);
RULE(load_abort);
enum store_code check_load(const struct store *store, const struct store_cmd *cmd, struct store_result *result);
/* A part that does not fit takes the whole load back. */
void commit_load(struct store *store, uint64_t index, const struct store_cmd *cmd, struct store_result *result);
/* check.c: the invariants of what a part has just brought. */
int check_loaded(const struct store *store, const struct store_load *load, struct err *reterr);
/* check_held.c: may the object be where it is, beside what operations hold there (E_DAMAGED)? Of a volume or an
 * operation, its bricks are asked about too, and the space that they take. */
int check_held_device(const struct store *store, const struct device_entry *device, struct err *reterr);
int check_held_bricks(const struct store *store, const struct brick_entry *bricks, size_t n, struct err *reterr);
int check_held_volume(const struct store *store, const struct volume_entry *volume, struct err *reterr);
int check_held_block(const struct store *store, const struct block_entry *block, struct err *reterr);
int check_held_op(const struct store *store, const struct op_entry *op, struct err *reterr);
/* Is nothing in the way when the operation ends and what it is about goes? */
bool target_may_go(const struct store *store, const struct op_entry *op);
RULE(op_moved);
RULE(op_forward);
RULE(brick_evict);
RULE(device_remove);
RULE(node_remove);
RULE(device_replace);
RULE(node_replace);
/* OP_END of a device's, or node's, replacing. */
enum store_code check_replace_end(const struct op_entry *op, bool failed, struct store_result *result);
void commit_replace_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd);
/* Does a node's replacing name devices of it, a device's itself, and no other operation any? */
bool renewals_ok(const struct store *store, const struct op_entry *op);
RULE(node_add);
RULE(node_delete);
RULE(device_add);
RULE(device_delete);
RULE(device_resync);
/* Forgetting (apply_forget.c). Is nothing on the device but bricks that wait for a clean-up, and no volume's? */
bool only_left_bricks(const struct device_entry *device);
/* OP_END of a device delete, or of what a forced one left: the device may go only when no brick is charged there. */
enum store_code check_device_gone(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                  struct store_result *result);
/* The device passes to an operation that cleans up when its node is back. */
void leave_device(struct store *store, uint64_t index, const struct store_cmd *cmd, struct device_entry *device);
/* The node is forgotten: so is all that was to be cleaned up there. */
void forget_devices(struct store *store, struct node_entry *node, int64_t time_ms);
/* A part of it, when that is much; false: it is not, and nothing is done. */
bool forget_part(struct store *store, const struct store_operation *op, const struct store_cmd *cmd);
/* OP_END of a resync, with what the node said (apply_topology.c). */
enum store_code check_resync_end(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                 struct store_result *result);
void commit_resync_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd);
RULE(volume_create);
RULE(volume_delete);
RULE(block_create);
RULE(block_delete);
RULE(block_expand);

/* A volume that is new with an operation, whatever the operation: its record and bricks, and its cluster. */
enum store_code check_new_volume(const struct store *store, const struct store_cmd *cmd, struct store_result *result);
void commit_new_volume(struct store *store, const struct store_volume *volume, struct id op_id);
/* OP_END of a block volume's operation (apply_block.c). */
enum store_code check_block_end(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                struct store_result *result);
void commit_block_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd);
/* The volume is as an operation that ends leaves it, or goes. */
void end_volume(struct store *store, struct volume_entry *volume, bool gone);
/* Is a block hosting volume being created, or taken back? */
bool hosting_being_made(const struct store *store);
/* The block volume an equal earlier request with the same explicit name made, or NULL. */
struct block_entry *find_repeated_block(const struct store *store, const char *name, struct id fingerprint);

/* store_check of a store whose records have just been encoded by this release: without looking at the encodings. */
int check_decoded(const struct store *store, struct err *reterr);
/* store_check, as far as block volumes are concerned. */
int check_blocks(const struct store *store, const struct record_set *set, struct err *reterr);
/* Adds the bricks that are charged to the device to *n_bricks. */
int check_space(const struct store *store, const struct device_entry *device, size_t *n_bricks, struct err *reterr);
int check_figures(const struct store *store, struct err *reterr);
/* Of a volume: does what it hosts and keeps back fit in it? */
int check_hosting_room(const struct volume_entry *volume, struct err *reterr);
int check_block(const struct store *store, const struct record_set *set, const struct block_entry *block,
                struct err *reterr);
/* set NULL: nothing is checked. */
int check_record(const struct record_set *set, const struct record *record, enum record_kind kind, const void *rec,
                 struct err *reterr);
RULE(volume_expand);
RULE(volume_clone);
RULE(op_learn);
RULE(op_redo);
RULE(restrict);
RULE(told);
RULE(take_over);
RULE(order);

/* Bricks of a create or replan: shape, devices, nodes, space. STORE_OK, STORE_BAD_REQUEST or STORE_STALE_PLAN. */
enum store_code check_bricks(const struct store *store, const struct store_volume *volume, struct id cluster,
                             struct store_result *result);
/* What an OP_END leaves to a clean-up operation (apply_cleanup.c): copied before the volume and the operation go, begun
 * after that, which frees it. */
struct cleanup {
    struct id target;
    struct store_brick *bricks;
    size_t n;
};
enum store_code check_cleanup(const struct store *store, const struct store_cmd *cmd, const struct op_entry *op,
                              struct store_result *result);
/* volume: goes with this end, or those of its bricks do that the operation was making; NULL: all stay. */
struct cleanup cleanup_prepare(const struct store *store, const struct store_cmd *cmd, const struct op_entry *op,
                               const struct volume_entry *volume);
void cleanup_begin(struct store *store, uint64_t index, const struct store_cmd *cmd, struct cleanup *cleanup);

/* The volume as it would be if the bricks that the operation is making were these (sets counted from 0): in the place
 * of those it has, or else at the end. A flat copy whose list of bricks is the caller's to free. */
struct store_volume volume_with_bricks(const struct volume_entry *volume, struct id op_id,
                                       const struct store_brick *bricks, size_t n);
/* The volume of an equal request: REPEATED with its answer, or STALE_PLAN when that has expired. */
enum store_code check_same_volume(const struct store *store, const struct volume_entry *volume,
                                  struct store_result *result);
/* The operation whose queue id this one is, taken over from its own; NULL: none. */
struct op_entry *find_answering(const struct store *store, struct id id);
/* The list of volumes that nobody has been told of (apply_take_over.c): nothing for others. */
void untold_enter(struct store *store, struct volume_entry *volume);
void untold_leave(struct store *store, struct volume_entry *volume);
/* An untold volume that this request may take over, and the queue id that answers for it; NULL: there is none. asked:
 * was this queue id asked for lately? */
struct volume_entry *find_untold(const struct store *store, struct id fingerprint,
                                 bool (*asked)(void *user, struct id op_id), void *user, struct id *ret_op_id);
/* The job has just been recorded of an operation; if another id answers for it (not ID_NONE), its outcome is that
 * one's, its own has failed. */
void end_taken_over(struct store *store, const struct store_job *job, struct id answers);
/* Somebody knows this object: if it is a volume, nobody takes it over any more. */
void tell_of(struct store *store, struct id id);
/* The newest running expand that this one, of the volume by so much, is taken for the repetition of: an equal one,
 * unless the client told them apart by a request key. NULL: it is a request of its own. */
struct op_entry *find_same_expand(const struct store *store, const struct store_cmd *cmd, struct id volume,
                                  uint32_t size_gib);
/* Bricks that an expand adds: check_bricks, and arbiters where the volume has them. A planner takes both from the
 * volume; a member that let them differ could not read its own snapshot. */
enum store_code check_more_bricks(const struct store *store, const struct volume_entry *volume,
                                  const struct store_volume *from, struct store_result *result);
/* OP_END of an expand: the new size is one. */
enum store_code check_expand_end(const struct store *store, const struct op_entry *op, bool failed,
                                 struct store_result *result);
void end_volume_expand(struct store *store, const struct op_entry *op, bool failed);
/* The rebalance that a good end of an expand begins. */
enum store_code check_rebalance(const struct store *store, const struct store_cmd *cmd, const struct op_entry *op,
                                struct store_result *result);
void rebalance_begin(struct store *store, uint64_t index, const struct store_cmd *cmd, struct id volume);

/* OP_REPLAN of an evict, and its end (apply_evict.c). */
enum store_code check_evict_place(const struct store *store, const struct op_entry *op, const struct store_cmd *cmd,
                                  struct store_result *result);
/* Has the operation no replacement that would not fit in the brick's place? Once that has moved, there is none. */
bool evict_fits(const struct store *store, const struct op_entry *op);
void commit_evict_place(struct store *store, struct op_entry *op, const struct store_cmd *cmd);
enum store_code check_evict_end(const struct op_entry *op, bool failed, struct store_result *result);
void commit_evict_end(struct store *store, const struct op_entry *op);

/* Removals and their parts (apply_remove.c). remove_next: what has to move next, ID_NONE: nothing is left. */
struct id remove_next(const struct store *store, const struct op_entry *op);
void part_begins(struct store *store, const struct store_cmd *cmd);
void part_ended(struct store *store, const struct store_operation *part, bool failed, const char *error);
enum store_code check_remove_end(const struct store *store, const struct op_entry *op, bool failed,
                                 struct store_result *result);
void commit_remove_end(struct store *store, const struct op_entry *op, const struct store_cmd *cmd);
bool state_moves_bricks(const struct store *store, struct id target, enum store_state to);
/* The node's state and mark; failed: its devices are failed as well. */
void set_node_state(struct store *store, struct node_entry *node, enum store_state state, struct id pending);

/* Can the device take new bricks of this cluster at all; is there room for one that needs so much, and LVM's spare? */
bool device_usable(const struct device_entry *device, struct id cluster);
bool device_fits(const struct device_entry *device, uint64_t need_kib, uint64_t meta_kib);

/* Is the volume, or one of its bricks, held by an operation? */
bool volume_has_pending(const struct store_volume *volume);
/* Arbiters: the third brick of three replicas, in every set or in none. */
bool volume_arbiters_sane(const struct store_volume *volume);
/* Are the names that a planner gives to a brick no longer than it makes them? Hundreds of long ones would end up in one
 * record, larger than any that a snapshot is read from. Planners of all releases write "tp_", an id, and nothing else.
 */
bool brick_names_fit(const struct store_brick *brick);
/* The bricks of each set are on different nodes. */
bool volume_nodes_distinct(const struct store *store, const struct store_volume *volume);
/* The volume an equal earlier request with the same explicit name made, or NULL. */
struct volume_entry *find_repeated(const struct store *store, const char *name, struct id fingerprint);

#endif
