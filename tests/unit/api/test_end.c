/* TLS between members, and the end of a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"
#include "tests/unit/api/peer.h"

static int setup(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));

    fixture_init(fixture, false);
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

static void restart(struct fixture *f, size_t member, uint32_t request_timeout_ms)
{
    fixture_close(f, member);
    f->members[member].config.request_timeout_ms = request_timeout_ms;
    fixture_start(f, member);
}

static int start_request(struct fixture *f, size_t member, const char *text)
{
    int fd = client_connect(api_server_port(f->members[member].server));

    client_send(f, fd, text, strlen(text));
    return fd;
}

static void finish_request(struct fixture *f, int fd, int status, const char *part)
{
    struct answer answer = client_read(f, fd, false);

    if (answer.status != status || (part != NULL && strstr(buf_str(&answer.body), part) == NULL)) {
        fail_msg("%d %s", answer.status, buf_str(&answer.body));
    }
    answer_fini(&answer);
    close(fd);
}

static void over_tls(void **state)
{
    struct fixture *f = *state;
    char *dir = peer_certificates();
    char *other = peer_certificates();
    CLEANUP(free_ptr) char *cert = mem_printf("%s/api.crt", dir);
    CLEANUP(free_ptr) char *key = mem_printf("%s/api.key", dir);
    CLEANUP(free_ptr) char *ca = mem_printf("%s/ca.crt", dir);
    CLEANUP(free_ptr) char *wrong_ca = mem_printf("%s/ca.crt", other);

    fixture_close(f, 0);
    fixture_close(f, 1);
    f->members[0].config.tls = true;
    f->members[0].config.cert_file = cert;
    f->members[0].config.key_file = key;
    f->members[0].config.forward_ca_file = ca;
    f->members[1].config.forward_ca_file = ca;
    fixture_start(f, 0);
    fixture_start(f, 1);
    expect(f, 1, "POST", "/clusters", "{}", 201, NULL);
    expect(f, 1, "GET", "/volumes", NULL, 200, "{\"volumes\":[]}\n");
    fixture_add_clusters(f, 5000);
    expect(f, 1, "GET", "/clusters", NULL, 200, NULL);
    f->members[1].config.forward_ca_file = wrong_ca;
    restart(f, 1, 300);
    expect(f, 1, "POST", "/clusters", "{}", 503, NULL); /* never sent to somebody unknown */
    assert_int_equal(store_counts(f->store).clusters, 5001);
    peer_certificates_remove(dir);
    peer_certificates_remove(other);
}

/* Closing answers what runs, also what still comes on a connection that was open. */
static void closes_gracefully(void **state)
{
    static const char request[] = "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    struct fixture *f = *state;
    struct fixture_member *member = &f->members[0];
    struct answer answer;
    int fds[8], idle;

    idle = start_request(f, 0, "GET /hello HTTP/1.1\r\n\r\n");
    answer = client_read(f, idle, false);
    answer_fini(&answer);
    member->mode = FIXTURE_HOLD;
    for (size_t i = 0; i < 8; i++) {
        fds[i] = start_request(f, 0, request);
    }
    while (member->n_held < 8) {
        fixture_run_once(f);
    }
    /* on the idle connection a request is under way in the moment of the close */
    assert_int_equal(send(idle, "GET /hello HTTP/1.1\r\n\r\n", 23, MSG_NOSIGNAL), 23);
    fixture_close_begin(f, 0);
    for (int i = 0; i < 5; i++) {
        fixture_run_once(f);
    }
    fixture_release(member);
    for (size_t i = 0; i < 8; i++) {
        answer = client_read(f, fds[i], false);
        assert_int_equal(answer.status, 201);
        assert_string_equal(answer_header(&answer, "Connection"), "close");
        answer_fini(&answer);
        close(fds[i]);
    }
    answer = client_read(f, idle, false);
    assert_int_equal(answer.status, 200);
    answer_fini(&answer);
    close(idle);
    fixture_close_end(f, 0);
    assert_int_equal(store_counts(f->store).clusters, 8);
}

/* A client between two requests does not lose the next one: it is answered and told that it was the last. */
static void idle_client_is_told(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    int fds[2];

    for (int i = 0; i < 2; i++) {
        fds[i] = start_request(f, 0, "GET /hello HTTP/1.1\r\n\r\n");
        answer = client_read(f, fds[i], false);
        assert_string_equal(answer_header(&answer, "Connection"), "keep-alive");
        answer_fini(&answer);
    }
    fixture_close_begin(f, 0);
    for (int i = 0; i < 10; i++) {
        fixture_run_once(f);
    }
    client_send(f, fds[0], "GET /clusters HTTP/1.1\r\n\r\n", 26);
    answer = client_read(f, fds[0], false);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    answer_fini(&answer);
    fixture_close_end(f, 0); /* also with the one that stays idle */
    close(fds[0]);
    close(fds[1]);
}

/* A request that can be given to nobody any more does not hold up the end. */
static void closes_without_a_leader(void **state)
{
    struct fixture *f = *state;
    int fd, held;

    f->members[0].mode = FIXTURE_HOLD;
    held = start_request(f, 0, "POST /clusters HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    while (f->members[0].n_held == 0) {
        fixture_run_once(f);
    }
    fixture_lead(f, -1);
    fd = start_request(f, 0, "GET /clusters HTTP/1.1\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        fixture_run_once(f);
    }
    fixture_close_begin(f, 0);
    finish_request(f, fd, 503, "unavailable");
    fixture_close_end(f, 0); /* the held submit fires into the closed server in fixture_fini */
    close(held);
}

/* A document that takes long is not waited for: who asked is told so, before his connection would be cut. */
static void long_work_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct fixture_member *member = &f->members[0];
    int fd;

    member->holds_examine = true;
    fd = start_request(f, 0, "GET /internal/state/examine/gluster HTTP/1.1\r\nHost: x\r\n\r\n");
    while (member->examine_cb == NULL) {
        fixture_run_once(f);
    }
    fixture_close_begin(f, 0);
    finish_request(f, fd, 503, "this member is stopping");
    assert_int_equal(member->n_forgotten, 1);
    fixture_close_end(f, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(over_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(closes_gracefully, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_client_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(long_work_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(closes_without_a_leader, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
