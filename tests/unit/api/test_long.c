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

static int ask_of(struct fixture *f, size_t member, const char *path)
{
    CLEANUP(free_ptr) char *text = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    int fd = client_connect(api_server_port(f->members[member].server));

    client_send(f, fd, text, strlen(text));
    return fd;
}

static int ask(struct fixture *f, const char *path)
{
    return ask_of(f, 0, path);
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

/* What h2o has of the answer's body. */
static size_t made_of(const struct fixture *f)
{
    const struct api_request *request = TAILQ_FIRST(&f->members[0].server->requests);

    return request != NULL ? request->req->bytes_sent : 0;
}

/* No turn of the loop makes more of an answer than one piece of 64 KiB and what is begun with it. */
static void comes_in_pieces(struct fixture *f, const char *path)
{
    uint64_t deadline_ms = uv_hrtime() / 1000000 + DEADLINE_MS;
    int fd = ask(f, path);
    size_t last = 0;

    while (last == 0 || !TAILQ_EMPTY(&f->members[0].server->requests)) {
        char data[65536];
        size_t made;

        fixture_run_once(f);
        made = made_of(f);
        assert_true(made < last + 65536 + 16384);
        last = made > 0 ? made : last;
        while (recv(fd, data, sizeof(data), MSG_DONTWAIT) > 0) {
        }
        assert_true(uv_hrtime() / 1000000 < deadline_ms);
    }
    assert_true(last > 65536); /* it was long */
    (void)close(fd);
}

/* Lists of block volumes, wherever they are. */
static void block_lists(void **state)
{
    struct fixture *f = *state;
    struct id hosting = fixture_add_blocks(f, 3 * VOLUMES);
    const struct store_volume *volume = store_volume(f->store, hosting);
    CLEANUP(free_ptr) char *cluster = mem_printf("/clusters/%s", id_text(volume->cluster).text);
    CLEANUP(free_ptr) char *info = mem_printf("/volumes/%s", id_text(hosting).text);
    const char *const paths[] = {"/blockvolumes", cluster, info};
    const struct store_block_volume *block = NULL;
    CLEANUP(buf_fini) struct buf list = BUF_INIT;

    while ((block = store_block_volume_next(f->store, block)) != NULL) {
        buf_printf(&list, "%s\"%s\"", list.len > 0 ? "," : "", id_text(block->id).text);
    }
    buf_append_char(&list, ']');
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct answer answer = client_do(f, 0, "GET", paths[i], "", NULL);

        assert_int_equal(answer.status, 200);
        assert_non_null(strstr(buf_str(&answer.body), buf_str(&list)));
        answer_fini(&answer);
        comes_in_pieces(f, paths[i]);
    }
}

static size_t bricks_in(const struct buf *text, const char *path)
{
    json_error_t error;
    json_t *json = json_loadb(text->data, text->len, 0, &error);
    const json_t *devices = json_object_get(json, "devices");
    size_t n;

    assert_non_null(json);
    assert_true((devices != NULL) == (strncmp(path, "/nodes/", 7) == 0));
    n = json_array_size(json_object_get(devices != NULL ? json_array_get(devices, 0) : json, "bricks"));
    json_decref(json);
    return n;
}

static size_t bricks_on(const struct fixture *f, const struct store_device *device)
{
    const struct store_brick *brick = NULL;
    size_t n = 0;

    while ((brick = store_device_brick_next(f->store, device->id, brick)) != NULL) {
        n++;
    }
    return n;
}

/* A node, and a device, of many bricks: through a follower too, and as it was, whatever comes while it is taken. */
static void bricks(void **state)
{
    struct fixture *f = *state;
    const struct store_device *device;

    (void)fixture_add_volumes(f, VOLUMES);
    device = store_device_next(f->store, NULL);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(free_ptr)
        char *path =
            mem_printf("/%s/%s", i == 0 ? "nodes" : "devices", id_text(i == 0 ? device->node : device->id).text);
        struct answer whole = client_do(f, 0, "GET", path, "", NULL), other = client_do(f, 1, "GET", path, "", NULL);
        int slow = ask(f, path);
        size_t n;

        assert_int_equal(bricks_in(&whole.body, path), bricks_on(f, device));
        assert_string_equal(buf_str(&other.body), buf_str(&whole.body));
        answer_fini(&other);
        for (size_t turns = 0; TAILQ_EMPTY(&f->members[0].server->requests) ||
                               TAILQ_FIRST(&f->members[0].server->requests)->pieces == NULL;
             turns++) {
            assert_true(turns < DEADLINE_MS);
            fixture_run_once(f);
        }
        n = bricks_on(f, device);
        f->members[0].ends = true;
        delete_some(f);
        assert_true(bricks_on(f, device) < n);
        other = client_read(f, slow, false);
        assert_string_equal(buf_str(&other.body), buf_str(&whole.body));
        answer_fini(&other);
        answer_fini(&whole);
        (void)close(slow);
    }
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

#define run_until(f, condition)                                      \
    do {                                                             \
        uint64_t deadline_ms_ = uv_hrtime() / 1000000 + DEADLINE_MS; \
        while (!(condition)) {                                       \
            fixture_run_once(f);                                     \
            assert_true(uv_hrtime() / 1000000 < deadline_ms_);       \
        }                                                            \
    } while (0)

static const char examine_path[] = "/internal/state/examine/gluster";

/* The nodes are not examined for a client that has gone, also when a follower was asked. */
static void left(void **state)
{
    struct fixture *f = *state;
    struct fixture_member *leader = &f->members[0];

    leader->holds_examine = true;
    for (unsigned i = 0; i < 2; i++) {
        int fd = ask_of(f, i, examine_path);

        run_until(f, leader->examine_cb != NULL);
        (void)close(fd);
        run_until(f, leader->n_forgotten == i + 1);
        run_until(f, TAILQ_EMPTY(&f->members[i].server->requests));
        wait_without_works(f);
    }
    assert_int_equal(leader->n_examined, 2);
}

/* Started anew, with patience for clients that take nothing. */
static void be_patient(struct fixture *f, unsigned request_timeout_ms)
{
    fixture_close(f, 0);
    f->members[0].config.send_timeout_ms = 60000;
    f->members[0].config.request_timeout_ms = request_timeout_ms;
    fixture_start(f, 0);
    fixture_lead(f, 0);
    f->members[0].server->deaf_ms = 60000;
    (void)fixture_add_volumes(f, 2 * VOLUMES);
}

/* Two places are taken by clients that take nothing. */
static void take_places(struct fixture *f, int fds[2])
{
    const struct api_server *server;

    be_patient(f, 300);
    fds[0] = ask(f, "/db/dump");
    fds[1] = ask(f, "/db/dump");
    server = f->members[0].server;
    run_until(f, server->n_threaded == 2);
}

/* Why there is no answer is told, and it is not for want of a leader. */
static void crowded(void **state)
{
    struct fixture *f = *state;
    int deaf[2];

    take_places(f, deaf);
    for (size_t member = 0; member < 2; member++) {
        struct answer answer = client_do(f, member, "GET", "/backup/db", "", NULL);

        assert_int_equal(answer.status, 503);
        assert_non_null(strstr(buf_str(&answer.body), "\"other long answers are being made; try again later; "));
        answer_fini(&answer);
    }
    (void)close(deaf[0]);
    (void)close(deaf[1]);
    expect(f, 0, "GET", "/hello", NULL, 200, NULL);
    wait_without_works(f);
}

static struct api_request *crowded_after(const struct fixture *f, struct api_request *first)
{
    struct api_request *request =
        first != NULL ? TAILQ_NEXT(first, link) : TAILQ_FIRST(&f->members[0].server->requests);

    while (request != NULL && !(request->state == API_WAITING && request->crowded)) {
        request = TAILQ_NEXT(request, link);
    }
    return request;
}

/* A newcomer that finds a place free does not take it before those that have waited. */
static void first_come(void **state)
{
    struct fixture *f = *state;
    const struct api_server *server;
    struct api_request *first;
    int deaf[2], fds[2];

    take_places(f, deaf);
    server = f->members[0].server;
    f->members[0].server->config.request_timeout_ms = 60000;
    fds[0] = ask(f, "/backup/db");
    run_until(f, crowded_after(f, NULL) != NULL);
    first = crowded_after(f, NULL);
    first->not_before_ms = UINT64_MAX; /* it does not look */
    (void)close(deaf[0]);
    run_until(f, server->n_threaded == 1);
    fds[1] = ask(f, "/backup/db");
    run_until(f, crowded_after(f, first) != NULL);
    assert_int_equal(server->n_threaded, 1);
    first->not_before_ms = 0;
    for (size_t i = 0; i < 2; i++) {
        struct answer answer = client_read(f, fds[i], false);

        assert_int_equal(answer.status, 200);
        answer_fini(&answer);
        (void)close(fds[i]);
    }
    (void)close(deaf[1]);
    expect(f, 0, "GET", "/hello", NULL, 200, NULL);
    wait_without_works(f);
}

/* An examination takes no place while nodes are asked; then it waits for one. */
static void examined_in_a_crowd(void **state)
{
    struct fixture *f = *state;
    struct fixture_member *leader = &f->members[0];
    int deaf[2], fds[2];
    struct answer answer;

    leader->holds_examine = true;
    for (size_t i = 0; i < 2; i++) {
        fds[i] = ask(f, examine_path);
        run_until(f, leader->n_examined == i + 1);
    }
    expect(f, 0, "GET", "/db/check", NULL, 200, NULL);
    for (size_t i = 0; i < 2; i++) {
        (void)close(fds[i]);
    }
    run_until(f, leader->n_forgotten == 2);
    take_places(f, deaf);
    fds[0] = ask(f, examine_path);
    run_until(f, leader->n_examined == 3);
    leader->examine_cb(leader->examine_user, 200, mem_strdup("{\"report\":[]}"));
    for (size_t i = 0; i < 10; i++) {
        fixture_run_once(f);
        assert_int_equal(f->members[0].server->n_threaded, 2);
    }
    (void)close(deaf[0]);
    answer = client_read(f, fds[0], false);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(buf_str(&answer.body), "\"report\": []"));
    answer_fini(&answer);
    (void)close(fds[0]);
    (void)close(deaf[1]);
    expect(f, 0, "GET", "/hello", NULL, 200, NULL);
    wait_without_works(f);
}

/* What was found under an earlier leader is not joined with a dump that is no leader's. */
static void examined_by_no_leader(void **state)
{
    struct fixture *f = *state;
    struct fixture_member *leader = &f->members[0];
    struct answer answer;
    int fd;

    leader->holds_examine = true;
    fd = ask(f, examine_path);
    run_until(f, leader->n_examined == 1);
    fixture_lead(f, 1);
    leader->examine_cb(leader->examine_user, 200, mem_strdup("{\"report\":[\"old\"]}"));
    answer = client_read(f, fd, false);
    assert_int_equal(answer.status, 200);
    assert_int_equal(f->members[1].n_examined, 1);
    assert_null(strstr(buf_str(&answer.body), "old"));
    answer_fini(&answer);
    (void)close(fd);
}

static size_t n_slow(const struct fixture *f)
{
    const struct api_request *request;
    size_t n = 0;

    TAILQ_FOREACH (request, &f->members[0].server->requests, link) {
        n += api_slow_is(request);
    }
    return n;
}

/* Who takes next to nothing keeps a place as long as nobody else wants it. */
static void slow_ones_give_way(void **state)
{
    struct fixture *f = *state;
    const struct api_server *server;
    struct answer answer;
    int deaf[2];

    take_places(f, deaf);
    server = f->members[0].server;
    f->members[0].server->slow_ms = 100;
    run_until(f, n_slow(f) == 2);
    assert_int_equal(server->n_threaded, 2);
    answer = client_do(f, 0, "GET", "/backup/db", "", NULL);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    assert_int_equal(n_slow(f), 1); /* one was enough */
    (void)close(deaf[0]);
    (void)close(deaf[1]);
    expect(f, 0, "GET", "/hello", NULL, 200, NULL);
    wait_without_works(f);
}

static size_t n_from(const struct api_server *server, uint8_t host)
{
    const struct api_conn *conn;
    size_t n = 0;

    TAILQ_FOREACH (conn, &server->conns, link) {
        n += conn->source->address.s6_addr[15] == host;
    }
    return n;
}

/* From 127.0.0.host, as if it were not this host's own address. */
static int ask_from(struct fixture *f, uint8_t host, const char *path)
{
    struct api_server *server = f->members[0].server;
    CLEANUP(free_ptr) char *request = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    int fd = client_connect_from(api_server_port(server), host);
    size_t n = n_from(server, host);
    struct api_source *source;

    run_until(f, n_from(server, host) > n);
    TAILQ_FOREACH (source, &server->sources, link) {
        source->local = false;
    }
    client_send(f, fd, request, strlen(request));
    return fd;
}

/* Nobody takes all places, neither by asking twice nor by asking first. */
static void an_address_has_a_share(void **state)
{
    struct fixture *f = *state;
    const struct api_server *server;
    struct answer answer;
    int fds[3];

    be_patient(f, 60000);
    server = f->members[0].server;
    fds[0] = ask_from(f, 2, "/db/dump");
    run_until(f, server->n_threaded == 1);
    fds[1] = ask_from(f, 2, "/db/dump");
    run_until(f, crowded_after(f, NULL) != NULL);
    assert_int_equal(server->n_threaded, 1);
    fds[2] = ask_from(f, 3, "/backup/db");
    answer = client_read(f, fds[2], false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    assert_non_null(crowded_after(f, NULL));
    (void)close(fds[0]);
    answer = client_read(f, fds[1], false); /* its turn */
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    (void)close(fds[1]);
    (void)close(fds[2]);
    wait_without_works(f);
}

/* Of whom takes slowly the one gives way that keeps the newcomer out: of his own address when it has its share. */
static void a_slow_one_of_its_own_gives_way(void **state)
{
    struct fixture *f = *state;
    struct api_server *server;
    CLEANUP(buf_fini) struct buf cut = BUF_INIT;
    struct answer answer;
    int fds[3];

    be_patient(f, 60000);
    server = f->members[0].server;
    server->slow_ms = 100;
    fds[0] = ask_from(f, 3, "/db/dump");
    fds[1] = ask_from(f, 2, "/db/dump");
    run_until(f, n_slow(f) == 2);
    fds[2] = ask_from(f, 2, "/backup/db");
    answer = client_read(f, fds[2], false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    assert_int_equal(n_slow(f), 1);
    client_read_end(f, fds[1], &cut);       /* that one, */
    answer = client_read(f, fds[0], false); /* not this one */
    assert_int_equal(answer.status, 200);
    assert_false(answer.closed);
    answer_fini(&answer);
    for (size_t i = 0; i < 3; i++) {
        (void)close(fds[i]);
    }
    wait_without_works(f);
}

static bool copies(const struct fixture *f)
{
    return !TAILQ_EMPTY(&f->members[0].server->copies);
}

/* A large body is copied for the backend in turns of the loop, and lies in one place from the beginning. */
static void imported(void **state)
{
    static const char head[] = "POST /db/import HTTP/1.1\r\nHost: x\r\nContent-Length: 7340032\r\n\r\n";
    size_t len = (size_t)7 << 20;
    CLEANUP(free_ptr) char *body = mem_calloc(1, len);
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        int fd = client_connect(api_server_port(f->members[0].server));
        size_t turns = 0;
        struct answer answer;

        client_send(f, fd, head, strlen(head));
        client_send(f, fd, body, len / 2);
        run_until(f, f->members[0].server->bulky != NULL);
        assert_true(f->members[0].server->bulky->sock->input->capacity > len);
        client_send(f, fd, body, len - len / 2);
        run_until(f, copies(f));
        if (i == 1) { /* it is given up meanwhile */
            struct api_request *request = TAILQ_FIRST(&f->members[0].server->requests);

            api_work_forget(request);
            api_answer_unavailable(request, 503, "given up");
            assert_false(copies(f));
        }
        for (; copies(f); turns++) {
            fixture_run_once(f);
        }
        answer = client_read(f, fd, false);
        assert_int_equal(answer.status, i == 0 ? 200 : 503);
        assert_in_range(turns, i == 0 ? 3 : 0, 100);
        answer_fini(&answer);
        (void)close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bricks, setup, teardown),
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(block_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(dumps, setup, teardown),
        cmocka_unit_test_setup_teardown(imported, setup, teardown),
        cmocka_unit_test_setup_teardown(backups, setup, teardown),
        cmocka_unit_test_setup_teardown(not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(left, setup, teardown),
        cmocka_unit_test_setup_teardown(crowded, setup, teardown),
        cmocka_unit_test_setup_teardown(first_come, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_ones_give_way, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_has_a_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_one_of_its_own_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(examined_in_a_crowd, setup, teardown),
        cmocka_unit_test_setup_teardown(examined_by_no_leader, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
