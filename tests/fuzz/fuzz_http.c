/* Whole conversations with a real server, on up to four connections at once. Bytes go to the present connection as they
 * are; F0 to F3 change to another one, F4 ends one's own direction, F5 resets, F6 reads, F7 lets the server run. What a
 * client may do: anything. What must come of it: no report, no loop without end, every connection ends, and another
 * client is answered. First byte odd: tokens are needed. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server_priv.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"

#define CONNS 4
#define TURNS_MAX 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    uv_loop_t loop;
    struct store *store;
    uint64_t index, drawn;
    struct api_server *servers[2];
};

/* ---- a backend that does at once what it is asked for ---- */

static bool serving(void *user)
{
    (void)user;
    return true;
}

static bool leader(void *user, struct api_leader *ret_leader)
{
    (void)user;
    (void)ret_leader;
    return false;
}

static const struct store *store_of(void *user)
{
    return ((struct world *)user)->store;
}

static void draw(void *user, void *data, size_t len)
{
    struct world *world = user;
    uint64_t n = ++world->drawn * UINT64_C(0x9e3779b97f4a7c15);

    memset(data, 0x5a, len);
    memcpy(data, &n, len < sizeof(n) ? len : sizeof(n));
}

static enum store_code plan(void *user, const struct store_request *request, struct store_reasons *reasons,
                            struct store_cmd *ret_cmd, struct store_result *ret_result)
{
    struct world *world = user;
    struct store_plan_env env;

    store_plan_env_init(&env);
    env.user = world;
    env.random = draw;
    env.now_ms = 1700000000000;
    env.reasons = reasons;
    return store_plan(world->store, request, &env, ret_cmd, ret_result);
}

static void submit(void *user, const struct store_request *request, api_submit_cb cb, void *cb_user)
{
    struct world *world = user;
    struct store_result result;
    struct store_cmd cmd;
    enum store_code code = plan(world, request, NULL, &cmd, &result);

    if (code == STORE_OK) {
        store_apply(world->store, ++world->index, &cmd, &result);
        store_cmd_fini(&cmd);
        code = result.code;
    }
    cb(cb_user, &(struct api_submit_result){
                    .kind = code != STORE_OK && code != STORE_REPEATED ? API_REFUSED
                            : id_is_none(result.op_id)                 ? API_DONE
                                                                       : API_ACCEPTED,
                    .id = result.id,
                    .op_id = result.op_id,
                    .code = code,
                    .text = result.text,
                });
}

static json_t *status(void *user)
{
    (void)user;
    return json_pack("{s:s}", "health", "ok");
}

static json_t *steps(void *user, struct id op_id, size_t max, size_t *ret_n)
{
    (void)user;
    (void)op_id;
    (void)max;
    *ret_n = 1;
    return json_array();
}

static void metrics(void *user, struct buf *buf)
{
    (void)user;
    buf_append_str(buf, "x 1\n");
}

static struct id generation(void *user)
{
    (void)user;
    return (struct id){{[0] = 1}};
}

static const char *blocked(void *user)
{
    (void)user;
    return NULL;
}

static void examine(void *user, api_text_cb cb, void *cb_user)
{
    (void)user;
    cb(cb_user, 200, mem_strdup("{\"report\":[],\"clusters\":null}"));
}

static void examine_forget(void *user, void *cb_user)
{
    (void)user; /* it has been answered */
    (void)cb_user;
}

static void import(void *user, char *dump, size_t len, api_document_cb cb, void *cb_user)
{
    json_t *document = json_pack("{s:I}", "len", (json_int_t)len);

    (void)user;
    free(dump);
    cb(cb_user, 200, document);
    json_decref(document);
}

static void admin(void *user, enum api_admin what, uint64_t member, const json_t *body, api_document_cb cb,
                  void *cb_user)
{
    json_t *document = json_pack("{s:I}", "what", (json_int_t)what);

    (void)user;
    (void)member;
    (void)body;
    cb(cb_user, 200, document);
    json_decref(document);
}

/* ---- the server ---- */

static void start(struct world *world, size_t i)
{
    const struct api_backend backend = {
        .user = world,
        .serving = serving,
        .leader = leader,
        .store = store_of,
        .submit = submit,
        .plan = plan,
        .status = status,
        .operation_steps = steps,
        .metrics = metrics,
        .generation = generation,
        .blocked = blocked,
        .examine = examine,
        .examine_forget = examine_forget,
        .import = import,
        .admin = admin,
    };
    const struct api_config config = {
        .listen_host = "127.0.0.1",
        .auth = i == 1,
        .admin_key = "admin",
        .user_key = "user",
        .brick_min_kib = STORE_KIB_PER_GIB,
        .body_max_bytes = 1 << 16,
        .import_max_bytes = 1 << 17,
        .connections_max = 16,
        .request_timeout_ms = 1000,
        .member_id = 1,
    };
    struct err err = ERR_INIT;

    CHECK(api_server_start(&world->loop, &config, &backend, &world->servers[i], &err) == 0);
}

static struct world *world_new(void)
{
    struct world *world = mem_calloc(1, sizeof(*world));

    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_NONE);
    CHECK(uv_loop_init(&world->loop) == 0);
    world->store = store_new();
    start(world, 0);
    start(world, 1);
    return world;
}

static int connect_to(const struct api_server *server)
{
    static uint32_t n; /* each connection from an address of its own: ports would not suffice */
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl((UINT32_C(127) << 24) + 2 + n++ % 0xfffff0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    address.sin_port = htons(api_server_port(server));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EISCONN) {
        CHECK_MSG(errno == EINTR || errno == EALREADY, "connect: %s", strerror(errno)); /* the fuzzer's alarm */
    }
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static void turn(struct world *world)
{
    (void)uv_run(&world->loop, UV_RUN_NOWAIT);
}

static void take(int fd)
{
    char data[65536];

    while (fd >= 0 && recv(fd, data, sizeof(data), 0) > 0) {
    }
}

/* ---- a conversation ---- */

static void end(int *fd, bool reset)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (*fd >= 0) {
        if (reset) {
            (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        (void)close(*fd);
    }
    *fd = -1;
}

static void play(struct world *world, const struct api_server *server, const uint8_t *data, size_t size)
{
    int fds[CONNS] = {-1, -1, -1, -1};
    size_t now = 0;

    for (size_t at = 0; at < size;) {
        size_t len = 0;

        while (at + len < size && (data[at + len] < 0xf0 || data[at + len] > 0xf7)) {
            len++;
        }
        if (fds[now] < 0) {
            fds[now] = connect_to(server);
        }
        if (len > 0) {
            (void)send(fds[now], data + at, len, 0);
            turn(world);
        }
        at += len;
        if (at == size) {
            break;
        }
        if (data[at] < 0xf0 + CONNS) {
            now = data[at] - 0xf0u;
        } else if (data[at] == 0xf4) {
            (void)shutdown(fds[now], SHUT_WR);
        } else if (data[at] == 0xf5) {
            end(&fds[now], true);
        } else if (data[at] == 0xf6) {
            take(fds[now]);
        }
        turn(world);
        at++;
    }
    for (size_t i = 0; i < CONNS; i++) {
        turn(world);
        take(fds[i]);
        end(&fds[i], i % 2 == 1);
    }
}

/* Another client is answered. */
static void check_alive(struct world *world, const struct api_server *server)
{
    static const char request[] = "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n";
    int fd = connect_to(server);
    char got[16];
    ssize_t n = 0;

    CHECK(send(fd, request, strlen(request), 0) == (ssize_t)strlen(request));
    for (size_t i = 0; n <= 0; i++) {
        CHECK(i < TURNS_MAX);
        turn(world);
        n = recv(fd, got, sizeof(got), 0);
    }
    CHECK(n == sizeof(got) && memcmp(got, "HTTP/1.1 200 OK\r\n", sizeof(got)) == 0);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *world;
    struct api_server *server;

    if (size == 0) {
        return 0;
    }
    world = world != NULL ? world : world_new();
    server = world->servers[data[0] & 1];
    play(world, server, data + 1, size - 1);
    check_alive(world, server);
    for (size_t i = 0; server->n_conns > 0 || server->n_works > 0; i++) {
        CHECK(i < TURNS_MAX);                        /* all clients are gone */
        api_server_event(server, 0, "leader", "{}"); /* which listeners notice when something is told */
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
    CHECK(TAILQ_EMPTY(&server->requests) && TAILQ_EMPTY(&server->pieces));
    if (store_counts(world->store).clusters > 100) { /* each input finds about the same */
        store_free(world->store);
        world->store = store_new();
    }
    return 0;
}
