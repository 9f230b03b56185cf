/* One exchange over libcurl: settings, URL, token, headers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/http_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define DEFAULT_SERVER "http://localhost:8080"
#define CONNECT_TIMEOUT_MS 5000
#define TIMEOUT_MS 120000        /* Heketi asks storage nodes while a request waits */
#define TIMEOUT_SEVERAL_MS 20000 /* Hecate answers within 10 s; then another member is asked */
#define ANSWER_MAX (64U << 20)
#define CERT_MAX (1U << 20)

/* ---- settings ---- */

static const char *setting(struct cli *cli, const char *flag, const char *variable, const char *preset)
{
    const char *value = flag_string(cli, flag);

    if (*value == '\0') {
        value = cli->env(variable);
    }
    return value != NULL && *value != '\0' ? value : preset;
}

/* Calls fn with each part of a list with commas. */
static int each_part(struct cli *cli, const char *list, int (*fn)(struct cli *cli, const char *part))
{
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        CLEANUP(free_ptr) char *part = mem_strndup(list, len);

        if (len > 0 && fn(cli, part) != 0) {
            return -1;
        }
        list += len + (list[len] == ',');
    }
    return 0;
}

static int add_server(struct cli *cli, const char *server)
{
    struct http *http = cli->http;
    size_t len = strlen(server);

    while (len > 0 && server[len - 1] == '/') {
        len--;
    }
    http->servers = mem_realloc_array(http->servers, http->n_servers + 1, sizeof(*http->servers));
    http->servers[http->n_servers++] = mem_strndup(server, len);
    return 0;
}

/* As the original tells it: what is no URL with a scheme cannot be asked. */
static int check_server(struct cli *cli, const char *server, const char *path)
{
    size_t colon = strcspn(server, ":");

    if (strncmp(server, "http://", 7) == 0 || strncmp(server, "https://", 8) == 0) {
        return 0;
    }
    if (strstr(server, "://") != NULL) {
        return cli_fail(cli, "unsupported protocol scheme \"%.*s\"", (int)colon, server);
    }
    if (server[colon] == ':' && memchr(server, '/', colon) == NULL) {
        return cli_fail(cli, "parse \"%s%s\": first path segment in URL cannot contain colon", server, path);
    }
    return cli_fail(cli, "unsupported protocol scheme \"\" in \"%s\": a server is http://HOST:PORT", server);
}

static int add_certificates(struct cli *cli, const char *path)
{
    FILE *file = fopen(path, "rbe");
    char chunk[4096];
    size_t n;

    if (file == NULL) {
        const char *why = errno == ENOENT ? "no such file or directory" : strerror(errno);

        return cli_fail(cli, "failed to read cert file %s: open %s: %s", path, path, why);
    }
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0 && cli->http->ca.len < CERT_MAX) {
        buf_append(&cli->http->ca, chunk, n);
    }
    buf_append_char(&cli->http->ca, '\n');
    if (ferror(file) != 0 || cli->http->ca.len >= CERT_MAX) {
        (void)cli_fail(cli, "failed to read cert file %s", path);
    }
    (void)fclose(file);
    return cli->error == NULL ? 0 : -1;
}

int http_open(struct cli *cli)
{
    struct http *http = cli->http;

    if (http != NULL) {
        return 0;
    }
    cli->http = http = mem_calloc(1, sizeof(*http));
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    http->easy = curl_easy_init();
    CHECK(http->easy != NULL);
    http->user = mem_strdup(setting(cli, "user", "HEKETI_CLI_USER", ""));
    http->key = mem_strdup(setting(cli, "secret", "HEKETI_CLI_KEY", ""));
    if (each_part(cli, setting(cli, "server", "HEKETI_CLI_SERVER", DEFAULT_SERVER), add_server) != 0 ||
        each_part(cli, flag_string(cli, "tls-cert"), add_certificates) != 0) {
        return -1;
    }
    return http->n_servers > 0 ? 0 : cli_fail(cli, "no server is named");
}

int http_check_servers(struct cli *cli, const char *path)
{
    for (size_t i = 0; i < cli->http->n_servers; i++) {
        if (check_server(cli, cli->http->servers[i], path) != 0) {
            return -1;
        }
    }
    return 0;
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    curl_easy_cleanup(http->easy);
    for (size_t i = 0; i < http->n_servers; i++) {
        free(http->servers[i]);
    }
    free(http->servers);
    free(http->user);
    explicit_bzero(http->key, strlen(http->key));
    free(http->key);
    buf_fini(&http->ca);
    free(http);
}

void http_make_key(struct cli *cli, struct http_call *call)
{
    (void)snprintf(call->key, sizeof(call->key), "%016lx%016lx", (unsigned long)cli->random(cli),
                   (unsigned long)cli->random(cli));
}

/* ---- receiving ---- */

static size_t body_cb(char *data, size_t size, size_t n, void *user)
{
    struct http_answer *answer = user;

    if (answer->body.len + size * n > ANSWER_MAX) {
        return 0;
    }
    buf_append(&answer->body, data, size * n);
    return size * n;
}

/* The value of a header line if it has this name (with colon), without blanks around it; NULL otherwise. */
static char *header_value(const char *line, size_t len, const char *name)
{
    size_t skip = strlen(name);

    if (len < skip || strncasecmp(line, name, skip) != 0) {
        return NULL;
    }
    while (skip < len && (line[skip] == ' ' || line[skip] == '\t')) {
        skip++;
    }
    while (len > skip && strchr(" \t\r\n", line[len - 1]) != NULL) {
        len--;
    }
    return mem_strndup(line + skip, len - skip);
}

static size_t header_cb(char *line, size_t size, size_t n, void *user)
{
    struct http_answer *answer = user;
    size_t len = size * n;
    char *value;

    if ((value = header_value(line, len, "Location:")) != NULL) {
        free(answer->location);
        answer->location = TAKE_PTR(value);
    } else if ((value = header_value(line, len, "X-Pending:")) != NULL) {
        answer->pending = strcmp(value, "true") == 0;
    } else if ((value = header_value(line, len, "Content-Type:")) != NULL) {
        answer->json = strncasecmp(value, "application/json", 16) == 0;
    } else if ((value = header_value(line, len, "Retry-After:")) != NULL) {
        char *end;
        long seconds = strtol(value, &end, 10);

        answer->retry_after_s = *value != '\0' && *end == '\0' && seconds >= 0 ? seconds : -1;
    }
    free(value);
    return len;
}

/* ---- sending ---- */

static void append_encoded(struct buf *url, const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

    for (const char *at = path; *at != '\0'; at++) {
        if (strchr(plain, *at) != NULL) {
            buf_append_char(url, *at);
        } else {
            buf_printf(url, "%%%02X", (unsigned char)*at);
        }
    }
}

/* The path within a base URL ("" or "/..."), and how long what precedes it is. */
static const char *own_path(const char *server, size_t *ret_origin_len)
{
    const char *host = strstr(server, "://");
    const char *slash = host != NULL ? strchr(host + 3, '/') : NULL;

    *ret_origin_len = slash != NULL ? (size_t)(slash - server) : strlen(server);
    return slash != NULL ? slash : "";
}

static struct curl_slist *add_header(struct curl_slist *list, const char *fmt, const char *value)
{
    CLEANUP(free_ptr) char *line = mem_printf("%s%s", fmt, value);
    struct curl_slist *longer = curl_slist_append(list, line);

    CHECK(longer != NULL);
    return longer;
}

static struct curl_slist *make_headers(const struct http *http, const struct http_call *call, const char *signed_path)
{
    struct curl_slist *list = add_header(NULL, "Expect:", "");

    if (call->signed_) {
        char *token = token_make(http->user, http->key, call->method, signed_path, (int64_t)time(NULL));

        list = add_header(list, "Authorization: bearer ", token);
        free(token);
    }
    if (call->body != NULL) {
        list = add_header(list, "Content-Type: application/json", "");
    }
    if (strcmp(call->method, "GET") != 0) {
        list = add_header(list, "Idempotency-Key: ", call->key);
    }
    return list;
}

static void set_options(struct cli *cli, CURL *easy, const struct http_call *call, const char *url,
                        struct curl_slist *headers, const char *body, struct http_answer *answer)
{
    struct http *http = cli->http;
    long timeout_ms = call->timeout_ms != 0 ? (long)call->timeout_ms
                      : http->n_servers > 1 ? TIMEOUT_SEVERAL_MS
                                            : TIMEOUT_MS;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hecate/" HECATE_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
    if (strcmp(call->method, "GET") != 0) {
        /* libcurl repeats a request by itself when a kept connection turns out to be closed. */
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    if (body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    }
    if (flag_bool(cli, "insecure-tls")) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (http->ca.len > 0) {
        struct curl_blob blob = {.data = http->ca.data, .len = http->ca.len, .flags = CURL_BLOB_NOCOPY};

        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
}

/* In the words of the original where scripts may look at them. */
static char *describe(CURL *easy, CURLcode code, const char *method, const char *url)
{
    const char *host = strstr(url, "://");
    long number = 0;
    char verb[16];

    (void)snprintf(verb, sizeof(verb), "%c%s", method[0], method + 1);
    for (char *at = verb + 1; *verb != '\0' && *at != '\0'; at++) {
        *at = (char)(*at | 0x20);
    }
    if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK &&
        number == ECONNREFUSED && host != NULL) {
        return mem_printf("%s \"%s\": dial tcp %.*s: connect: connection refused", verb, url,
                          (int)strcspn(host + 3, "/"), host + 3);
    }
    return mem_printf("%s \"%s\": %s", verb, url, curl_easy_strerror(code));
}

static bool not_sent(CURL *easy, CURLcode code)
{
    long sent = 0;

    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_PEER_FAILED_VERIFICATION ||
           (curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0);
}

/* One attempt: what must live as long as it runs. */
struct attempt {
    CURL *easy;
    struct buf url;
    struct curl_slist *headers;
    char *body;
    struct http_answer answer;
};

static void attempt_begin(struct cli *cli, const struct http_call *call, struct attempt *attempt)
{
    struct http *http = cli->http;
    const char *server = call->url != NULL ? call->url : http->servers[http->current];
    CLEANUP(buf_fini) struct buf signed_path = BUF_INIT;
    size_t origin_len;
    const char *prefix = own_path(server, &origin_len);

    attempt->answer = (struct http_answer){.retry_after_s = -1};
    attempt->url = (struct buf)BUF_INIT;
    attempt->body = NULL;
    buf_append(&attempt->url, server, call->prefixed ? strlen(server) : origin_len);
    append_encoded(&attempt->url, call->path);
    if (call->query != NULL) { /* not signed */
        buf_printf(&attempt->url, "?%s", call->query);
    }
    buf_append_str(&signed_path, call->prefixed ? prefix : "");
    buf_append_str(&signed_path, call->path);
    if (call->body != NULL) {
        attempt->body = json_dumps(call->body, JSON_COMPACT | JSON_REAL_PRECISION(9));
        CHECK(attempt->body != NULL);
    }
    attempt->headers = make_headers(http, call, buf_str(&signed_path));
    set_options(cli, attempt->easy, call, buf_str(&attempt->url), attempt->headers, attempt->body, &attempt->answer);
}

/* NULL when an answer came; else what went wrong. Moves the answer out. */
static char *attempt_end(struct attempt *attempt, const struct http_call *call, CURLcode code,
                         struct http_answer *ret_answer, bool *ret_sent)
{
    char *problem = NULL;

    *ret_sent = false;
    if (code == CURLE_OK) {
        curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &attempt->answer.status);
    } else {
        *ret_sent = !not_sent(attempt->easy, code);
        problem = describe(attempt->easy, code, call->method, buf_str(&attempt->url));
        http_answer_fini(&attempt->answer);
    }
    *ret_answer = attempt->answer;
    curl_slist_free_all(attempt->headers);
    free(attempt->body);
    buf_fini(&attempt->url);
    return problem;
}

char *http_once(struct cli *cli, const struct http_call *call, struct http_answer *ret_answer, bool *ret_sent)
{
    struct attempt attempt = {.easy = cli->http->easy};

    (void)fflush(cli->out); /* what is being waited for */
    attempt_begin(cli, call, &attempt);
    return attempt_end(&attempt, call, curl_easy_perform(attempt.easy), ret_answer, ret_sent);
}

/* ---- many at once ---- */

struct lane { /* one request at a time, over a connection that is kept */
    struct attempt attempt;
    struct http_call call;
    char *path;
    size_t at; /* in the list */
    bool busy;
};

struct lanes {
    struct cli *cli;
    CURLM *multi;
    struct lane lane[HTTP_LANES];
    unsigned n_busy;
    bool failed; /* one has got no document: no further ones are asked */
};

static void lane_start(struct lanes *lanes, struct lane *lane, const char *prefix, const char *id, size_t at)
{
    lane->path = mem_printf("%s%s", prefix, id);
    lane->call = (struct http_call){.method = "GET", .path = lane->path, .signed_ = true, .prefixed = true};
    lane->at = at;
    lane->busy = true;
    lanes->n_busy++;
    attempt_begin(lanes->cli, &lane->call, &lane->attempt);
    curl_easy_setopt(lane->attempt.easy, CURLOPT_PRIVATE, lane);
    CHECK(curl_multi_add_handle(lanes->multi, lane->attempt.easy) == CURLM_OK);
}

static void lane_end(struct lanes *lanes, struct lane *lane, CURLcode code, json_t **documents)
{
    struct http_answer answer;
    bool sent;

    CHECK(curl_multi_remove_handle(lanes->multi, lane->attempt.easy) == CURLM_OK);
    free(attempt_end(&lane->attempt, &lane->call, code, &answer, &sent));
    if (code == CURLE_OK && answer.status == 200) {
        documents[lane->at] = json_loadb(buf_str(&answer.body), answer.body.len, JSON_ALLOW_NUL, NULL);
    }
    lanes->failed = lanes->failed || documents[lane->at] == NULL;
    http_answer_fini(&answer);
    free(lane->path);
    lane->busy = false;
    lanes->n_busy--;
}

static void collect(struct lanes *lanes, json_t **documents)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(lanes->multi, &left)) != NULL) {
        struct lane *lane = NULL;

        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;

            CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&lane) == CURLE_OK);
            lane_end(lanes, lane, code, documents);
        }
    }
}

void http_get_many(struct cli *cli, const char *prefix, const char *const *ids, size_t n, json_t **ret_documents)
{
    struct lanes lanes = {.cli = cli, .multi = curl_multi_init()};
    size_t next = 0;
    int running;

    CHECK(lanes.multi != NULL);
    memset(ret_documents, 0, n * sizeof(json_t *));
    (void)fflush(cli->out);
    for (size_t i = 0; i < HTTP_LANES; i++) {
        lanes.lane[i].attempt.easy = curl_easy_init();
        CHECK(lanes.lane[i].attempt.easy != NULL);
    }
    do {
        for (size_t i = 0; i < HTTP_LANES && next < n && !lanes.failed; i++) {
            if (!lanes.lane[i].busy) {
                lane_start(&lanes, &lanes.lane[i], prefix, ids[next], next);
                next++;
            }
        }
        CHECK(curl_multi_perform(lanes.multi, &running) == CURLM_OK);
        collect(&lanes, ret_documents);
        if (lanes.n_busy == HTTP_LANES || (lanes.n_busy > 0 && (next == n || lanes.failed))) {
            CHECK(curl_multi_poll(lanes.multi, NULL, 0, 1000, NULL) == CURLM_OK);
        }
    } while (lanes.n_busy > 0 || (next < n && !lanes.failed));
    for (size_t i = 0; i < HTTP_LANES; i++) {
        curl_easy_cleanup(lanes.lane[i].attempt.easy);
    }
    (void)curl_multi_cleanup(lanes.multi);
}
