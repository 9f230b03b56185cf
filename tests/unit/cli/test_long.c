/* Answers that are long, or long in the making: whom they are asked of, and where they go. Two members, each with a
 * thread for each connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"

#define CONNECTIONS_MAX 64
#define SILENCE_MS 100
#define LIMIT_S 30
#define LARGE_BYTES ((size_t)80 << 20)

enum manner {
    PROMPT,   /* answers at once */
    AT_WORK,  /* answers when it was asked twice for a sign of life */
    HUNG,     /* never answers, and gives no sign of life either */
    LARGE,    /* answers with much */
    CUT_ONCE, /* cuts the first answer off */
};

struct member {
    int listener;
    pthread_t acceptor, threads[CONNECTIONS_MAX];
    unsigned n_threads;
    unsigned number;
    enum manner manner;
    unsigned asked, signs; /* under the lock */
};

static struct {
    struct member members[2];
    char urls[128];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ends;
} two;

static void say(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

static void head(int fd, size_t len)
{
    CLEANUP(free_ptr) char *text = mem_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);

    say(fd, text, strlen(text));
}

static void answer(int fd, const struct member *member)
{
    CLEANUP(free_ptr) char *text = mem_printf("member %u", member->number);

    head(fd, strlen(text));
    say(fd, text, strlen(text));
}

static void answer_large(int fd)
{
    static char piece[1 << 20];

    head(fd, LARGE_BYTES);
    for (size_t sent = 0; sent < LARGE_BYTES; sent += sizeof(piece)) {
        say(fd, piece, sizeof(piece));
    }
}

/* Until so many signs were asked for, or the test ends. */
static void wait_for_signs(struct member *member, unsigned n)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    (void)pthread_mutex_lock(&two.lock);
    while (member->signs < n && !two.ends && pthread_cond_timedwait(&two.changed, &two.lock, &until) == 0) {
    }
    (void)pthread_mutex_unlock(&two.lock);
}

static unsigned count(unsigned *counter)
{
    unsigned before;

    (void)pthread_mutex_lock(&two.lock);
    before = (*counter)++;
    (void)pthread_cond_broadcast(&two.changed);
    (void)pthread_mutex_unlock(&two.lock);
    return before;
}

/* false: the connection is closed. */
static bool serve(int fd, struct member *member, const char *path)
{
    unsigned before;

    if (strncmp(path, "/hello ", 7) == 0) {
        (void)count(&member->signs);
        if (member->manner == HUNG) {
            return false;
        }
        answer(fd, member);
        return true;
    }
    before = count(&member->asked);
    if (member->manner == AT_WORK) {
        wait_for_signs(member, 2);
    } else if (member->manner == HUNG) {
        wait_for_signs(member, UINT32_MAX);
        return false;
    } else if (member->manner == LARGE) {
        answer_large(fd);
        return true;
    } else if (member->manner == CUT_ONCE && before == 0) {
        head(fd, 100);
        say(fd, "some of it", 10);
        return false;
    }
    answer(fd, member);
    return true;
}

struct connection {
    int fd;
    struct member *member;
};

static void *connection(void *user)
{
    struct connection *connection = user;
    char request[4096];
    size_t len = 0;
    bool goes_on = true;

    while (goes_on && len < sizeof(request) - 1) {
        ssize_t n = recv(connection->fd, request + len, sizeof(request) - 1 - len, 0);

        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL) {
            goes_on = serve(connection->fd, connection->member, strchr(request, ' ') + 1);
            len = 0;
        }
    }
    (void)close(connection->fd);
    free(connection);
    return NULL;
}

static void *acceptor(void *user)
{
    struct member *member = user;
    int fd;

    while ((fd = accept(member->listener, NULL, NULL)) >= 0 && member->n_threads < CONNECTIONS_MAX) {
        struct connection *new = mem_alloc(sizeof(*new));

        *new = (struct connection){fd, member};
        assert_int_equal(pthread_create(&member->threads[member->n_threads], NULL, connection, new), 0);
        member->n_threads++;
    }
    return NULL;
}

static int setup(void **state)
{
    uint16_t ports[2];

    (void)state;
    memset(&two, 0, sizeof(two));
    (void)pthread_mutex_init(&two.lock, NULL);
    (void)pthread_cond_init(&two.changed, NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct member *member = &two.members[i];
        socklen_t len = sizeof(address);

        member->number = i + 1;
        member->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(member->listener, (struct sockaddr *)&address, len), 0);
        assert_int_equal(listen(member->listener, 64), 0);
        assert_int_equal(getsockname(member->listener, (struct sockaddr *)&address, &len), 0);
        ports[i] = ntohs(address.sin_port);
        assert_int_equal(pthread_create(&member->acceptor, NULL, acceptor, member), 0);
    }
    (void)snprintf(two.urls, sizeof(two.urls), "http://127.0.0.1:%u,http://127.0.0.1:%u", ports[0], ports[1]);
    set_silence_ms(SILENCE_MS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)pthread_mutex_lock(&two.lock);
    two.ends = true;
    (void)pthread_cond_broadcast(&two.changed);
    (void)pthread_mutex_unlock(&two.lock);
    for (unsigned i = 0; i < 2; i++) {
        struct member *member = &two.members[i];

        (void)shutdown(member->listener, SHUT_RDWR); /* ends accept */
        (void)pthread_join(member->acceptor, NULL);
        for (unsigned j = 0; j < member->n_threads; j++) {
            (void)pthread_join(member->threads[j], NULL);
        }
        (void)close(member->listener);
    }
    set_silence_ms(0);
    return 0;
}

/* A member that is at work is waited for: at another one all of it would begin again. */
static void test_waits_for_work(void **state)
{
    static const char *const words[][4] = {{"db", "check"}, {"db", "dump"}, {"server", "state", "examine", "gluster"}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct outcome outcome;

        two.members[0].manner = AT_WORK;
        two.members[0].signs = 0;
        run_cli(&outcome, two.urls, words[i][0], words[i][1], words[i][2], words[i][3], NULL);
        assert_string_equal(outcome.err, "");
        assert_string_equal(outcome.out, "member 1");
        assert_int_equal(two.members[0].asked, i + 1);
        assert_int_equal(two.members[1].asked, 0);
        outcome_fini(&outcome);
    }
}

static void test_leaves_hung_member(void **state)
{
    struct outcome outcome;

    (void)state;
    two.members[0].manner = HUNG;
    run_cli(&outcome, two.urls, "db", "check", NULL);
    assert_string_equal(outcome.err, "");
    assert_string_equal(outcome.out, "member 2");
    assert_int_equal(two.members[0].asked, 1);
    outcome_fini(&outcome);
}

/* What does not take long is not waited for: no sign is asked for. */
static void test_short_ones(void **state)
{
    struct outcome outcome;

    (void)state;
    two.members[0].manner = two.members[1].manner = HUNG;
    run_cli(&outcome, two.urls, "loglevel", "get", NULL);
    assert_non_null(strstr(outcome.err, "the server has been silent for "));
    assert_int_equal(two.members[0].signs, 0);
    outcome_fini(&outcome);
}

static char *new_folder(char *folder)
{
    assert_non_null(mkdtemp(folder));
    return mem_printf("%s/backup", folder);
}

/* However long: it is not kept in memory. */
static void test_large(void **state)
{
    char folder[] = "/tmp/hecate-long.XXXXXX";
    CLEANUP(free_ptr) char *path = new_folder(folder);
    struct outcome outcome;
    struct stat stat_;

    (void)state;
    two.members[0].manner = LARGE;
    run_cli(&outcome, two.urls, "db", "backup", path, NULL);
    assert_string_equal(outcome.err, "");
    assert_int_equal(stat(path, &stat_), 0);
    assert_int_equal(stat_.st_size, LARGE_BYTES);
    outcome_fini(&outcome);
    run_cli(&outcome, two.urls, "loglevel", "get", NULL);
    assert_non_null(strstr(outcome.err, "the answer is longer than 64 MiB"));
    assert_int_equal(two.members[1].asked, 0);
    outcome_fini(&outcome);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* A file is begun anew, at the next member; what is printed is printed. */
static void test_broken_off(void **state)
{
    char folder[] = "/tmp/hecate-long.XXXXXX";
    CLEANUP(free_ptr) char *path = new_folder(folder);
    struct outcome outcome;
    struct stat stat_;

    (void)state;
    two.members[0].manner = two.members[1].manner = CUT_ONCE;
    run_cli(&outcome, two.urls, "db", "backup", path, NULL);
    assert_string_equal(outcome.err, "");
    assert_int_equal(stat(path, &stat_), 0);
    assert_int_equal(stat_.st_size, strlen("member 1"));
    outcome_fini(&outcome);
    assert_int_equal(two.members[0].asked, 2); /* each of them broke off once */
    two.members[0].asked = 0;
    run_cli(&outcome, two.urls, "db", "dump", NULL);
    assert_non_null(strstr(outcome.err, "/db/dump\": broken off after 10 bytes: "));
    assert_null(strstr(outcome.err, "no server answers"));
    assert_string_equal(outcome.out, "some of it");
    assert_int_equal(outcome.code, 255);
    outcome_fini(&outcome);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waits_for_work, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves_hung_member, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_off, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
