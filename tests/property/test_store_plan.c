/* The planner against a naive model: it finds a place exactly when there is one, and what it finds obeys every rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"
#include "tests/unit/store/world.h"

#define ROUNDS 150
#define GROUPS 16

struct model_device {
    struct id id;
    uint32_t node, zone;
    uint64_t free_kib, meta_kib; /* of all bricks so far: the largest */
    bool tagged;
    bool data, arbiter; /* what its tag lets it take */
};

struct model {
    struct model_device devices[64];
    size_t n;
};

/* Formulas of heketi-storage.md 5.2, written anew and slowly. */
static uint64_t model_up(uint64_t value)
{
    while (value % 4096 != 0) {
        value++;
    }
    return value;
}

static bool model_put(struct model_device *device, uint64_t size_kib, float factor)
{
    uint64_t pool = model_up((uint64_t)((double)size_kib * (double)factor));
    uint64_t meta = (uint64_t)((double)pool * 0.005);
    uint64_t spare;

    meta = model_up(meta < 16777216 ? meta : 16777216);
    spare = meta > device->meta_kib ? meta : device->meta_kib;
    if (device->free_kib <= pool + meta || device->free_kib - pool - meta < spare) {
        return false;
    }
    device->free_kib -= pool + meta;
    device->meta_kib = spare;
    return true;
}

/* What is asked for. */
struct wish {
    const struct store_volume_request *request;
    bool strict, tags, arbiter;
    uint32_t width, data; /* bricks of a set, and those among which its data are divided */
};

static float factor_of(const struct wish *wish)
{
    return wish->request->snapshot_enable ? wish->request->snapshot_factor : 1;
}

static uint32_t group_of(const struct wish *wish, const struct model_device *device)
{
    return wish->strict ? device->zone : device->node;
}

/* Room for `sets` sets of equal bricks in different groups (nodes, or zones)? Counts by filling. */
static bool model_fits(const struct model *model, const struct wish *wish, uint32_t sets, uint64_t size_kib)
{
    struct model copy = *model;
    uint64_t places[GROUPS] = {0}, sum = 0;

    for (size_t i = 0; i < copy.n; i++) {
        uint32_t group = group_of(wish, &copy.devices[i]);

        while ((!wish->tags || copy.devices[i].tagged) && places[group] < sets &&
               model_put(&copy.devices[i], size_kib, factor_of(wish))) {
            places[group]++;
        }
    }
    for (size_t g = 0; g < GROUPS; g++) {
        sum += places[g];
    }
    return sum >= (uint64_t)sets * wish->width;
}

/* ---- the same with arbiters: which (data bricks, arbiters) can be had at all, by trying all of them ---- */

#define ARBITER_BRICKS 12 /* in a volume, so that this ends */
#define SETS (ARBITER_BRICKS / 3)

struct reach { /* [data bricks][arbiters] */
    bool is[2 * SETS + 1][SETS + 1];
};

static void reach_add(struct reach *to, const struct reach *other, uint32_t most)
{
    struct reach sum = {{{false}}};

    for (uint32_t at = 0; at < (2 * SETS + 1) * (SETS + 1); at++) {
        uint32_t d = at / (SETS + 1), a = at % (SETS + 1);

        for (uint32_t d2 = 0; to->is[d][a] && d + d2 <= 2 * SETS; d2++) {
            for (uint32_t a2 = 0; a + a2 <= SETS; a2++) {
                if (other->is[d2][a2] && d + d2 + a + a2 <= most) {
                    sum.is[d + d2][a + a2] = true;
                }
            }
        }
    }
    *to = sum;
}

static struct reach reach_of(const struct model_device *device, const struct wish *wish, uint64_t size_kib,
                             uint64_t arbiter_kib)
{
    struct reach reach = {{{false}}};

    for (uint32_t d = 0; d <= 2 * SETS; d++) {
        for (uint32_t a = 0; a <= SETS; a++) {
            struct model_device copy = *device;
            bool fits = (d == 0 || device->data) && (a == 0 || device->arbiter) &&
                        (d + a == 0 || !wish->tags || device->tagged);

            for (uint32_t i = 0; fits && i < d + a; i++) {
                fits = model_put(&copy, i < d ? size_kib : arbiter_kib, factor_of(wish));
            }
            reach.is[d][a] = fits;
        }
    }
    return reach;
}

static bool model_fits_arbiters(const struct model *model, const struct wish *wish, uint32_t sets, uint64_t size_kib)
{
    uint64_t arbiter_kib = size_kib / 64 > 589824 ? size_kib / 64 : 589824;
    struct reach all = {{{true}}};

    for (uint32_t g = 0; g < GROUPS; g++) {
        struct reach group = {{{true}}};

        for (size_t i = 0; i < model->n; i++) {
            if (group_of(wish, &model->devices[i]) == g) {
                struct reach device = reach_of(&model->devices[i], wish, size_kib, arbiter_kib);

                reach_add(&group, &device, sets);
            }
        }
        reach_add(&all, &group, ARBITER_BRICKS);
    }
    return all.is[2 * sets][sets];
}

static bool model_possible(const struct model *model, const struct store_plan_env *env, const struct wish *wish)
{
    uint64_t total = wish->request->size_gib * GIB;

    for (uint32_t sets = 1; sets * wish->width <= env->bricks_per_volume_max; sets++) {
        uint64_t parts = (uint64_t)sets * wish->data;
        const uint64_t sizes[] = {(total + parts - 1) / parts, (sets & (sets - 1)) == 0 ? total / parts : 0};

        for (int i = 0; i < 2; i++) {
            if (sizes[i] >= env->brick_min_kib && sizes[i] <= env->brick_max_kib &&
                (wish->arbiter ? model_fits_arbiters(model, wish, sets, sizes[i])
                               : model_fits(model, wish, sets, sizes[i]))) {
                return true;
            }
        }
    }
    return false;
}

static struct model_device *model_find(struct model *model, struct id id)
{
    for (size_t i = 0; i < model->n; i++) {
        if (id_equal(model->devices[i].id, id)) {
            return &model->devices[i];
        }
    }
    fail_msg("a brick on an unknown device");
    return &model->devices[0];
}

/* Every rule, and the model takes the bricks over. */
static void model_take(struct model *model, const struct store_volume *volume, const struct wish *wish)
{
    uint64_t size_kib = volume->bricks[0].size_kib, sets = volume->n_bricks / wish->width;

    assert_int_equal(volume->n_bricks % wish->width, 0);
    for (size_t i = 0; i < volume->n_bricks; i++) {
        const struct store_brick *brick = &volume->bricks[i];
        struct model_device *device = model_find(model, brick->device);
        bool arbiter = wish->arbiter && i % wish->width == 2;

        assert_int_equal(brick->type, arbiter ? STORE_BRICK_ARBITER : STORE_BRICK_NORMAL);
        assert_int_equal(brick->size_kib, !arbiter ? size_kib : size_kib / 64 > 589824 ? size_kib / 64 : 589824);
        assert_true(!wish->arbiter || (arbiter ? device->arbiter : device->data));
        assert_true(!wish->tags || device->tagged);
        assert_true(model_put(device, brick->size_kib, volume->snapshot_factor));
        for (size_t j = i - i % wish->width; j < i; j++) {
            const struct model_device *other = model_find(model, volume->bricks[j].device);

            assert_int_not_equal(other->node, device->node);
            assert_true(!wish->strict || other->zone != device->zone);
        }
    }
    assert_true(size_kib * sets * wish->data >= volume->size_gib * GIB);
}

static void make_topology(struct world *world, struct model *model)
{
    struct id cluster = world_cluster(world);
    uint32_t n_nodes = (uint32_t)(1 + world_below(world, world_below(world, 4) == 0 ? 14 : 7));

    for (uint32_t n = 0; n < n_nodes; n++) {
        CLEANUP(free_ptr) char *name = mem_printf("n%u", n);
        uint32_t zone = (uint32_t)(1 + world_below(world, 4));
        struct id node = world_node(world, cluster, zone, name);

        for (size_t d = world_below(world, 4); d > 0; d--) {
            CLEANUP(free_ptr) char *path = mem_printf("/dev/sd%zu", d);
            uint64_t total = (1 + world_below(world, 60)) * GIB + world_below(world, 1000) * 4096;
            struct id device = world_device(world, node, path, total);
            bool tagged = world_below(world, 3) > 0;
            size_t role = world_below(world, 4);
            struct store_request request;

            store_request_init(&request, STORE_REQ_DEVICE_TAGS);
            request.target = device;
            if (tagged) {
                store_tags_set(&request.tags, "disk", "ssd");
            }
            if (role < 2) {
                store_tags_set(&request.tags, "arbiter", role == 0 ? "required" : "disabled");
            }
            assert_int_equal(world_request(world, &request), STORE_OK);
            model->devices[model->n++] = (struct model_device){device, n, zone, total, 0, tagged, role != 0, role != 1};
        }
    }
}

enum kind { NONE, REPLICA_1, REPLICA_2, REPLICA_3, ARBITER, DISPERSE, KINDS };

static void make_request(struct world *world, enum kind kind, struct store_request *request, struct wish *wish)
{
    static const uint32_t pairs[][2] = {{2, 1}, {2, 1}, {4, 2}, {8, 3}};
    const uint32_t *pair = pairs[world_below(world, 4)];
    uint32_t replica = kind >= ARBITER ? 3 : (uint32_t)kind;
    uint32_t size_gib = (uint32_t)(8 + world_below(world, world_below(world, 4) == 0 ? 150 : 25));

    world_volume_request(request, size_gib, kind == DISPERSE ? 0 : replica, "");
    *wish = (struct wish){.request = &request->volume, .width = replica > 0 ? replica : 1, .data = 1};
    wish->strict = world_below(world, 3) == 0;
    wish->tags = world_below(world, 4) == 0;
    wish->arbiter = kind == ARBITER;
    if (kind == DISPERSE) {
        request->volume.durability = STORE_DISPERSE;
        request->volume.disperse_data = pair[0];
        request->volume.redundancy = pair[1];
        wish->width = pair[0] + pair[1];
        wish->data = pair[0];
    }
    request->volume.snapshot_enable = world_below(world, 3) == 0;
    request->volume.snapshot_factor = 1.3F;
    if (wish->strict) {
        store_strs_add(&request->volume.options, "user.heketi.zone-checking strict");
    }
    if (wish->tags) {
        store_strs_add(&request->volume.options, "user.heketi.device-tag-match disk=ssd");
    }
    if (wish->arbiter) {
        store_strs_add(&request->volume.options, "user.heketi.arbiter true");
    }
    world->env.bricks_per_volume_max = wish->arbiter ? ARBITER_BRICKS : 32;
}

struct tally {
    size_t placed, odd, refused;
};

static void one_volume(struct world *world, struct model *model, enum kind kind, struct tally *tally)
{
    struct store_request request;
    struct store_volume_request numbers;
    struct wish wish;
    enum store_code code;
    bool possible;

    make_request(world, kind, &request, &wish);
    numbers = request.volume; /* the rest is freed with the request */
    wish.request = &numbers;
    possible = model_possible(model, &world->env, &wish);
    code = world_request(world, &request);
    assert_int_equal(code, possible ? STORE_OK : STORE_NO_ALLOCATION);
    if (code == STORE_OK) {
        const struct store_volume *volume = store_volume(world->store, world->result.id);
        size_t sets = volume->n_bricks / wish.width;

        model_take(model, volume, &wish);
        tally->odd += (sets & (sets - 1)) != 0 ? 1 : 0;
        tally->placed++;
    } else {
        tally->refused++;
    }
}

static void test_against_model(void **state)
{
    static const char *const names[KINDS] = {"none", "replica 1", "replica 2", "replica 3", "arbiter", "disperse"};
    struct tally tallies[KINDS] = {{0}};
    struct world world;
    uint64_t seed = world_seed("store_plan", 77);

    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct model model = {.n = 0};

        world_init(&world, seed + round);
        make_topology(&world, &model);
        for (int i = 0; i < 15; i++) {
            enum kind kind = (enum kind)world_below(&world, KINDS);

            one_volume(&world, &model, kind, &tallies[kind]);
        }
        for (size_t i = 0; i < model.n; i++) {
            const struct store_device *device = store_device(world.store, model.devices[i].id);

            assert_int_equal(device->total_kib - store_device_used_kib(world.store, device->id),
                             model.devices[i].free_kib);
        }
        world_fini(&world);
    }
    for (int k = 0; k < KINDS; k++) {
        printf("%-9s %4zu placed (%zu of them in a number of sets that is no power of two), %zu refused\n", names[k],
               tallies[k].placed, tallies[k].odd, tallies[k].refused);
        assert_true(tallies[k].placed > 20 && tallies[k].refused > 20);
    }
    assert_true(tallies[NONE].odd > 0 && tallies[ARBITER].odd > 0);
}

/* ---- the ring is one that heketi-storage.md 6.3 can give: some order of zones and nodes explains it ---- */

#define SMALL 3

struct lists { /* zone -> node -> devices, as the text has it */
    size_t devices[SMALL][SMALL][SMALL], n_devices[SMALL][SMALL], n_nodes[SMALL], n_zones;
};

static void naive_ring(struct lists *l, size_t *ring)
{
    size_t i = 0;

    while (l->n_zones > 0) {
        size_t z = i % l->n_zones;
        size_t n = i % l->n_nodes[z];

        ring[i] = l->devices[z][n][--l->n_devices[z][n]];
        if (l->n_devices[z][n] == 0) {
            for (size_t k = n; k + 1 < l->n_nodes[z]; k++) {
                memcpy(l->devices[z][k], l->devices[z][k + 1], sizeof(l->devices[z][k]));
                l->n_devices[z][k] = l->n_devices[z][k + 1];
            }
            l->n_nodes[z]--;
        }
        if (l->n_nodes[z] == 0) {
            for (size_t k = z; k + 1 < l->n_zones; k++) {
                memcpy(l->devices[k], l->devices[k + 1], sizeof(l->devices[k]));
                memcpy(l->n_devices[k], l->n_devices[k + 1], sizeof(l->n_devices[k]));
                l->n_nodes[k] = l->n_nodes[k + 1];
            }
            l->n_zones--;
        }
        i++;
    }
}

static const size_t orders[6][SMALL] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* lists with zones and nodes in another order */
static struct lists reorder(const struct lists *from, const size_t *zones, const size_t nodes[SMALL][SMALL])
{
    struct lists to = {.n_zones = 0};

    for (size_t z = 0; z < SMALL; z++) {
        size_t at = zones[z], n_nodes = 0;

        if (at >= from->n_zones) {
            continue;
        }
        for (size_t n = 0; n < SMALL; n++) {
            size_t from_node = nodes[at][n];

            if (from_node < from->n_nodes[at]) {
                memcpy(to.devices[to.n_zones][n_nodes], from->devices[at][from_node], sizeof(to.devices[0][0]));
                to.n_devices[to.n_zones][n_nodes++] = from->n_devices[at][from_node];
            }
        }
        to.n_nodes[to.n_zones++] = n_nodes;
    }
    return to;
}

static bool explained(const struct lists *lists, const size_t *ring, size_t n)
{
    size_t naive[SMALL * SMALL * SMALL];

    for (size_t z = 0; z < 6; z++) {
        for (size_t p = 0; p < 216; p++) {
            size_t nodes[SMALL][SMALL];
            struct lists other;

            memcpy(nodes[0], orders[p % 6], sizeof(nodes[0]));
            memcpy(nodes[1], orders[p / 6 % 6], sizeof(nodes[1]));
            memcpy(nodes[2], orders[p / 36], sizeof(nodes[2]));
            other = reorder(lists, orders[z], nodes);
            naive_ring(&other, naive);
            if (memcmp(naive, ring, n * sizeof(*ring)) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void test_ring_against_text(void **state)
{
    struct world world;
    uint64_t seed = world_seed("store_ring", 5);

    (void)state;
    for (uint64_t round = 0; round < 100; round++) {
        struct lists lists = {.n_zones = 0};
        struct plan_device devices[SMALL * SMALL * SMALL];
        struct plan_space space = {.devices = devices, .factor = 1, .seed = seed + round};
        struct node_entry nodes[SMALL * SMALL];
        struct device_entry entries[SMALL * SMALL * SMALL];
        size_t all[SMALL * SMALL * SMALL], ring[SMALL * SMALL * SMALL], n_nodes = 0;
        const struct id zero = ID_NONE;

        world_init(&world, seed + round);
        memset(nodes, 0, sizeof(nodes));
        lists.n_zones = 1 + world_below(&world, SMALL);
        for (size_t z = 0; z < lists.n_zones; z++) {
            lists.n_nodes[z] = 1 + world_below(&world, SMALL);
            for (size_t n = 0; n < lists.n_nodes[z]; n++) {
                nodes[n_nodes].rec.zone = (uint32_t)z + 1;
                lists.n_devices[z][n] = 1 + world_below(&world, SMALL);
                for (size_t d = 0; d < lists.n_devices[z][n]; d++) {
                    lists.devices[z][n][d] = space.n;
                    entries[space.n].node = &nodes[n_nodes];
                    devices[space.n] = (struct plan_device){.entry = &entries[space.n]};
                    all[space.n] = space.n;
                    space.n++;
                }
                n_nodes++;
            }
        }
        plan_ring(&space, &zero, all, space.n, ring);
        assert_true(explained(&lists, ring, space.n));
        world_fini(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model), cmocka_unit_test(test_ring_against_text)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
