/* Whole databases: imported into a running cluster, restored before its first start. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/load.h"
#include "daemon/stage.h"
#include "store/base/mem.h"
#include "store/level.h"
#include "store/load.h"
#include "tests/unit/daemon/fixture.h"

#define C "c0000000000000000000000000000001"
#define N "a0000000000000000000000000000001"

static const char good[] =
    "{\"clusterentries\":{\"" C "\":{\"Info\":{\"id\":\"" C "\",\"nodes\":[\"" N
    "\"],\"volumes\":[]}}},\"nodeentries\":{\"" N "\":{\"State\":\"online\",\"Info\":{\"zone\":1,"
    "\"hostnames\":{\"manage\":[\"m\"],\"storage\":[\"s\"]},\"cluster\":\"" C "\",\"id\":\"" N "\"},\"Devices\":[]}}}";

struct answer_of_import {
    int status;
    json_t *document;
};

static void imported(void *user, int status, const json_t *json)
{
    struct answer_of_import *answer = user;

    answer->status = status;
    answer->document = json_deep_copy(json);
}

static bool has_come(struct fixture *fixture, void *user)
{
    (void)fixture;
    return ((struct answer_of_import *)user)->status != 0;
}

static int import(struct fixture *fixture, const char *dump, const char *part)
{
    struct answer_of_import answer = {0};
    CLEANUP(free_ptr) char *text = NULL;

    load_import(fixture_leader(fixture), mem_strdup(dump), strlen(dump), imported, &answer);
    fixture_until(fixture, "the import's answer", has_come, &answer);
    text = json_dumps(answer.document, 0);
    if (strstr(text, part) == NULL) {
        fail_msg("%s is not in %s", part, text);
    }
    json_decref(answer.document);
    return answer.status;
}

static bool all_have_a_node(struct fixture *fixture, void *user)
{
    (void)user;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        const struct store *store = fixture->members[i]->store;

        if (store_counts(store).nodes == 0 || !id_is_none(store_settings(store)->load)) {
            return false;
        }
    }
    return true;
}

static void start_all(struct fixture *fixture)
{
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture_start(fixture, i);
    }
}

static void test_import(void **state)
{
    static struct fixture fixture;

    (void)state;
    fixture_init(&fixture);
    start_all(&fixture);
    assert_int_equal(import(&fixture, "{}", "there is no clusterentries"), 422);
    assert_true(store_is_empty(fixture_leader(&fixture)->store));
    assert_int_equal(import(&fixture, good, "\"nodes\": 1"), 200);
    fixture_until(&fixture, "a node on all members", all_have_a_node, NULL);
    assert_int_equal(import(&fixture, good, "The database is not empty"), 409);
    fixture_fini(&fixture);
}

static void write_file(const char *path, const struct buf *bytes)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, file), bytes->len);
    assert_int_equal(fclose(file), 0);
}

static bool is_gone(struct fixture *fixture, void *path)
{
    (void)fixture;
    return access(path, F_OK) != 0;
}

static void test_restore_before_the_first_start(void **state)
{
    static struct fixture fixture;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    CLEANUP(free_ptr) char *dump = NULL, *broken = NULL;

    (void)state;
    fixture_init(&fixture);
    dump = mem_printf("%s/dump.json", fixture.folder);
    broken = mem_printf("%s/broken", fixture.folder);
    buf_append_str(&bytes, good);
    write_file(dump, &bytes);
    buf_append_str(&bytes, "{");
    write_file(broken, &bytes);
    assert_int_equal(stage_import(&fixture.cfgs[0], broken), 1);
    assert_int_equal(stage_restore(&fixture.cfgs[0], broken), 1); /* no snapshot */
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        assert_int_equal(stage_import(&fixture.cfgs[i], dump), 0);
    }
    start_all(&fixture);
    assert_non_null(backend_blocked(fixture_leader(&fixture))); /* from the first moment */
    fixture_until(&fixture, "a node on all members", all_have_a_node, NULL);
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        CLEANUP(free_ptr) char *path = stage_path(&fixture.cfgs[i]);

        fixture_until(&fixture, "nothing is staged", is_gone, path); /* done with */
        assert_int_equal(stage_import(&fixture.cfgs[i], dump), 1);   /* in use */
    }
    (void)unlink(dump);
    (void)unlink(broken);
    fixture_fini(&fixture);
}

static void ignore(void *user, int status, const struct store_result *result)
{
    (void)user;
    (void)status;
    (void)result;
}

static bool is_loading(struct fixture *fixture, void *user)
{
    (void)user;
    return !id_is_none(store_settings(fixture_leader(fixture)->store)->load);
}

static bool is_not_loading(struct fixture *fixture, void *user)
{
    return !is_loading(fixture, user);
}

/* A leader that dies in the middle: the next one takes back what it finds. */
static void test_an_unfinished_load_is_taken_back(void **state)
{
    static struct fixture fixture;
    struct store_loader *loader;
    struct store_cmd cmd;
    struct member *leader;
    struct store *source = store_new();
    struct store_result result;

    (void)state;
    fixture_init(&fixture);
    start_all(&fixture);
    leader = fixture_leader(&fixture);
    store_cmd_init(&cmd, STORE_CMD_CLUSTER_CREATE);
    cmd.cluster.id = (struct id){{3}};
    store_apply(source, 1, &cmd, &result);
    store_cmd_fini(&cmd);
    loader = store_loader_new(source, (struct id){{1}}, 1);
    assert_true(store_loader_next(loader, &cmd));
    member_propose(leader, &cmd, ignore, NULL);
    fixture_until(&fixture, "a load under way", is_loading, NULL);
    store_cmd_fini(&cmd);
    store_loader_free(loader);
    fixture_stop(&fixture, (size_t)(leader->cfg->member_id - 1));
    fixture_until(&fixture, "no load under way", is_not_loading, NULL);
    assert_true(store_is_empty(fixture_leader(&fixture)->store));
    store_free(source);
    fixture_fini(&fixture);
}

static bool all_are_raised(struct fixture *fixture, void *user)
{
    (void)user;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        if (store_level(fixture->members[i]->store) < STORE_LEVEL_RESTORED) {
            return false;
        }
    }
    return true;
}

static bool has_tried(struct fixture *fixture, void *user)
{
    const struct member *leader = fixture_leader(fixture);

    (void)user;
    return *leader->staged_trouble != '\0' && leader->load == NULL;
}

static bool warns_of(struct member *member, const char *code, const char *text)
{
    json_t *document = status_document(member), *warning;
    bool found = false;
    size_t i;

    json_array_foreach(json_object_get(document, "warnings"), i, warning)
    {
        found = found || (strcmp(json_string_value(json_object_get(warning, "code")), code) == 0 &&
                          strstr(json_string_value(json_object_get(warning, "text")), text) != NULL);
    }
    json_decref(document);
    return found;
}

static bool knows_of_none(struct fixture *fixture, void *user)
{
    (void)fixture;
    return backend_blocked(user) == NULL;
}

/* What cannot be loaded is told; until it is removed, nobody takes the empty database for what was restored. */
static void test_a_staged_file_that_cannot_be_read(void **state)
{
    static struct fixture fixture;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    struct member *leader;

    (void)state;
    fixture_init(&fixture);
    buf_append_str(&bytes, "HECSNAP\n and nothing behind it");
    start_all(&fixture);
    fixture_until(&fixture, "the feature level", all_are_raised, NULL); /* what is staged waits for it */
    leader = fixture_leader(&fixture);
    assert_null(backend_blocked(leader));
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        CLEANUP(free_ptr) char *path = stage_path(&fixture.cfgs[i]);

        write_file(path, &bytes);
    }
    fixture_stop(&fixture, (size_t)(leader->cfg->member_id - 1)); /* the next one finds it */
    leader = fixture_leader(&fixture);
    assert_non_null(backend_blocked(leader));
    fixture_until(&fixture, "a try", has_tried, NULL);
    leader = fixture_leader(&fixture);
    assert_non_null(strstr(backend_blocked(leader), "could not be loaded"));
    assert_true(warns_of(leader, "staged-not-loaded", "snapshot"));
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        CLEANUP(free_ptr) char *path = stage_path(&fixture.cfgs[i]);

        (void)unlink(path);
    }
    fixture_until(&fixture, "that nobody has one any more", knows_of_none, leader);
    assert_false(warns_of(leader, "staged-not-loaded", ""));
    fixture_fini(&fixture);
}

static bool knows_of_it(struct fixture *fixture, void *user)
{
    return !knows_of_none(fixture, user);
}

/* Whoever leads: the others' word is enough for the leader not to show an empty database. */
static void test_staged_on_one_member_only(void **state)
{
    static struct fixture fixture;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    CLEANUP(free_ptr) char *path = NULL, *text = NULL;
    json_t *document;
    size_t leader;

    (void)state;
    fixture_init(&fixture);
    start_all(&fixture);
    leader = (size_t)(fixture_leader(&fixture)->cfg->member_id - 1);
    assert_null(backend_blocked(fixture.members[leader]));
    path = stage_path(&fixture.cfgs[(leader + 1) % FIXTURE_MEMBERS]);
    buf_append_str(&bytes, "x");
    write_file(path, &bytes);
    fixture_until(&fixture, "a blocked leader", knows_of_it, fixture.members[leader]);
    assert_non_null(strstr(backend_blocked(fixture.members[leader]), "waits on another member"));
    text = mem_printf("staged on member %zu only", (leader + 1) % FIXTURE_MEMBERS + 1);
    assert_true(warns_of(fixture.members[leader], "staged-in-part", text));
    document = status_document(fixture.members[leader]);
    assert_string_equal(json_string_value(json_object_get(document, "health")), "critical");
    json_decref(document);
    (void)unlink(path);
    fixture_fini(&fixture);
}

/* Root stages, another user runs hecated. */
static void test_owner_of_a_staged_file(void **state)
{
    static struct fixture fixture;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    CLEANUP(free_ptr) char *dump = NULL, *path = NULL;
    const struct cfg *cfg = &fixture.cfgs[0];
    struct err err = ERR_INIT;
    struct stat st;

    (void)state;
    fixture_init(&fixture);
    dump = mem_printf("%s/dump.json", fixture.folder);
    path = stage_path(cfg);
    buf_append_str(&bytes, good);
    write_file(dump, &bytes);
    assert_int_equal(stage_check(cfg, &err), 0); /* nothing is staged */
    assert_int_equal(mkdir(cfg->data_dir, 0700), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(cfg->data_dir, 65534, 65533), 0);
    }
    assert_int_equal(stage_import(cfg, dump), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 65534 : geteuid());
    assert_int_equal(st.st_gid, geteuid() == 0 ? 65533 : getegid());
    assert_int_equal(stage_check(cfg, &err), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(path, path), 0); /* root, too, cannot read it */
    assert_int_equal(stage_check(cfg, &err), E_IO);
    assert_non_null(strstr(err.message, "a staged database cannot be loaded"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(dump), 0);
    fixture_fini(&fixture);
}

/* A file that comes too late is not loaded, and said to be there. */
static void test_a_staged_file_beside_a_database(void **state)
{
    static struct fixture fixture;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    CLEANUP(free_ptr) char *path = NULL;
    struct member *leader;

    (void)state;
    fixture_init(&fixture);
    start_all(&fixture);
    assert_int_equal(import(&fixture, good, "\"nodes\": 1"), 200);
    leader = fixture_leader(&fixture);
    assert_null(backend_blocked(leader));
    assert_false(warns_of(leader, "staged-not-loaded", ""));
    buf_append_str(&bytes, "x");
    path = stage_path(leader->cfg);
    write_file(path, &bytes);
    assert_null(backend_blocked(leader));
    assert_true(warns_of(leader, "staged-not-loaded", "the database is not empty"));
    (void)unlink(path);
    fixture_fini(&fixture);
}

/* ---- the file that is done with ---- */

#define THREADS 4 /* of the loop */
#define HELD_WORKS 64

static sem_t go_on;

static void hold(uv_work_t *work)
{
    (void)work;
    while (sem_wait(&go_on) != 0) {
    }
}

static void apply_last_part(struct member *member, struct id load)
{
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_LOAD);
    cmd.load.last = true;
    cmd.op_id = load;
    load_applied(member, &cmd);
    store_cmd_fini(&cmd);
}

/* What was loaded goes, in a thread: it may be large. Another database that was staged stays. */
static void test_what_was_staged_when_one_is_loaded(void **state)
{
    static uv_work_t held[HELD_WORKS];
    static struct fixture fixture;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    CLEANUP(free_ptr) char *loaded = NULL, *other = NULL;
    struct id id;

    (void)state;
    fixture_init(&fixture);
    start_all(&fixture);
    loaded = stage_path(&fixture.cfgs[0]);
    other = stage_path(&fixture.cfgs[1]);
    buf_append_str(&bytes, "large");
    id = store_load_id(bytes.data, bytes.len);
    write_file(loaded, &bytes);
    buf_append_str(&bytes, " and different");
    write_file(other, &bytes);
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    for (size_t i = 0; i < HELD_WORKS; i++) {
        assert_int_equal(uv_queue_work(&fixture.loop, &held[i], hold, NULL), 0);
    }
    apply_last_part(fixture.members[1], id);
    apply_last_part(fixture.members[0], id);
    assert_int_equal(access(loaded, F_OK), 0);           /* no thread is free, and the loop did not wait for one */
    for (size_t i = 0; i <= HELD_WORKS - THREADS; i++) { /* one is: it takes them in their order */
        assert_int_equal(sem_post(&go_on), 0);
    }
    fixture_until(&fixture, "what was loaded is gone", is_gone, loaded);
    assert_int_equal(access(other, F_OK), 0);
    for (size_t i = 1; i < THREADS; i++) {
        assert_int_equal(sem_post(&go_on), 0);
    }
    assert_int_equal(unlink(other), 0);
    fixture_fini(&fixture);
    (void)sem_destroy(&go_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_restore_before_the_first_start),
        cmocka_unit_test(test_an_unfinished_load_is_taken_back),
        cmocka_unit_test(test_a_staged_file_that_cannot_be_read),
        cmocka_unit_test(test_staged_on_one_member_only),
        cmocka_unit_test(test_owner_of_a_staged_file),
        cmocka_unit_test(test_a_staged_file_beside_a_database),
        cmocka_unit_test(test_what_was_staged_when_one_is_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
