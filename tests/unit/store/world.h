/* A store with a log index, a clock and repeatable randomness, for tests. store_check runs after every command. */
#ifndef HECATE_TESTS_UNIT_STORE_WORLD_H
#define HECATE_TESTS_UNIT_STORE_WORLD_H

#include "store/view.h"

#define GIB STORE_KIB_PER_GIB

struct world {
    struct store *store;
    uint64_t index;
    uint64_t seed;
    struct store_plan_env env; /* random and now_ms are the world's */
    struct store_result result;
    bool unchecked; /* no store_check: for large states */
};

void world_init(struct world *world, uint64_t seed);
void world_fini(struct world *world);

/* HECATE_SEED, or the given one; printed. */
uint64_t world_seed(const char *test, uint64_t fallback);
uint64_t world_draw(struct world *world); /* 64 random bits */
size_t world_below(struct world *world, size_t n);
struct id world_id(struct world *world);

/* Applies by way of the encoding (as a member does), checks the store, fills world->result. */
enum store_code world_apply(struct world *world, const struct store_cmd *cmd);
/* Plans and applies. Frees the request. */
enum store_code world_request(struct world *world, struct store_request *request);
enum store_code world_plan(struct world *world, struct store_request *request, struct store_cmd *ret_cmd);

/* Raises the feature level. */
void world_level(struct world *world, uint32_t level);

/* Whole things, ended well; each asserts that it works. */
struct id world_cluster(struct world *world);
struct id world_node(struct world *world, struct id cluster, uint32_t zone, const char *name);
struct id world_device(struct world *world, struct id node, const char *name, uint64_t total_kib);
/* Cluster of n nodes, each in its own zone with one device; ret arrays may be NULL. */
struct id world_topology(struct world *world, size_t n, uint64_t total_kib, struct id *ret_nodes,
                         struct id *ret_devices);

/* Begins, returns the operation's id; the object is result.id. */
struct id world_begin_node(struct world *world, struct id cluster, uint32_t zone, const char *name);
struct id world_begin_device(struct world *world, struct id node, const char *name);
void world_volume_request(struct store_request *request, uint32_t size_gib, uint32_t replica, const char *name);
enum store_code world_create(struct world *world, uint32_t size_gib, uint32_t replica, const char *name);
struct id world_volume(struct world *world, uint32_t size_gib, uint32_t replica, const char *name);
enum store_code world_target(struct world *world, enum store_request_type type, struct id target);
enum store_code world_state(struct world *world, enum store_request_type type, struct id target,
                            enum store_state state);
void world_block_request(struct store_request *request, uint32_t size_gib, const char *name);
/* So many nodes of 500 GiB each; block hosting volumes of 100 GiB are made on the way. Instead of world_init. */
void world_init_auto(struct world *world, size_t n_nodes);
/* One that must be there. */
const struct store_block_volume *world_block_of(const struct world *world, struct id id);
/* A block hosting volume of three replicas. */
struct id world_hosting(struct world *world, uint32_t size_gib, const char *name);
enum store_code world_create_block(struct world *world, uint32_t size_gib, const char *name);
struct id world_block(struct world *world, uint32_t size_gib, const char *name); /* exported by h1 and h2 */
enum store_code world_expand_block(struct world *world, struct id block, uint32_t new_gib);
/* OP_END of a block volume's operation with what the nodes say; sizes 0: nothing. */
enum store_code world_end_block(struct world *world, struct id op_id, const char *error, uint32_t size_gib,
                                uint32_t usable_gib);
/* OP_END; a device gets total_kib. */
enum store_code world_end(struct world *world, struct id op_id, const char *error);
/* The same, and what it leaves on nodes goes to a clean-up of this id. */
enum store_code world_end_leaving(struct world *world, struct id op_id, struct id follow_id);
enum store_code world_end_device(struct world *world, struct id op_id, uint64_t total_kib);

/* What a thread would see of the store. */
struct world_view {
    struct store_snapshot *snapshot;
    struct store_view *view;
};
struct world_view world_view(const struct store *store);
void world_view_fini(struct world_view *view);

bool digests_equal(const struct store *a, const struct store *b);

/* For tests whose world is called that. */
#define assert_refused(call, expected_code, expected_text)       \
    do {                                                         \
        assert_int_equal((call), (expected_code));               \
        assert_string_equal(world.result.text, (expected_text)); \
    } while (0)

#endif
