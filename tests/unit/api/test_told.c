/* A volume asked for without a name: that somebody was told of it is in the log before the answer leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "store/command.h"
#include "store/level.h"
#include "tests/unit/api/fixture.h"

#define CLAIM "{\"size\":1,\"gid\":2000,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}}"

static struct fixture fixture;
static struct fixture_member *leader;

static struct store_result apply(struct store_cmd *cmd)
{
    struct store_result result;

    store_apply(fixture.store, ++fixture.index, cmd, &result);
    store_cmd_fini(cmd);
    return result;
}

static int setup(void **state)
{
    struct store_cmd cmd;

    (void)state;
    fixture_init(&fixture, false);
    fixture_start(&fixture, 0);
    fixture_start(&fixture, 1);
    fixture_lead(&fixture, 0);
    leader = &fixture.members[0];
    make_topology(&fixture, 0);
    store_cmd_init(&cmd, STORE_CMD_LEVEL);
    cmd.settings.feature_level = STORE_LEVEL_TAKE_OVER;
    assert_int_equal(apply(&cmd).code, STORE_OK);
    leader->ends = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

/* Where its queue id is; the volume is made. */
static char *claim(void)
{
    struct answer answer = client_do(&fixture, 0, "POST", "/volumes", "", CLAIM);
    char *queue;

    assert_int_equal(answer.status, 202);
    queue = mem_strdup(answer_header(&answer, "Location"));
    answer_fini(&answer);
    return queue;
}

static const struct store_volume *volume_of(const char *queue)
{
    struct id id;

    assert_true(id_parse(queue + strlen("/queue/"), 32, &id));
    return store_volume(fixture.store, store_job(fixture.store, id)->resource_id);
}

static char *path_of(const struct store_volume *volume)
{
    return mem_printf("/volumes/%s", id_text(volume->id).text);
}

/* Sends it; nothing is answered yet. */
static int ask(const char *path)
{
    CLEANUP(free_ptr) char *text = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    unsigned submits = leader->submits;
    int fd = client_connect(api_server_port(leader->server));

    client_send(&fixture, fd, text, strlen(text));
    while (leader->submits == submits) {
        fixture_run_once(&fixture);
    }
    return fd;
}

static void expect_answer(int fd, int status, const char *location, const char *body)
{
    struct answer answer = client_read(&fixture, fd, false);

    assert_int_equal(answer.status, status);
    if (location != NULL) {
        assert_string_equal(answer_header(&answer, "Location"), location);
    }
    if (body != NULL) {
        assert_string_equal(buf_str(&answer.body), body);
    }
    answer_fini(&answer);
}

static void test_of_queue_id(void **state)
{
    CLEANUP(free_ptr) char *queue = claim(), *volume = path_of(volume_of(queue));
    unsigned submits = leader->submits;

    (void)state;
    assert_true(volume_of(queue)->untold);
    expect(&fixture, 0, "GET", queue, NULL, 303, NULL);
    assert_false(volume_of(queue)->untold);
    assert_int_equal(leader->submits, submits + 1);
    expect(&fixture, 1, "GET", queue, NULL, 303, NULL);
    expect(&fixture, 0, "GET", volume, NULL, 200, NULL);
    assert_int_equal(leader->submits, submits + 1);
}

/* Whoever has found it in a list may do with it what he likes. */
static void test_of_volume(void **state)
{
    CLEANUP(free_ptr) char *queue = claim(), *volume = path_of(volume_of(queue));

    (void)state;
    expect(&fixture, 0, "GET", "/volumes", NULL, 200, NULL);
    assert_true(volume_of(queue)->untold);
    expect(&fixture, 1, "GET", volume, NULL, 200, NULL);
    assert_false(volume_of(queue)->untold);
}

static void test_before_the_answer(void **state)
{
    CLEANUP(free_ptr) char *queue = claim(), *volume = path_of(volume_of(queue));
    int fds[2];

    (void)state;
    leader->mode = FIXTURE_HOLD;
    fds[0] = ask(queue);
    fds[1] = ask(volume);
    assert_int_equal(leader->n_held, 2);
    assert_true(volume_of(queue)->untold);
    fixture_release(leader);
    expect_answer(fds[0], 303, volume, NULL);
    expect_answer(fds[1], 200, NULL, NULL);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* A repetition comes between the question and the log. */
static void test_taken_over_meanwhile(void **state)
{
    CLEANUP(free_ptr) char *queue = claim(), *next = NULL;
    struct store_cmd cmd;
    int fd;

    (void)state;
    leader->mode = FIXTURE_HOLD;
    fd = ask(queue);
    store_cmd_init(&cmd, STORE_CMD_TAKE_OVER);
    cmd.target = volume_of(queue)->id;
    cmd.fingerprint = volume_of(queue)->fingerprint;
    cmd.base = volume_of(queue)->created_by;
    cmd.op_id = (struct id){{7}};
    next = mem_printf("/queue/%s", id_text(cmd.op_id).text);
    assert_int_equal(apply(&cmd).code, STORE_OK);
    fixture_release(leader);
    expect_answer(fd, 500, NULL, STORE_TEXT_TAKEN_OVER "\n");
    (void)close(fd);
    expect(&fixture, 0, "GET", queue, NULL, 500, STORE_TEXT_TAKEN_OVER "\n");
    expect(&fixture, 0, "GET", next, NULL, 303, NULL);
}

/* While it is being made both ids are answered by what is known of it. */
static void test_taken_over_while_it_is_made(void **state)
{
    CLEANUP(free_ptr) char *queue = NULL, *next = NULL;
    const struct store_operation *op;
    struct store_cmd cmd;
    struct id id;

    (void)state;
    leader->ends = false;
    queue = claim();
    assert_true(id_parse(queue + strlen("/queue/"), 32, &id));
    op = store_operation(fixture.store, id);
    store_cmd_init(&cmd, STORE_CMD_TAKE_OVER);
    cmd.target = op->target;
    cmd.fingerprint = store_volume(fixture.store, op->target)->fingerprint;
    cmd.base = id;
    cmd.op_id = (struct id){{7}};
    next = mem_printf("/queue/%s", id_text(cmd.op_id).text);
    assert_int_equal(apply(&cmd).code, STORE_OK);
    expect(&fixture, 0, "GET", queue, NULL, 500, STORE_TEXT_TAKEN_OVER "\n");
    expect(&fixture, 0, "GET", next, NULL, 200, "");
}

/* The log does not take it at once, or nobody knows whether it has: the client waits. */
static void test_trouble(void **state)
{
    static const enum fixture_submit modes[] = {FIXTURE_UNTOUCHED, FIXTURE_IN_DOUBT};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        CLEANUP(free_ptr) char *queue = claim();

        leader->mode = modes[i];
        leader->once = true;
        expect(&fixture, 0, "GET", queue, NULL, 303, NULL);
        assert_false(volume_of(queue)->untold);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_of_queue_id),
        T(test_of_volume),
        T(test_before_the_answer),
        T(test_taken_over_meanwhile),
        T(test_taken_over_while_it_is_made),
        T(test_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
