/* Long answers: made and sent in pieces, of one moment, whatever happens and however slowly they are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/server_priv.h"
#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"

#define VOLUMES 2500 /* a list of them is longer than one piece, a dump much longer */
#define DEADLINE_MS 10000

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, false);
    fixture->members[0].config.send_timeout_ms = 1000;
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_lead(fixture, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static int ask(struct fixture *f, const char *path)
{
    CLEANUP(free_ptr) char *text = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    int fd = client_connect(api_server_port(f->members[0].server));

    client_send(f, fd, text, strlen(text));
    return fd;
}

/* Bytes of answers that are kept for clients. */
static bool has_works(const struct fixture *f)
{
    return f->members[0].server->n_works > 0;
}

static void wait_without_works(struct fixture *f)
{
    uint64_t deadline_ms = uv_hrtime() / 1000000 + DEADLINE_MS;

    while (has_works(f)) {
        fixture_run_once(f);
        assert_true(uv_hrtime() / 1000000 < deadline_ms);
    }
}

/* The ids of all volumes, as a list has them. */
static char *wanted_list(const struct fixture *f)
{
    const struct store_volume *volume = NULL;
    struct buf list = BUF_INIT;

    while ((volume = store_volume_next(f->store, volume)) != NULL) {
        if (id_is_none(volume->pending)) {
            buf_printf(&list, "%s\"%s\"", list.len > 0 ? "," : "", id_text(volume->id).text);
        }
    }
    return buf_take(&list);
}

static void delete_some(struct fixture *f)
{
    const struct store_volume *volume = store_volume_next(f->store, NULL);

    for (size_t i = 0; i < 50; i++) {
        CLEANUP(free_ptr) char *path = NULL;

        volume = store_volume_next(f->store, volume);
        path = mem_printf("/volumes/%s", id_text(volume->id).text);
        volume = store_volume_next(f->store, volume);
        expect(f, 0, "DELETE", path, NULL, 202, NULL);
    }
}

static void lists(void **state)
{
    struct fixture *f = *state;
    struct id cluster = fixture_add_volumes(f, VOLUMES);
    CLEANUP(free_ptr) char *list = wanted_list(f);
    CLEANUP(free_ptr) char *whole = mem_printf("{\"volumes\":[%s]}\n", list);
    CLEANUP(free_ptr) char *path = mem_printf("/clusters/%s", id_text(cluster).text);
    int small = 4096, slow;
    struct answer answer;

    expect(f, 0, "GET", "/volumes", NULL, 200, whole);
    expect(f, 1, "GET", "/volumes", NULL, 200, whole); /* through a follower */
    answer = client_do(f, 1, "GET", path, "", NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(buf_str(&answer.body), list));
    assert_non_null(strstr(buf_str(&answer.body), "],\"block\":true,\"file\":true,\"blockvolumes\":[]}\n"));
    answer_fini(&answer);
    slow = ask(f, "/volumes");
    assert_int_equal(setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    fixture_run_once(f);
    fixture_run_once(f);
    delete_some(f); /* and still it gets what there was */
    answer = client_read(f, slow, false);
    assert_string_equal(buf_str(&answer.body), whole);
    answer_fini(&answer);
    (void)close(slow);
}

static size_t members_of(const json_t *dump, const char *key)
{
    return json_object_size(json_object_get(dump, key));
}

static void dumps(void **state)
{
    struct fixture *f = *state;
    json_error_t error;

    (void)fixture_add_volumes(f, VOLUMES);
    for (size_t member = 0; member < 2; member++) {
        struct answer answer = client_do(f, member, "GET", "/db/dump", "", NULL);
        json_t *dump = json_loadb(answer.body.data, answer.body.len, 0, &error);

        assert_int_equal(answer.status, 200);
        assert_non_null(dump);
        assert_int_equal(members_of(dump, "clusterentries"), 1);
        assert_int_equal(members_of(dump, "volumeentries"), VOLUMES);
        assert_int_equal(members_of(dump, "brickentries"), 3 * VOLUMES);
        assert_int_equal(members_of(dump, "nodeentries"), 3);
        assert_int_equal(members_of(dump, "deviceentries"), 3);
        json_decref(dump);
        answer_fini(&answer);
    }
    wait_without_works(f);
}

static void backups(void **state)
{
    struct fixture *f = *state;
    struct store *copy = NULL;
    struct err err = ERR_INIT;
    struct answer answer;

    (void)fixture_add_volumes(f, VOLUMES);
    answer = client_do(f, 1, "GET", "/backup/db", "", NULL);
    assert_non_null(answer_header(&answer, "Content-Length"));
    assert_int_equal(store_snapshot_decode(answer.body.data, answer.body.len, &copy, &err), 0);
    assert_int_equal(store_counts(copy).volumes, VOLUMES);
    store_free(copy);
    answer_fini(&answer);
}

/* Who takes nothing is cut off, and costs two pieces until then; who goes away costs nothing any more. */
static void not_taken(void **state)
{
    struct fixture *f = *state;
    struct buf rest = BUF_INIT;
    uint64_t begin_ms;
    int deaf, gone;

    (void)fixture_add_volumes(f, 2 * VOLUMES); /* more than kernel buffers hold */
    deaf = ask(f, "/db/dump");
    gone = ask(f, "/db/dump");
    begin_ms = uv_hrtime() / 1000000;
    while (!has_works(f)) {
        fixture_run_once(f);
    }
    (void)close(gone);
    expect(f, 0, "GET", "/hello", NULL, 200, NULL);
    wait_without_works(f);
    assert_true(uv_hrtime() / 1000000 - begin_ms >= 900);
    client_read_end(f, deaf, &rest);
    assert_true(rest.len > 0);
    buf_fini(&rest);
    (void)close(deaf);
}

/* A server that ends does not wait for it. */
static void ends_meanwhile(void **state)
{
    struct fixture *f = *state;
    uint64_t begin_ms;
    int deaf;

    fixture_close(f, 0);
    f->members[0].config.send_timeout_ms = 0; /* the default */
    fixture_start(f, 0);
    fixture_lead(f, 0);
    (void)fixture_add_volumes(f, 2 * VOLUMES);
    deaf = ask(f, "/db/dump");
    while (!has_works(f)) {
        fixture_run_once(f);
    }
    begin_ms = uv_hrtime() / 1000000;
    fixture_close(f, 0);
    assert_true(uv_hrtime() / 1000000 - begin_ms < 3000);
    fixture_start(f, 0);
    (void)close(deaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(dumps, setup, teardown),
        cmocka_unit_test_setup_teardown(backups, setup, teardown),
        cmocka_unit_test_setup_teardown(not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_meanwhile, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
