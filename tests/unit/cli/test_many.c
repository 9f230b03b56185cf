/* Many objects: several requests in flight, answered in any order; the list keeps its order, what fails is asked for
 * again, and what is gone is left out. The server has a thread for each connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/buf.h"
#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"

#define VOLUMES 200
#define WINDOW 64 /* as the client has it; so is */
#define LANES 8
#define LIMIT_S 30
#define CONNECTIONS_MAX 64

struct many {
    int listener;
    char url[64];
    pthread_t acceptor, threads[CONNECTIONS_MAX];
    atomic_uint n_threads;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned waiting, widest; /* requests for volumes that are in flight; also long after one was lost */
    unsigned asked[VOLUMES];
    unsigned lose_first_of;   /* the first request for this volume gets no answer; 0: none */
    bool refuse_once;         /* the next time it is answered */
    int refuse_with;          /* 0; or the status that is answered for the volume lose_first_of */
    bool hold_first;          /* volume 0 is answered when WINDOW of them have been asked for */
    unsigned n_asked, n_held; /* without volume 0; when it was answered */
};

static struct many many;

static void answer(int fd, int status, const char *body)
{
    CLEANUP(free_ptr)
    char *text = mem_printf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
                            strlen(body), body);

    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Until others are in flight as well, or the last ones are left: answers come in another order than the requests. */
static void wait_for_company(unsigned number)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&many.lock);
    many.n_asked++;
    (void)pthread_cond_broadcast(&many.changed);
    many.waiting++;
    if (number > many.lose_first_of + 2 * LANES && many.waiting > many.widest) {
        many.widest = many.waiting;
    }
    (void)pthread_cond_broadcast(&many.changed);
    while (many.waiting < 4 && pthread_cond_timedwait(&many.changed, &many.lock, &until) == 0) {
    }
    many.waiting--;
    (void)pthread_mutex_unlock(&many.lock);
}

/* Volume 0 comes late: when so many have been asked for, and some time for more to be asked for has passed. */
static void hold(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    (void)pthread_mutex_lock(&many.lock);
    while (many.n_asked < WINDOW - 1 && pthread_cond_timedwait(&many.changed, &many.lock, &until) == 0) {
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    while (many.n_asked < WINDOW && pthread_cond_timedwait(&many.changed, &many.lock, &until) == 0) {
    }
    many.n_held = many.n_asked;
    (void)pthread_mutex_unlock(&many.lock);
}

/* false: the connection is cut without an answer. */
static bool answer_volume(int fd, unsigned number)
{
    CLEANUP(free_ptr) char *body = mem_printf("{\"id\":\"%032x\",\"cluster\":\"c\",\"name\":\"v%u\"}", number, number);
    bool first = many.asked[number]++ == 0;

    if (number == 0 && many.hold_first) {
        hold();
    } else {
        wait_for_company(number);
    }
    if (number == many.lose_first_of && number != 0) {
        if (many.refuse_with != 0 && (first || !many.refuse_once)) {
            answer(fd, many.refuse_with, "Id not found");
            return true;
        }
        if (first && many.refuse_with == 0) {
            return false;
        }
    }
    answer(fd, 200, body);
    return true;
}

static bool serve(int fd, const char *path)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    static const char volumes[] = "/volumes/";

    if (strncmp(path, volumes, strlen(volumes)) == 0) {
        return answer_volume(fd, (unsigned)strtoul(path + strlen(volumes), NULL, 16));
    }
    if (strncmp(path, "/clusters ", 10) == 0) {
        answer(fd, 200, "{\"clusters\":[\"c\"]}");
        return true;
    }
    buf_append_str(&body, "{\"id\":\"c\",\"nodes\":[],\"volumes\":[");
    for (unsigned i = 0; i < VOLUMES; i++) {
        buf_printf(&body, "%s\"%032x\"", i > 0 ? "," : "", i);
    }
    buf_append_str(&body, "]}");
    answer(fd, 200, buf_str(&body));
    return true;
}

static void *connection(void *user)
{
    int fd = (int)(intptr_t)user;
    char request[4096];
    size_t len = 0;
    bool goes_on = true;

    while (goes_on && len < sizeof(request) - 1) {
        ssize_t n = recv(fd, request + len, sizeof(request) - 1 - len, 0);

        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL) {
            goes_on = serve(fd, strchr(request, ' ') + 1);
            len = 0;
        }
    }
    (void)close(fd);
    return NULL;
}

static void *acceptor(void *user)
{
    int fd;

    (void)user;
    while ((fd = accept(many.listener, NULL, NULL)) >= 0 && many.n_threads < CONNECTIONS_MAX) {
        assert_int_equal(pthread_create(&many.threads[many.n_threads], NULL, connection, (void *)(intptr_t)fd), 0);
        many.n_threads++;
    }
    return NULL;
}

static int setup(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    (void)state;
    memset(&many, 0, sizeof(many));
    (void)pthread_mutex_init(&many.lock, NULL);
    (void)pthread_cond_init(&many.changed, NULL);
    many.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(many.listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(many.listener, 64), 0);
    assert_int_equal(getsockname(many.listener, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(many.url, sizeof(many.url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    return pthread_create(&many.acceptor, NULL, acceptor, NULL);
}

static int teardown(void **state)
{
    (void)state;
    (void)shutdown(many.listener, SHUT_RDWR); /* ends accept */
    (void)pthread_join(many.acceptor, NULL);
    for (unsigned i = 0; i < many.n_threads; i++) {
        (void)pthread_join(many.threads[i], NULL);
    }
    (void)close(many.listener);
    return 0;
}

static void expect_all_in_order(const char *text)
{
    for (unsigned i = 0; i < VOLUMES; i++) {
        CLEANUP(free_ptr) char *line = mem_printf("\tName: v%u\n", i);

        text = strstr(text, line);
        assert_non_null(text);
    }
    assert_null(strstr(text + 1, "\tName: "));
}

static void test_in_order(void **state)
{
    struct outcome outcome;

    (void)state;
    run_cli(&outcome, many.url, "topology", "info", NULL);
    assert_string_equal(outcome.err, "");
    assert_int_equal(outcome.code, 0);
    expect_all_in_order(outcome.out);
    for (unsigned i = 0; i < VOLUMES; i++) {
        assert_int_equal(many.asked[i], 1);
    }
    assert_true(many.widest >= 4 && many.widest <= 8);
    outcome_fini(&outcome);
}

static void test_lost_answer_is_asked_for_again(void **state)
{
    struct outcome outcome;

    (void)state;
    many.lose_first_of = 57;
    run_cli(&outcome, many.url, "topology", "info", NULL);
    assert_string_equal(outcome.err, "");
    expect_all_in_order(outcome.out);
    outcome_fini(&outcome);
}

/* One that fails is asked for again; the others go on side by side. */
static void test_failed_answer_is_asked_for_again(void **state)
{
    struct outcome outcome;

    (void)state;
    many.lose_first_of = 57;
    many.refuse_with = 500;
    many.refuse_once = true;
    run_cli(&outcome, many.url, "topology", "info", NULL);
    assert_string_equal(outcome.err, "");
    expect_all_in_order(outcome.out);
    assert_int_equal(many.asked[57], 2);
    assert_true(many.widest >= 4);
    outcome_fini(&outcome);
}

static void expect_all_but(const char *text, unsigned gone)
{
    for (unsigned i = 0; i < VOLUMES; i++) {
        CLEANUP(free_ptr) char *line = mem_printf("Name:v%u\n", i);
        const char *found = strstr(text, line);

        assert_true((found == NULL) == (i == gone));
        text = found != NULL ? found : text;
    }
}

/* A list is that of a moment: what was deleted since then is left out, and nothing is asked for twice. */
static void test_gone(void **state)
{
    struct outcome outcome;

    (void)state;
    many.lose_first_of = 57;
    many.refuse_with = 404;
    run_cli(&outcome, many.url, "volume", "list", NULL);
    assert_string_equal(outcome.err, "");
    assert_int_equal(outcome.code, 0);
    expect_all_but(outcome.out, 57);
    for (unsigned i = 0; i < VOLUMES; i++) {
        assert_int_equal(many.asked[i], 1);
    }
    outcome_fini(&outcome);
}

/* What has come is printed, in order, up to the first that cannot be had. */
static void test_failure(void **state)
{
    struct outcome outcome;

    (void)state;
    many.lose_first_of = 150;
    many.refuse_with = 500;
    run_cli(&outcome, many.url, "volume", "list", NULL);
    assert_string_equal(outcome.err, "Error: Id not found\n");
    assert_int_equal(outcome.code, 255);
    assert_non_null(strstr(outcome.out, "Name:v149\n"));
    assert_null(strstr(outcome.out, "Name:v151\n"));
    outcome_fini(&outcome);
}

/* One that comes late does not let all others pile up in memory. */
static void test_window(void **state)
{
    struct outcome outcome;

    (void)state;
    many.hold_first = true;
    run_cli(&outcome, many.url, "volume", "list", NULL);
    assert_string_equal(outcome.err, "");
    expect_all_but(outcome.out, UINT32_MAX);
    assert_int_equal(many.n_held, WINDOW - 1);
    outcome_fini(&outcome);
}

static void test_json(void **state)
{
    struct outcome outcome;
    json_t *document;

    (void)state;
    run_cli(&outcome, many.url, "topology", "info", "--json", NULL);
    assert_string_equal(outcome.err, "");
    document = json_loads(outcome.out, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(
        json_array_size(json_object_get(json_array_get(json_object_get(document, "clusters"), 0), "volumes")), VOLUMES);
    json_decref(document);
    outcome_fini(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_answer_is_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_answer_is_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
