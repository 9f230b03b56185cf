/* Many objects: several requests in flight, answered in any order; the list keeps its order, and what fails is asked
 * for again. The server has a thread for each connection. */
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
#define CONNECTIONS_MAX 64

struct many {
    int listener;
    char url[64];
    pthread_t acceptor, threads[CONNECTIONS_MAX];
    atomic_uint n_threads;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned waiting, widest; /* requests for volumes that are in flight */
    unsigned asked[VOLUMES];
    unsigned lose_first_of; /* the first request for this volume gets no answer; 0: none */
    bool forget;            /* the volume lose_first_of is unknown */
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
static void wait_for_company(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&many.lock);
    many.waiting++;
    many.widest = many.waiting > many.widest ? many.waiting : many.widest;
    (void)pthread_cond_broadcast(&many.changed);
    while (many.waiting < 4 && pthread_cond_timedwait(&many.changed, &many.lock, &until) == 0) {
    }
    many.waiting--;
    (void)pthread_mutex_unlock(&many.lock);
}

/* false: the connection is cut without an answer. */
static bool answer_volume(int fd, unsigned number)
{
    CLEANUP(free_ptr) char *body = mem_printf("{\"id\":\"%032x\",\"cluster\":\"c\",\"name\":\"v%u\"}", number, number);
    bool first = many.asked[number]++ == 0;

    wait_for_company();
    if (number == many.lose_first_of && number != 0) {
        if (many.forget) {
            answer(fd, 404, "Id not found");
            return true;
        }
        if (first) {
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

/* As one after the other: the error of the first that fails, and nothing on standard output. */
static void test_failure(void **state)
{
    struct outcome outcome;

    (void)state;
    many.lose_first_of = 57;
    many.forget = true;
    run_cli(&outcome, many.url, "topology", "info", NULL);
    assert_string_equal(outcome.err, "Error: Id not found\n");
    assert_string_equal(outcome.out, "");
    assert_int_equal(outcome.code, 255);
    outcome_fini(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_answer_is_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
