#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"

#define REQUEST_MAX 65536
#define CONNECTIONS_MAX 64

struct server {
    int listener;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    const struct exchange *script;
    size_t n, done;
    const char *key;
    char url[64];
    char problem[1024]; /* the first one */
    char keys[64][64];
};

static void complain(struct server *server, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct server *server, const char *fmt, ...)
{
    va_list args;

    if (server->problem[0] == '\0') {
        va_start(args, fmt);
        (void)vsnprintf(server->problem, sizeof(server->problem), fmt, args);
        va_end(args);
    }
}

/* The value of a header, up to the end of its line; false when it is not there. */
static bool find_header(const char *head, const char *name, char *value, size_t size)
{
    const char *at = strcasestr(head, name);
    size_t len;

    if (at == NULL || at[strlen(name)] != ':') {
        *value = '\0';
        return false;
    }
    at += strlen(name) + 1;
    at += strspn(at, " ");
    len = strcspn(at, "\r\n");
    (void)snprintf(value, size, "%.*s", (int)len, at);
    return true;
}

static size_t decode_part(const char *text, size_t len, unsigned char *data)
{
    char padded[2048];
    size_t n = 0;

    assert_true(len + 4 < sizeof(padded));
    for (; n < len; n++) {
        padded[n] = text[n] == '-' ? '+' : text[n] == '_' ? '/' : text[n];
    }
    while (n % 4 != 0) {
        padded[n++] = '=';
    }
    return (size_t)EVP_DecodeBlock(data, (unsigned char *)padded, (int)n) - (n - len);
}

static void decode_path(char *to, const char *from)
{
    for (; *from != '\0'; from++) {
        unsigned value;

        if (*from == '%' && sscanf(from + 1, "%2x", &value) == 1) {
            *to++ = (char)value;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* Checks as a server does, without the code under test. */
static void check_token(struct server *server, const char *method, const char *path, const char *value)
{
    const char *token = value + strlen("bearer "), *first = strchr(token, '.');
    const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
    unsigned char mac[64], sent[2048], digest[32];
    unsigned mac_len;
    char qsh[65], text[1024], decoded[512];
    json_t *claims;

    if (strncmp(value, "bearer ", 7) != 0 || second == NULL) {
        complain(server, "not a token: %s", value);
        return;
    }
    (void)HMAC(EVP_sha256(), server->key, (int)strlen(server->key), (const unsigned char *)token,
               (size_t)(second - token), mac, &mac_len);
    if (decode_part(second + 1, strlen(second + 1), sent) != mac_len || memcmp(sent, mac, mac_len) != 0) {
        complain(server, "wrong signature");
    }
    claims = json_loadb((char *)sent, decode_part(first + 1, (size_t)(second - first - 1), sent), 0, NULL);
    (void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(path, "?"), path); /* queries are not signed */
    decode_path(decoded, text);
    (void)snprintf(text, sizeof(text), "%s&%s", method, decoded);
    (void)EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof(digest); i++) {
        (void)snprintf(qsh + 2 * i, 3, "%02x", digest[i]);
    }
    if (strcmp(js_str(claims, "qsh"), qsh) != 0 || strcmp(js_str(claims, "iss"), "admin") != 0 ||
        js_int(claims, "exp") - js_int(claims, "iat") != 300) {
        complain(server, "wrong claims for %s", text);
    }
    json_decref(claims);
}

static void check_body(struct server *server, const struct exchange *want, const char *body)
{
    json_t *x = want->body != NULL ? json_loads(want->body, 0, NULL) : NULL;
    json_t *y = *body != '\0' ? json_loads(body, 0, NULL) : NULL;

    if ((want->body == NULL) != (*body == '\0') || (want->body != NULL && !json_equal(x, y))) {
        complain(server, "%s %s: body is '%s', expected '%s'", want->method, want->path, body,
                 want->body != NULL ? want->body : "");
    }
    json_decref(x);
    json_decref(y);
}

static void send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        text += n;
        len -= (size_t)n;
    }
}

/* Reads one request; its length, 0 when the client has closed the connection. */
static size_t read_request(int fd, char *data, char **ret_body)
{
    size_t len = 0, need = SIZE_MAX;

    *ret_body = NULL;
    while (len < need) {
        ssize_t n = recv(fd, data + len, REQUEST_MAX - 1 - len, 0);
        char value[32];

        if (n <= 0) {
            return 0;
        }
        len += (size_t)n;
        data[len] = '\0';
        if (*ret_body == NULL && (*ret_body = strstr(data, "\r\n\r\n")) != NULL) {
            **ret_body = '\0';
            *ret_body += 4;
            need = (size_t)(*ret_body - data);
            if (find_header(data, "Content-Length", value, sizeof(value))) {
                need += strtoul(value, NULL, 10);
            }
        }
    }
    return len;
}

/* Answers one request; false: the connection is to be closed. */
static bool answer_request(struct server *server, int fd, const char *head, const char *body)
{
    static const char unexpected[] = "HTTP/1.1 599 Unexpected\r\nContent-Length: 0\r\n\r\n";
    const struct exchange *want = &server->script[server->done];
    char method[16] = "", path[512] = "", value[2048];
    struct buf answer = BUF_INIT;

    (void)sscanf(head, "%15s %511s", method, path);
    if (server->done >= server->n || strcmp(want->method, method) != 0 || strcmp(want->path, path) != 0) {
        complain(server, "request %zu is %s %s, expected %s", server->done, method, path,
                 server->done < server->n ? want->path : "nothing");
        send_all(fd, unexpected, strlen(unexpected));
        return true;
    }
    if (find_header(head, "Authorization", value, sizeof(value)) != (server->key != NULL)) {
        complain(server, "%s %s: token where none is expected, or none where one is", method, path);
    } else if (server->key != NULL) {
        check_token(server, method, path, value);
    }
    (void)find_header(head, "Idempotency-Key", server->keys[server->done], sizeof(server->keys[0]));
    check_body(server, want, body);
    server->done++;
    if (want->status == 0) {
        return false;
    }
    buf_printf(&answer, "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\n%s\r\n%s", want->status,
               want->answer != NULL ? strlen(want->answer) : 0, want->headers != NULL ? want->headers : "",
               want->answer != NULL ? want->answer : "");
    send_all(fd, answer.data, answer.len);
    buf_fini(&answer);
    return true;
}

struct connection {
    struct server *server;
    int fd;
};

static void *serve_connection(void *user)
{
    struct connection *connection = user;
    struct server *server = connection->server;
    char *data = mem_alloc(REQUEST_MAX), *body;
    bool more = true;

    while (more && read_request(connection->fd, data, &body) > 0) {
        (void)pthread_mutex_lock(&server->lock);
        more = answer_request(server, connection->fd, data, body);
        (void)pthread_mutex_unlock(&server->lock);
    }
    (void)close(connection->fd);
    free(connection);
    free(data);
    return NULL;
}

static void *serve(void *user)
{
    struct server *server = user;
    pthread_t threads[CONNECTIONS_MAX];
    size_t n = 0;
    int fd;

    while (n < CONNECTIONS_MAX && (fd = accept(server->listener, NULL, NULL)) >= 0) {
        struct connection *connection = mem_alloc(sizeof(*connection));

        *connection = (struct connection){server, fd};
        if (pthread_create(&threads[n], NULL, serve_connection, connection) == 0) {
            n++;
        }
    }
    for (size_t i = 0; i < n; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return NULL;
}

static int listen_loopback(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

struct server *server_start(const struct exchange *script, size_t n, const char *key)
{
    struct server *server = mem_calloc(1, sizeof(*server));
    uint16_t port;

    assert_true(n <= sizeof(server->keys) / sizeof(server->keys[0]));
    server->script = script;
    server->n = n;
    server->key = key;
    (void)pthread_mutex_init(&server->lock, NULL);
    server->listener = listen_loopback(&port);
    assert_int_equal(listen(server->listener, 16), 0);
    (void)snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    return server;
}

const char *server_url(const struct server *server)
{
    return server->url;
}

const char *server_request_key(const struct server *server, size_t i)
{
    return server->keys[i];
}

void server_stop(struct server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    (void)close(server->listener);
    (void)pthread_mutex_destroy(&server->lock);
    if (server->problem[0] != '\0') {
        fail_msg("%s", server->problem);
    }
    if (server->done != server->n) {
        fail_msg("only %zu of %zu requests came", server->done, server->n);
    }
    free(server);
}

/* A port that is bound but not listened on refuses, and nobody else gets it. */
const char *refusing_url(void)
{
    static char url[64];
    uint16_t port;

    if (url[0] == '\0') {
        (void)listen_loopback(&port);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    }
    return url;
}

/* ---- running ---- */

static struct {
    const char *name, *value;
} variables[8];

void set_env(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        if (variables[i].name == NULL || strcmp(variables[i].name, name) == 0) {
            variables[i].name = name;
            variables[i].value = value;
            return;
        }
    }
    fail_msg("too many variables");
}

static const char *fake_env(const char *name)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        if (variables[i].name != NULL && strcmp(variables[i].name, name) == 0) {
            return variables[i].value;
        }
    }
    return NULL;
}

static void fake_sleep_ms(struct cli *cli, uint64_t ms)
{
    struct outcome *outcome = cli->user;

    outcome->slept_ms += ms;
    outcome->sleeps++;
}

static uint64_t fake_random(struct cli *cli)
{
    struct outcome *outcome = cli->user;

    return outcome->random++;
}

static uint32_t silence_ms;

void set_silence_ms(uint32_t ms)
{
    silence_ms = ms;
}

void run_cli(struct outcome *ret_outcome, const char *server, ...)
{
    char *argv[64] = {mem_strdup("/usr/bin/hecate")};
    size_t out_len, err_len;
    struct cli cli;
    va_list args;
    int argc = 1;
    const char *arg;

    set_env("HEKETI_CLI_SERVER", server);
    set_env("HEKETI_CLI_USER", server != NULL ? "admin" : NULL);
    set_env("HEKETI_CLI_KEY", server != NULL ? KEY : NULL);
    va_start(args, server);
    while ((arg = va_arg(args, const char *)) != NULL) {
        assert_true(argc < 63);
        argv[argc++] = mem_strdup(arg);
    }
    va_end(args);
    *ret_outcome = (struct outcome){.code = -1};
    cli_init(&cli);
    cli.env = fake_env;
    cli.sleep_ms = fake_sleep_ms;
    cli.random = fake_random;
    cli.user = ret_outcome;
    cli.silence_ms = silence_ms;
    cli.out = open_memstream(&ret_outcome->out, &out_len);
    cli.err = open_memstream(&ret_outcome->err, &err_len);
    ret_outcome->code = cli_run(&cli, argc, argv);
    (void)fclose(cli.out);
    (void)fclose(cli.err);
    cli_fini(&cli);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
}

void outcome_fini(struct outcome *outcome)
{
    free(outcome->out);
    free(outcome->err);
}

char *read_data(const char *name)
{
    char *path = mem_printf("tests/unit/cli/data/%s", name);
    struct buf text = BUF_INIT;
    FILE *file = fopen(path, "rb");
    int c;

    if (file == NULL) {
        fail_msg("%s cannot be read (tests run in the root of the repository)", path);
    }
    free(path);
    while ((c = fgetc(file)) != EOF) {
        buf_append_char(&text, (char)c);
    }
    (void)fclose(file);
    return buf_take(&text);
}
