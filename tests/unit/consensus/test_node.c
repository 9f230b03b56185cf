/* Three members in one process on loopback, with real disks, threads, sockets and mutual TLS. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/consensus.h"
#include "consensus/net.h"
#include "consensus/tell.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/consensus/turns.h"

#define N 3
#define STRANGER 9 /* the authority knows it, the cluster does not */

struct member {
    struct cons *cons;
    char dir[256];
    uint64_t applied, sum; /* how many commands, and a hash over them in order */
    uint64_t result;
    char failed[1024];
    char told[64]; /* what another one told last */
    uint64_t told_by;
    unsigned n_told;
    bool closed;
};

static struct member members[N];
static struct cons_peer peers[N];
static char folder[] = "/tmp/hecate-node-test.XXXXXX";
static char addresses[N][32], ca[400], certs[N][400], keys[N][400];
static uint64_t answered, answered_ok;

static const void *apply(void *user, uint64_t index, const void *data, size_t len)
{
    struct member *member = user;

    (void)index;
    for (size_t i = 0; i < len; i++) {
        member->sum = (member->sum ^ ((const uint8_t *)data)[i]) * UINT64_C(1099511628211);
    }
    member->result = ++member->applied;
    return &member->result;
}

struct handle {
    uint64_t applied, sum;
};

static int judge(const void *data, size_t len, struct err *reterr)
{
    return len >= 3 && memcmp(data, "bad", 3) == 0 ? err_set(reterr, E_DAMAGED, "bad") : 0;
}

static void *snapshot_take(void *user)
{
    struct member *member = user;
    struct handle *handle = mem_calloc(1, sizeof(*handle));

    *handle = (struct handle){member->applied, member->sum};
    return handle;
}

static void snapshot_encode(void *handle, uint8_t **ret_data, size_t *ret_len)
{
    *ret_data = mem_dup(handle, sizeof(struct handle));
    *ret_len = sizeof(struct handle);
}

static void snapshot_free(void *handle)
{
    free(handle);
}

static int snapshot_check(uint64_t index, const uint8_t *data, size_t len, struct err *reterr)
{
    (void)index;
    (void)data;
    return len == sizeof(struct handle) ? 0 : err_set(reterr, E_DAMAGED, "wrong length");
}

static int snapshot_judge(uint64_t index, const uint8_t *head, size_t len, uint64_t size_bytes, struct err *reterr)
{
    (void)size_bytes;
    return snapshot_check(index, head, len, reterr);
}

static int state_decode(uint64_t index, const uint8_t *data, size_t len, void **ret_state, struct err *reterr)
{
    (void)index;
    if (len != sizeof(struct handle)) {
        return err_set(reterr, E_DAMAGED, "wrong length");
    }
    *ret_state = mem_dup(data, len);
    return 0;
}

static void *state_adopt(void *user, void *state)
{
    struct member *member = user;
    const struct handle *handle = state;

    member->applied = handle->applied;
    member->sum = handle->sum;
    return state; /* to be freed */
}

static void changed(void *user)
{
    (void)user;
}

static void told(void *user, uint64_t member_id, const void *data, size_t len)
{
    struct member *member = user;

    assert_true(len < sizeof(member->told));
    memcpy(member->told, data, len);
    member->told[len] = '\0';
    member->told_by = member_id;
    member->n_told++;
}

static void failed(void *user, const char *message)
{
    struct member *member = user;

    (void)snprintf(member->failed, sizeof(member->failed), "%s", message);
}

static int start(int i, struct err *err)
{
    struct cons_config config = {.member_id = (uint64_t)i + 1,
                                 .data_dir = members[i].dir,
                                 .listen = addresses[i],
                                 .peers = peers,
                                 .n_peers = N,
                                 .tls_ca_file = ca,
                                 .tls_cert_file = certs[i],
                                 .tls_key_file = keys[i],
                                 .election_timeout_ms = 3000, /* three members share one loop and the machine: no */
                                 .lease_ms = 1500,            /* other leader only because it is busy for a moment */
                                 .heartbeat_ms = 50,
                                 .snapshot_threshold = 500};
    const struct cons_fsm fsm = {&members[i],     judge,          apply,         snapshot_take,
                                 snapshot_encode, snapshot_check, snapshot_free, snapshot_judge,
                                 state_decode,    free,           state_adopt};
    const struct cons_events events = {.user = &members[i], .changed = changed, .told = told, .failed = failed};

    members[i].applied = members[i].sum = 0;
    members[i].failed[0] = '\0';
    members[i].closed = false;
    (void)mkdir(members[i].dir, 0700); /* may be there */
    return cons_start(&turns_loop, &config, &fsm, &events, &members[i].cons, err);
}

static void must_start(int i)
{
    struct err err = ERR_INIT;

    if (start(i, &err) != 0) {
        fail_msg("member %d: %s", i, err.message);
    }
}

static void closed(void *user)
{
    struct member *member = user;

    member->closed = true;
    member->cons = NULL;
}

static int victim;

static bool is_closed(void)
{
    return members[victim].closed;
}

static void stop(int i)
{
    victim = i;
    cons_close(members[i].cons, closed, &members[i]);
    turns_until("closed", is_closed);
}

static int leader(void)
{
    for (int i = 0; i < N; i++) {
        if (members[i].cons != NULL && cons_serving(members[i].cons)) {
            return i;
        }
    }
    return -1;
}

static bool has_leader(void)
{
    return leader() >= 0;
}

static void on_answer(void *user, int status, uint64_t index, const void *result)
{
    (void)user;
    (void)index;
    answered++;
    if (status == 0) {
        assert_non_null(result);
        answered_ok++;
    }
}

static uint64_t wanted;

static bool all_answered(void)
{
    return answered >= wanted;
}

static void propose(uint64_t n)
{
    int at;

    turns_until("a leader", has_leader);
    at = leader(); /* its lease may lapse for a moment on a busy machine: it leads on */
    answered = answered_ok = 0;
    wanted = n;
    for (uint64_t i = 0; i < n; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "command %lu", (unsigned long)i);

        assert_int_equal(cons_propose(members[at].cons, text, (size_t)len, on_answer, NULL), 0);
    }
    turns_until("answers", all_answered);
    assert_int_equal(answered_ok, n);
}

static bool all_equal(void)
{
    const struct member *first = NULL;

    for (int i = 0; i < N; i++) {
        if (members[i].cons == NULL) {
            continue;
        }
        if (first == NULL) {
            first = &members[i];
        } else if (members[i].applied != first->applied || members[i].sum != first->sum) {
            return false;
        }
    }
    return first != NULL;
}

static uint64_t wall_clock_ms(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The id of the cluster begins with the time when it was formed: a later one is greater. */
static void expect_formed_since(uint64_t begin_ms)
{
    struct cons_status status;
    uint64_t formed_ms = 0;

    cons_get_status(members[0].cons, &status);
    for (size_t i = 0; i < 6; i++) {
        formed_ms = formed_ms << 8 | status.cluster_id.bytes[i];
    }
    assert_in_range(formed_ms, begin_ms, wall_clock_ms());
}

static void test_forms_and_commits(void **state)
{
    uint64_t begin_ms = wall_clock_ms();

    (void)state;
    for (int i = 0; i < N; i++) {
        must_start(i);
    }
    turns_until("a leader", has_leader);
    expect_formed_since(begin_ms);
    propose(1000);
    turns_until("equal states", all_equal);
    assert_int_equal(members[0].applied, 1000);
}

static bool others_are_told(void)
{
    return members[1].n_told > 0 && members[2].n_told > 0;
}

static void test_tell(void **state)
{
    (void)state;
    cons_tell(members[0].cons, "version 7", 9);
    turns_until("the others are told", others_are_told);
    for (int i = 1; i < N; i++) {
        assert_string_equal(members[i].told, "version 7");
        assert_int_equal(members[i].told_by, 1);
    }
    assert_int_equal(members[0].n_told, 0);     /* not itself */
    assert_int_equal(members[1].applied, 1000); /* and nothing of it is in the log */
}

/* ---- someone with a certificate, who says what it likes ---- */

static struct {
    struct net *net;
    bool connected, disconnected, closed;
} speaker;

static void speaker_connected(void *user, uint64_t peer)
{
    (void)user;
    (void)peer;
    speaker.connected = true;
}

static void speaker_disconnected(void *user, uint64_t peer)
{
    (void)user;
    (void)peer;
    speaker.disconnected = true;
}

static bool speaker_speaks(void *user, uint64_t peer)
{
    (void)user;
    (void)peer;
    return true;
}

static void speaker_incoming_closed(void *user, uint64_t peer)
{
    (void)user;
    (void)peer;
}

static bool speaker_frame(void *user, uint64_t peer, const uint8_t *frame, size_t len)
{
    (void)user;
    (void)peer;
    (void)frame;
    (void)len;
    return true;
}

static void speaker_closed(void *user)
{
    (void)user;
    speaker.closed = true;
}

static bool speaker_is_connected(void)
{
    return speaker.connected;
}

static bool speaker_is_disconnected(void)
{
    return speaker.disconnected;
}

static bool speaker_is_closed(void)
{
    return speaker.closed;
}

/* Tells member 1 this as the given member, and waits until it has been read: what follows ends the connection. */
static void tell_as(uint64_t id, const char *text)
{
    char cert[400], key[400], listen[] = "127.0.0.1:0";
    struct cons_peer to[] = {peers[0], {.id = id, .address = listen}};
    const struct cons_config config = {.member_id = id,
                                       .listen = listen,
                                       .peers = to,
                                       .n_peers = 2,
                                       .tls_ca_file = ca,
                                       .tls_cert_file = cert,
                                       .tls_key_file = key};
    const struct net_events events = {.connected = speaker_connected,
                                      .disconnected = speaker_disconnected,
                                      .closed = speaker_incoming_closed,
                                      .speaks = speaker_speaks,
                                      .frame = speaker_frame};
    struct cons_status status;
    struct buf frame = BUF_INIT, not_mine = BUF_INIT;
    struct err err = ERR_INIT;

    (void)snprintf(cert, sizeof(cert), "%s/pki/member-%lu.pem", folder, (unsigned long)id);
    (void)snprintf(key, sizeof(key), "%s/pki/member-%lu.key", folder, (unsigned long)id);
    memset(&speaker, 0, sizeof(speaker));
    if (net_start(&turns_loop, &config, &events, &speaker.net, &err) != 0) {
        fail_msg("%s", err.message);
    }
    turns_until("connected", speaker_is_connected);
    cons_get_status(members[0].cons, &status);
    tell_encode(id, status.cluster_id, text, strlen(text), &frame);
    tell_encode(id + 1, status.cluster_id, text, strlen(text), &not_mine); /* in another's name */
    net_send(speaker.net, 1, (uint8_t *)frame.data, frame.len);
    net_send(speaker.net, 1, (uint8_t *)not_mine.data, not_mine.len);
    net_flush(speaker.net);
    turns_until("disconnected", speaker_is_disconnected);
    net_close(speaker.net, speaker_closed, NULL);
    turns_until("closed", speaker_is_closed);
}

static void test_strangers_are_not_believed(void **state)
{
    unsigned before;

    (void)state;
    stop(1); /* another speaks in its place */
    before = members[0].n_told;
    tell_as(STRANGER, "I am new");
    assert_int_equal(members[0].n_told, before);
    tell_as(2, "I am back"); /* the same of a member is heard */
    assert_int_equal(members[0].n_told, before + 1);
    assert_string_equal(members[0].told, "I am back");
    assert_int_equal(members[0].told_by, 2);
    must_start(1);
    propose(10);
    turns_until("equal states", all_equal);
}

static void test_leader_lost(void **state)
{
    uint64_t before;
    int old;

    (void)state;
    turns_until("a leader", has_leader);
    old = leader();
    before = members[old].applied;
    stop(old);
    propose(1000);
    must_start(old);
    turns_until("equal states", all_equal);
    assert_int_equal(members[old].applied, before + 1000);
}

static void test_catches_up_by_snapshot(void **state)
{
    struct cons_status status;
    int late_one;

    (void)state;
    turns_until("a leader", has_leader);
    late_one = (leader() + 1) % N;
    stop(late_one);
    propose(5000); /* more than is kept behind a snapshot */
    must_start(late_one);
    turns_until("equal states", all_equal);
    cons_get_status(members[late_one].cons, &status);
    assert_true(status.snapshot_index > 2000);
}

/* What waits is bounded in bytes; a command that is too large is refused; a follower gets large ones by and by. */
static void test_large_commands(void **state)
{
    CLEANUP(free_ptr) uint8_t *data = mem_calloc(CONS_COMMAND_MAX + 1, 1);
    int at, late_one, rc;
    (void)state;
    turns_until("a leader", has_leader);
    late_one = ((at = leader()) + 1) % N;
    stop(late_one);
    assert_int_equal(cons_propose(members[at].cons, data, CONS_COMMAND_MAX + 1, on_answer, NULL), E_INVALID);
    assert_int_equal(cons_propose(members[at].cons, "bad command", 11, on_answer, NULL), E_INVALID);
    answered = answered_ok = wanted = 0;
    for (; (rc = cons_propose(members[at].cons, data, CONS_COMMAND_MAX, on_answer, NULL)) == 0; wanted++) {
        assert_true(wanted < 100);
    }
    assert_int_equal(rc, E_BUSY);
    turns_until("answers", all_answered);
    assert_int_equal(answered_ok, wanted);
    must_start(late_one);
    turns_until("equal states", all_equal);
}

static void test_restart_of_all(void **state)
{
    uint64_t applied, sum;

    (void)state;
    propose(10);
    turns_until("equal states", all_equal);
    applied = members[0].applied;
    sum = members[0].sum;
    for (int i = 0; i < N; i++) {
        stop(i);
    }
    for (int i = 0; i < N; i++) {
        must_start(i);
    }
    turns_until("a leader", has_leader);
    turns_until("equal states", all_equal);
    assert_int_equal(members[leader()].applied, applied);
    assert_int_equal(members[leader()].sum, sum);
}

static bool others_lead(void)
{
    return leader() >= 0 && leader() != victim;
}

static void test_transfer(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    turns_until("a leader", has_leader);
    victim = leader();
    assert_int_equal(cons_transfer(members[victim].cons, 0, &err), 0);
    turns_until("another leader", others_lead);
    propose(10);
}

static bool victim_failed(void)
{
    return members[victim].failed[0] != '\0';
}

static void test_wiped_member_is_refused(void **state)
{
    char command[600];

    (void)state;
    turns_until("a leader", has_leader);
    stop((leader() + 1) % N);
    (void)snprintf(command, sizeof(command), "%s.old", members[victim].dir);
    assert_int_equal(rename(members[victim].dir, command), 0);
    must_start(victim);
    turns_until("refused", victim_failed);
    assert_non_null(strstr(members[victim].failed, "hecate member replace"));
    stop(victim);
    propose(10);
}

static void test_directory_in_use(void **state)
{
    struct cons *kept = NULL;
    struct err err = ERR_INIT;
    int i;

    (void)state;
    turns_until("a leader", has_leader);
    i = leader();
    kept = members[i].cons;
    assert_int_equal(start(i, &err), E_BUSY);
    assert_non_null(strstr(err.message, "in use by another process"));
    members[i].cons = kept;
}

static void run_command(const char *const *argv)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int set_up(void **state)
{
    char pki[300];

    (void)state;
    log_set_level(LOG_NONE);
    if (mkdtemp(folder) == NULL || !turns_init()) {
        return -1;
    }
    (void)snprintf(pki, sizeof(pki), "%s/pki", folder);
    run_command((const char *const[]){"scripts/pki", pki, "1", "2", "3", "9", NULL});
    (void)snprintf(ca, sizeof(ca), "%s/ca.pem", pki);
    for (int i = 0; i < N; i++) {
        turns_free_address(addresses[i], sizeof(addresses[i]));
        (void)snprintf(members[i].dir, sizeof(members[i].dir), "%s/data-%d", folder, i + 1);
        (void)snprintf(certs[i], sizeof(certs[i]), "%s/member-%d.pem", pki, i + 1);
        (void)snprintf(keys[i], sizeof(keys[i]), "%s/member-%d.key", pki, i + 1);
        peers[i] = (struct cons_peer){.id = (uint64_t)i + 1, .address = addresses[i]};
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        if (members[i].cons != NULL) {
            stop(i);
        }
    }
    run_command((const char *const[]){"rm", "-r", folder, NULL});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_and_commits),
        cmocka_unit_test(test_tell),
        cmocka_unit_test(test_strangers_are_not_believed),
        cmocka_unit_test(test_leader_lost),
        cmocka_unit_test(test_catches_up_by_snapshot),
        cmocka_unit_test(test_large_commands),
        cmocka_unit_test(test_restart_of_all),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_wiped_member_is_refused),
        cmocka_unit_test(test_directory_in_use),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
