#include "tests/unit/daemon/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/base/log.h"
#include "store/base/mem.h"
#include "tests/unit/ports.h"

#define DEADLINE_MS 30000

/* ---- life ---- */

static void make_config(struct fixture *fixture, size_t at, const unsigned *ports)
{
    CLEANUP(free_ptr)
    char *text = mem_printf("{\"port\":\"%u\",\"jwt\":{\"admin\":{\"key\":\"a\"},\"user\":{\"key\":\"u\"}},"
                            "\"glusterfs\":{\"executor\":\"mock\",\"mock\":{\"device_size_gb\":100}},"
                            "\"cluster\":{\"member_id\":%zu,\"plain\":true,\"data_dir\":\"%s/data-%zu\","
                            /* long: on a busy machine a lease that lapses between two calls would look like a fault */
                            "\"election_timeout_ms\":1500,\"lease_ms\":750,\"heartbeat_ms\":100,"
                            "\"snapshot_entries\":16,\"initial_peers\":["
                            "{\"id\":1,\"peer\":\"127.0.0.1:%u\",\"api\":\"127.0.0.1:%u\"},"
                            "{\"id\":2,\"peer\":\"127.0.0.1:%u\",\"api\":\"127.0.0.1:%u\"},"
                            "{\"id\":3,\"peer\":\"127.0.0.1:%u\",\"api\":\"127.0.0.1:%u\"}]}}",
                            ports[2 * at + 1], at + 1, fixture->folder, at + 1, ports[0], ports[1], ports[2], ports[3],
                            ports[4], ports[5]);
    struct cfg_warnings warnings;
    struct err err = ERR_INIT;

    if (cfg_parse(text, strlen(text), "fixture", &fixture->cfgs[at], &warnings, &err) != 0) {
        fail_msg("%s", err.message);
    }
    cfg_warnings_fini(&warnings);
}

static void timed_out(uv_timer_t *timer)
{
    ((struct fixture *)timer->data)->late = true;
}

void fixture_init(struct fixture *fixture)
{
    unsigned ports[2 * FIXTURE_MEMBERS];

    memset(fixture, 0, sizeof(*fixture));
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_NONE);
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/hecate-member-test.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    ports_free(ports, sizeof(ports) / sizeof(*ports));
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        make_config(fixture, i, ports);
    }
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(uv_timer_init(&fixture->loop, &fixture->deadline), 0);
    fixture->deadline.data = fixture;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

void fixture_fini(struct fixture *fixture)
{
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        if (fixture->members[i] != NULL) {
            fixture_stop(fixture, i);
        }
        cfg_fini(&fixture->cfgs[i]);
    }
    uv_close((uv_handle_t *)&fixture->deadline, NULL);
    (void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0); /* nothing was left open */
    assert_int_equal(nftw(fixture->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void fixture_until(struct fixture *fixture, const char *what, bool (*condition)(struct fixture *fixture, void *user),
                   void *user)
{
    fixture->late = false;
    assert_int_equal(uv_timer_start(&fixture->deadline, timed_out, DEADLINE_MS, 0), 0);
    while (!condition(fixture, user)) {
        if (fixture->late) {
            fail_msg("not within %d ms: %s", DEADLINE_MS, what);
        }
        (void)uv_run(&fixture->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&fixture->deadline);
}

/* ---- members ---- */

static void failed(void *user, const char *message, bool lasting)
{
    (void)lasting;
    (void)snprintf(user, sizeof(((struct fixture *)NULL)->failed[0]), "%s", message);
}

int fixture_try_start(struct fixture *fixture, size_t at, struct err *reterr)
{
    assert_null(fixture->members[at]);
    return member_start(&fixture->loop, &fixture->cfgs[at], NULL, failed, fixture->failed[at], &fixture->members[at],
                        reterr);
}

void fixture_start(struct fixture *fixture, size_t at)
{
    struct err err = ERR_INIT;

    if (fixture_try_start(fixture, at, &err) != 0) {
        fail_msg("member %zu: %s", at + 1, err.message);
    }
}

static void closed(void *user)
{
    *(bool *)user = true;
}

static bool is_set(struct fixture *fixture, void *user)
{
    (void)fixture;
    return *(bool *)user;
}

void fixture_stop(struct fixture *fixture, size_t at)
{
    bool done = false;

    member_stop(fixture->members[at], closed, &done);
    member_stop(fixture->members[at], NULL, NULL); /* the second time is nothing */
    fixture_until(fixture, "the member has stopped", is_set, &done);
    fixture->members[at] = NULL;
}

static struct member *find_leader(struct fixture *fixture)
{
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        if (fixture->members[i] != NULL && member_serving(fixture->members[i]) &&
            fixture->members[i]->driver_term != 0) {
            return fixture->members[i];
        }
    }
    return NULL;
}

static bool leads(struct fixture *fixture, void *user)
{
    (void)user;
    return find_leader(fixture) != NULL;
}

struct member *fixture_leader(struct fixture *fixture)
{
    fixture_until(fixture, "a leader", leads, NULL);
    return find_leader(fixture);
}

struct member *fixture_follower(struct fixture *fixture)
{
    struct member *leader = fixture_leader(fixture);

    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        if (fixture->members[i] != NULL && fixture->members[i] != leader) {
            return fixture->members[i];
        }
    }
    fail_msg("there is no follower");
    return NULL;
}

/* ---- requests ---- */

static void submitted(void *user, const struct api_submit_result *result)
{
    struct answer *answer = user;

    assert_false(answer->came); /* exactly once */
    answer->came = true;
    answer->kind = result->kind;
    answer->code = result->code;
    answer->id = result->id;
    answer->op_id = result->op_id;
    answer->untouched = result->untouched;
    (void)snprintf(answer->text, sizeof(answer->text), "%s", result->text);
}

static bool has_come(struct fixture *fixture, void *user)
{
    (void)fixture;
    return ((struct answer *)user)->came;
}

struct answer fixture_submit(struct fixture *fixture, struct member *member, const struct store_request *request)
{
    struct answer answer = {.came = false};

    backend_submit(member, request, submitted, &answer);
    fixture_until(fixture, "an answer", has_come, &answer);
    return answer;
}

struct job_wait {
    struct member *member;
    struct id op_id;
};

static bool has_ended(struct fixture *fixture, void *user)
{
    const struct job_wait *wait = user;

    (void)fixture;
    return store_job(wait->member->store, wait->op_id) != NULL;
}

const struct store_job *fixture_finish(struct fixture *fixture, struct member *member, struct id op_id)
{
    struct job_wait wait = {member, op_id};

    fixture_until(fixture, "the end of an operation", has_ended, &wait);
    return store_job(member->store, op_id);
}

void fixture_load_topology(struct fixture *fixture)
{
    struct member *leader = fixture_leader(fixture);
    struct store_request request;
    struct answer answer;

    store_request_init(&request, STORE_REQ_CLUSTER_CREATE);
    request.file = request.block = true;
    answer = fixture_submit(fixture, leader, &request);
    store_request_fini(&request);
    assert_int_equal(answer.kind, API_DONE);
    fixture->cluster = answer.id;
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        CLEANUP(free_ptr) char *host = mem_printf("192.0.2.%zu", i + 1);

        store_request_init(&request, STORE_REQ_NODE_ADD);
        request.cluster = fixture->cluster;
        request.zone = (uint32_t)i + 1;
        store_strs_add(&request.manage, host);
        store_strs_add(&request.storage, host);
        answer = fixture_submit(fixture, leader, &request);
        store_request_fini(&request);
        assert_int_equal(answer.kind, API_ACCEPTED);
        fixture->nodes[i] = fixture_finish(fixture, leader, answer.op_id)->resource_id;
        store_request_init(&request, STORE_REQ_DEVICE_ADD);
        request.node = fixture->nodes[i];
        free(request.device_name);
        request.device_name = mem_strdup("/dev/sdb");
        answer = fixture_submit(fixture, leader, &request);
        store_request_fini(&request);
        assert_int_equal(answer.kind, API_ACCEPTED);
        assert_false(fixture_finish(fixture, leader, answer.op_id)->failed);
    }
}

struct answer fixture_create(struct fixture *fixture, const char *name, uint32_t size_gib)
{
    struct store_request request;
    struct answer answer;

    store_request_init(&request, STORE_REQ_VOLUME_CREATE);
    free(request.volume.name);
    request.volume.name = mem_strdup(name);
    request.volume.size_gib = size_gib;
    request.volume.durability = STORE_REPLICATE;
    request.volume.replica = 3;
    answer = fixture_submit(fixture, fixture_leader(fixture), &request);
    store_request_fini(&request);
    return answer;
}
