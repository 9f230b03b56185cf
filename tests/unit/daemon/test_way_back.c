/* A database goes out in Heketi's form and comes back by an import: nothing of it is lost on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json_dump.h"
#include "daemon/import.h"
#include "store/base/mem.h"
#include "tests/unit/store/world.h"

#define NODES 7

/* The dump of Heketi's form; the caller frees the buffer. */
static void dump(const struct store *store, struct buf *ret_dump)
{
    struct api_dump *dump = api_dump_new(store, (struct id){{1}}, NULL);
    struct err err = ERR_INIT;
    int rc;

    *ret_dump = (struct buf)BUF_INIT;
    do {
        rc = api_dump_next(dump, 4096, ret_dump, &err);
    } while (rc > 0);
    assert_int_equal(rc, 0);
    api_dump_free(dump);
}

/* By an import of this dump. */
static struct store *import(const struct buf *from)
{
    struct import_report report;
    struct store *store = NULL;

    if (import_dump((const char *)from->data, from->len, &store, &report) != 0) {
        fail_msg("%s", report.errors.n > 0 ? report.errors.items[0] : "refused without a reason");
    }
    for (size_t i = 0; i < report.warnings.n; i++) {
        fail_msg("a warning: %s", report.warnings.items[i]);
    }
    import_report_fini(&report);
    return store;
}

static void assert_same(const struct buf *one, const struct buf *other)
{
    json_t *first = json_loadb((const char *)one->data, one->len, 0, NULL);
    json_t *second = json_loadb((const char *)other->data, other->len, 0, NULL);
    const char *name;
    json_t *value;

    assert_non_null(first);
    assert_non_null(second);
    json_object_foreach(first, name, value)
    {
        const char *id;
        json_t *entry;

        json_object_foreach(value, id, entry)
        {
            char *text = json_dumps(entry, JSON_SORT_KEYS), *back;

            back = json_dumps(json_object_get(json_object_get(second, name), id), JSON_SORT_KEYS | JSON_ENCODE_ANY);
            assert_non_null(back);
            assert_string_equal(back, text);
            free(text);
            free(back);
        }
    }
    assert_true(json_equal(first, second)); /* and nothing more */
    json_decref(first);
    json_decref(second);
}

static void make_volume(struct world *w, enum store_durability durability, const char *option, const char *name)
{
    struct store_request request;

    world_volume_request(&request, 9, durability == STORE_REPLICATE ? 3 : 0, name);
    request.volume.durability = durability;
    request.volume.disperse_data = durability == STORE_DISPERSE ? 4 : 0;
    request.volume.redundancy = durability == STORE_DISPERSE ? 2 : 0;
    request.volume.gid = 4242;
    request.volume.snapshot_enable = true;
    request.volume.snapshot_factor = 1.5F;
    store_strs_add(&request.volume.options, option);
    assert_int_equal(world_request(w, &request), STORE_OK);
    assert_int_equal(world_end(w, w->result.op_id, NULL), STORE_OK);
}

static void make_world(struct world *w)
{
    struct id nodes[NODES], devices[NODES];
    struct store_request request;

    world_init(w, 5);
    (void)world_topology(w, NODES, 500 * GIB, nodes, devices);
    make_volume(w, STORE_REPLICATE, "user.heketi.arbiter true", "arbiter");
    make_volume(w, STORE_REPLICATE, "performance.cache-size 64MB", "three");
    make_volume(w, STORE_DISPERSE, "nfs.disable on", "dispersed");
    make_volume(w, STORE_NONE, "nfs.disable on", "single");
    (void)world_hosting(w, 50, "host");
    (void)world_block(w, 3, "block");
    store_request_init(&request, STORE_REQ_NODE_TAGS);
    request.target = nodes[0];
    request.tag_change = STORE_TAGS_SET;
    store_tags_set(&request.tags, "tier", "gold");
    assert_int_equal(world_request(w, &request), STORE_OK);
    assert_int_equal(world_state(w, STORE_REQ_DEVICE_STATE, devices[1], STORE_STATE_OFFLINE), STORE_OK);
}

static void test_quiet(void **state)
{
    struct store *back;
    struct buf first, second;
    struct world w;

    (void)state;
    make_world(&w);
    dump(w.store, &first);
    back = import(&first);
    dump(back, &second);
    assert_same(&first, &second);
    store_free(back);
    buf_fini(&first);
    buf_fini(&second);
    world_fini(&w);
}

/* What is under way comes back as work that is undone or goes on, and the objects are the same ones. */
static void test_under_way(void **state)
{
    struct store_counts there, back_there;
    struct store *back;
    struct buf first;
    struct world w;

    (void)state;
    make_world(&w);
    (void)world_create(&w, 4, 3, "new");
    (void)world_target(&w, STORE_REQ_VOLUME_DELETE, world_volume(&w, 5, 3, "gone"));
    dump(w.store, &first);
    back = import(&first);
    there = store_counts(w.store);
    back_there = store_counts(back);
    assert_int_equal(back_there.volumes, there.volumes);
    assert_int_equal(back_there.bricks, there.bricks);
    assert_int_equal(back_there.block_volumes, there.block_volumes);
    assert_int_equal(back_there.operations, there.operations);
    store_free(back);
    buf_fini(&first);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quiet), cmocka_unit_test(test_under_way)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
