/* The planner's inside: sizes (plan_size.c), options (plan_options.c), devices (plan_devices.c), Heketi's ring
 * (plan_ring.c), the better fit (plan_fit.c, plan_arbiter.c), the allocation of a volume's bricks in one cluster
 * (plan_bricks.c), cluster choice (plan_volume.c), more bricks and clones (plan_grow.c), all other requests (plan.c).
 *
 * Everything here is pure: what is random comes from the environment, what it decides travels in the command. */
#ifndef HECATE_STORE_PLAN_PRIV_H
#define HECATE_STORE_PLAN_PRIV_H

#include "store/store_priv.h"

/* ---- sizes ---- */

struct plan_need { /* what a brick charges to a device */
    uint64_t pool_kib, meta_kib;
};
/* heketi-storage.md 5.2: pool = size x factor, metadata 0.5 % of it (at most 16 GiB), both in whole extents. */
struct plan_need plan_need(uint64_t size_kib, float factor, uint64_t extent_kib);

/* ---- options ---- */

/* The effective list: pre-request options, those of block hosting volumes, the request's, post-request options; an
 * empty part leaves one "". */
void plan_options(struct store_strs *ret_options, const struct store_plan_env *env,
                  const struct store_volume_request *request);
/* The value of the last "key value" with this key, "" for one without value, NULL when absent. */
const char *plan_option(const struct store_strs *options, const char *key);
bool plan_option_true(const struct store_strs *options, const char *key); /* as Go reads booleans */

/* Refuses options that clients of this version ("" = any) could not mount the volume with, and switches off what would
 * keep them out (plan_client.c). */
enum store_code plan_client_options(struct store_strs *list, const char *client, struct store_result *result);

struct plan_tag_rule { /* user.heketi.device-tag-match */
    char *name;        /* NULL: no rule */
    char *value;
    bool differs; /* != */
};
/* False when the text is no rule. */
bool plan_tag_rule_parse(const char *text, struct plan_tag_rule *ret_rule);
void plan_tag_rule_fini(struct plan_tag_rule *rule);
bool plan_tag_rule_accepts(const struct plan_tag_rule *rule, const struct device_entry *device);

/* ---- work ---- */

/* What a plan may cost: counted, not timed, so that equal requests are planned alike. A unit is a few nanoseconds;
 * all of them take less than 20 ms. Who runs out of the first goes on with the second; out of the second,
 * nothing was found; out of the third, the explanation is shorter and says so. One for all clusters of a request. */
enum plan_phase { PLAN_BY_RING, PLAN_ANYWHERE, PLAN_EXPLAIN, PLAN_PHASES };
struct plan_work {
    uint64_t left[PLAN_PHASES]; /* units */
};
void plan_work_init(struct plan_work *work);

/* ---- devices (plan_devices.c) ---- */

struct plan_role { /* tag `arbiter` of a device, or else of its node */
    bool data, arbiter;
};

struct plan_device {
    const struct device_entry *entry;
    uint64_t free_kib, spare_kib; /* as left by what this plan has placed so far */
    struct plan_role role;
    bool accepted; /* by the tag rule */
};

struct plan_space {
    struct plan_device *devices; /* by zone, node, id */
    size_t n;
    float factor;
    bool zone_strict;
    const struct plan_tag_rule *tag_rule;
    uint64_t seed;  /* of the ring's order of zones and nodes */
    uint64_t *left; /* of the work in this phase */
};

/* False: no units are left for it. */
static inline bool plan_spend(const struct plan_space *space, uint64_t units)
{
    bool enough = *space->left >= units;

    *space->left -= enough ? units : *space->left;
    return enough;
}

enum plan_outcome {
    PLAN_PLACED,
    PLAN_NO_SPACE,
    PLAN_NO_NODES,
    PLAN_NO_DEVICES,
    PLAN_MAX_BRICKS, /* the next split would have too many bricks */
    PLAN_MIN_BRICK,  /* ... too small ones */
};

/* The usable devices of a cluster; says of every other one why not. The caller frees space->devices. */
enum plan_outcome plan_gather(struct plan_space *space, const struct store *store, const struct store_plan_env *env,
                              const struct cluster_entry *cluster);

bool plan_fits(const struct plan_space *space, size_t device, uint64_t size_kib, struct plan_need *ret_need);
void plan_take(struct plan_space *space, size_t device, const struct plan_need *need);
const struct node_entry *plan_node_of(const struct plan_space *space, size_t device);
/* The end of the group that begins at `first`: the devices that a set may use only once between them, those of a node
 * or, when strict, of a zone, are neighbours. */
size_t plan_group_end(const struct plan_space *space, size_t first);

/* How many bricks of this size the device could still take. */
uint64_t plan_slots(const struct plan_space *space, size_t device, uint64_t size_kib);

/* Adds a reason to env->reasons, if somebody wants them: of the cluster. */
void plan_explain(const struct store_plan_env *env, struct id cluster, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Of a node (device ID_NONE) or device: the cause, a constant, and the figures of this place (printf). */
void plan_explain_place(const struct store_plan_env *env, const struct node_entry *node, struct id device,
                        const char *cause, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ---- sets ---- */

struct plan_set { /* what each set of a volume needs */
    uint32_t width;
    uint64_t size_kib;    /* of every brick but an arbiter */
    uint64_t arbiter_kib; /* 0: none; else the last brick is an arbiter of this size */
};

struct plan_pick { /* one brick of a set */
    size_t device;
    struct plan_need need;
    uint64_t size_kib;
    enum store_brick_type type;
};

/* Indices of the given devices (ascending) in the order of Heketi's ring, rotated by the id. order has room for n. */
void plan_ring(struct plan_space *space, const struct id *rotation, const size_t *members, size_t n, size_t *order);

/* Heketi's way: one pass round the ring for one set; for an arbiter set, rings of devices by what they may take. Takes
 * the space. */
bool plan_place_ring(struct plan_space *space, const struct id *rotation, const struct plan_set *set,
                     struct plan_pick *ret_picks);

/* Could there be a placement of so many sets? False: there is none, or no work is left. Cheap; without arbiters exact.
 */
bool plan_may_fit(const struct plan_space *space, const struct plan_set *set, uint32_t sets);
/* Is there any placement of so many sets? Exact, unless no work is left: what plan_place_any then finds. */
bool plan_feasible(const struct plan_space *space, const struct plan_set *set, uint32_t sets);
/* All sets at once, wherever they are; finds a place whenever there is one. ret_picks: sets x width. Takes the space.
 */
bool plan_place_any(struct plan_space *space, const struct id *rotation, const struct plan_set *set, uint32_t sets,
                    struct plan_pick *ret_picks);

/* Sets with an arbiter: two sizes of bricks, and devices that take only one of them (plan_arbiter.c). More sets than
 * this are not looked at: Heketi's way has to do. */
#define PLAN_ARBITER_SETS_MAX 32
bool plan_arbiter_feasible(const struct plan_space *space, const struct plan_set *set, uint32_t sets);
bool plan_arbiter_place(struct plan_space *space, const struct plan_set *set, uint32_t sets,
                        struct plan_pick *ret_picks);

/* ---- a volume's bricks in one cluster (plan_bricks.c) ---- */

/* Three replicas of which the last is an arbiter, by option user.heketi.arbiter. It means nothing for others. */
bool plan_wants_arbiter(const struct store_volume *volume);
/* Arbiter brick for a data brick of this size: one KiB per file (user.heketi.average-file-size, else the setting), but
 * not less than what mkfs.xfs accepts. */
uint64_t plan_arbiter_kib(const struct store_volume *volume, const struct store_plan_env *env, uint64_t data_kib);
#define PLAN_ARBITER_KIB_MIN UINT64_C(589824)
uint64_t plan_average_kib(const struct store_volume *volume, const struct store_plan_env *env);

/* Must the bricks of a set be in different zones? */
bool plan_zone_strict(const struct store_volume *volume, const struct store_plan_env *env);

struct plan_result {
    struct store_brick *bricks; /* PLACED: of new sets, numbered after those that the volume has; the caller's */
    size_t n;
};

/* Bricks for size_gib (more) of a volume that has its ids, durability, options and snapshot factor; bricks that it has
 * count for the limit of bricks. */
enum plan_outcome plan_bricks(const struct store *store, const struct store_plan_env *env, struct plan_work *work,
                              const struct cluster_entry *cluster, const struct plan_tag_rule *tag_rule,
                              const struct store_volume *volume, uint32_t size_gib, struct plan_result *ret_result);
/* Heketi's text; a create says "No space" of every split that fails. */
const char *plan_outcome_text(enum plan_outcome outcome);
const char *plan_create_text(enum plan_outcome outcome);

/* A place for the brick that this evict moves: fills cmd's volume with one brick (plan_replace.c). */
enum store_code plan_replacement(const struct store *store, const struct op_entry *op, const struct store_plan_env *env,
                                 struct store_cmd *cmd, struct store_result *result);

struct id plan_random_id(const struct store_plan_env *env);

/* ---- a new volume in one of several clusters (plan_volume.c) ---- */

struct plan_candidates { /* in the order in which they are tried */
    struct cluster_entry **items;
    size_t n;
};
void plan_candidates_fini(struct plan_candidates *list);
/* The given clusters, or all: 400 when there is none, or one does not exist. */
enum store_code plan_list_clusters(const struct store *store, const struct id *ids, size_t n,
                                   struct plan_candidates *list, struct store_result *result);
enum { PLAN_TEST_TYPE = 1, PLAN_TEST_NAME = 2, PLAN_TEST_COUNT = 4 };
/* Drops the clusters that do not pass the tests; refuses, with the prefix, when none is left. */
enum store_code plan_keep_eligible(struct plan_candidates *list, const struct store_volume_request *wish,
                                   unsigned tests, const struct store_plan_env *env, const char *prefix,
                                   struct store_result *result);
/* Fills the volume with its bricks, in the first cluster that has room. */
enum store_code plan_new_volume(const struct store *store, const struct plan_candidates *list,
                                const struct store_volume_request *wish, const struct store_plan_env *env,
                                struct id fingerprint, const char *prefix, struct store_volume *volume,
                                struct store_result *result);
/* The answer of an equal earlier request, whose volume is `first` and whose job is `answer`. A command only where there
 * is something to remember: the key, or a job for an answer whose own one has expired. */
enum store_code plan_repeat(const struct store *store, struct id first, struct id answer,
                            const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result);
/* The whole of BLOCK_CREATE, as below (plan_block.c). */
enum store_code plan_block_create(const struct store *store, const struct store_request *request,
                                  const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result);
/* The whole of VOLUME_CREATE. cmd is an initialised OP_BEGIN with key and fingerprint. */
enum store_code plan_volume_create(const struct store *store, const struct store_request *request,
                                   const struct store_plan_env *env, struct store_cmd *cmd,
                                   struct store_result *result);

/* Fills ret_added's bricks: room for size_gib besides the bricks that op_id is not making. The rest of it is a flat
 * copy of the volume. */
enum plan_outcome plan_more_bricks(const struct store *store, const struct store_plan_env *env,
                                   const struct volume_entry *volume, struct id op_id, uint32_t size_gib,
                                   struct store_volume *ret_added);
enum store_code plan_volume_expand(const struct store *store, const struct store_request *request,
                                   const struct store_plan_env *env, struct store_cmd *cmd,
                                   struct store_result *result);
enum store_code plan_volume_clone(const struct store *store, const struct store_request *request,
                                  const struct store_plan_env *env, struct store_cmd *cmd, struct store_result *result);

#endif
