/* The planner's inside: sizes (plan_size.c), options (plan_options.c), ring and placers (plan_ring.c), the allocation
 * of a volume's bricks in one cluster (plan_bricks.c), cluster choice (plan_volume.c), all other requests (plan.c).
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

/* The effective list: pre-request options, the request's, post-request options; an empty part leaves one "". */
void plan_options(struct store_strs *ret_options, const struct store_plan_env *env, const struct store_strs *request);
/* The value of the last "key value" with this key, "" for one without value, NULL when absent. */
const char *plan_option(const struct store_strs *options, const char *key);
bool plan_option_true(const struct store_strs *options, const char *key); /* as Go reads booleans */

struct plan_tag_rule { /* user.heketi.device-tag-match */
    char *name;        /* NULL: no rule */
    char *value;
    bool differs; /* != */
};
/* False when the text is no rule. */
bool plan_tag_rule_parse(const char *text, struct plan_tag_rule *ret_rule);
void plan_tag_rule_fini(struct plan_tag_rule *rule);
bool plan_tag_rule_accepts(const struct plan_tag_rule *rule, const struct device_entry *device);

/* ---- devices, ring, placers ---- */

struct plan_device {
    const struct device_entry *entry;
    uint64_t free_kib, spare_kib; /* as left by what this plan has placed so far */
};

struct plan_space {
    struct plan_device *devices; /* by zone, node, id */
    size_t n;
    float factor;
    bool zone_strict;
    const struct plan_tag_rule *tag_rule;
    uint64_t seed; /* of the ring's order of zones and nodes */
};

struct plan_pick { /* one brick of a set */
    size_t device;
    struct plan_need need;
    uint64_t size_kib;
    enum store_brick_type type;
};

bool plan_fits(const struct plan_space *space, size_t device, uint64_t size_kib, struct plan_need *ret_need);
void plan_take(struct plan_space *space, size_t device, const struct plan_need *need);

/* Indices of all devices in the order of Heketi's ring, rotated by the id. order has room for space->n. */
void plan_ring(struct plan_space *space, const struct id *rotation, size_t *order);

/* A placer finds devices for the bricks of one set and takes their space. Arbiter sets will be one more of them. */
typedef bool (*plan_placer)(struct plan_space *space, const struct id *rotation, uint32_t width, uint64_t size_kib,
                            struct plan_pick *ret_picks);
/* Heketi's: one pass round the ring. */
bool plan_place_ring(struct plan_space *space, const struct id *rotation, uint32_t width, uint64_t size_kib,
                     struct plan_pick *ret_picks);
/* The nodes (zones when strict) with room for most such bricks first: finds a place for n sets whenever there is one.
 */
bool plan_place_fullest(struct plan_space *space, const struct id *rotation, uint32_t width, uint64_t size_kib,
                        struct plan_pick *ret_picks);

/* Is there any placement of so many sets? Exact: what plan_place_fullest, asked once for each set, then finds. */
bool plan_feasible(const struct plan_space *space, uint32_t width, uint32_t sets, uint64_t size_kib);

/* ---- a volume's bricks in one cluster ---- */

enum plan_outcome { PLAN_PLACED, PLAN_NO_SPACE, PLAN_NO_NODES, PLAN_NO_DEVICES };

/* Fills volume->bricks (volume has its ids, durability, options and snapshot factor). */
enum plan_outcome plan_bricks(const struct store *store, const struct store_plan_env *env,
                              const struct cluster_entry *cluster, const struct plan_tag_rule *tag_rule,
                              struct store_volume *volume);
const char *plan_outcome_text(enum plan_outcome outcome);

struct id plan_random_id(const struct store_plan_env *env);
/* The whole of VOLUME_CREATE. cmd is an initialised OP_BEGIN with key and fingerprint. */
enum store_code plan_volume_create(const struct store *store, const struct store_request *request,
                                   const struct store_plan_env *env, struct store_cmd *cmd,
                                   struct store_result *result);

#endif
