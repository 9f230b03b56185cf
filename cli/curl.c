/* One exchange over libcurl: URL, token, headers, and for how long silence is borne. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "cli/http_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define CONNECT_TIMEOUT_MS 5000
#define SILENCE_MS 120000        /* Heketi asks storage nodes while a request waits */
#define SILENCE_SEVERAL_MS 20000 /* Hecate answers within 10 s; then another member is asked */
#define SILENCE_LONG_MS 660000   /* a server that works: Hecate answers within 610 s, if only that it took too long */
#define SIGN_TIMEOUT_MS 5000
#define KEEPALIVE_S 15L
#define ANSWER_MAX (64U << 20)

void http_make_key(struct cli *cli, struct http_call *call)
{
    (void)snprintf(call->key, sizeof(call->key), "%016lx%016lx", (unsigned long)cli->random(cli),
                   (unsigned long)cli->random(cli));
}

/* ---- receiving ---- */

static bool keep(struct http_answer *answer, const char *data, size_t len)
{
    answer->too_long = answer->body.len + len > ANSWER_MAX;
    if (!answer->too_long) {
        buf_append(&answer->body, data, len);
    }
    return !answer->too_long;
}

static bool pass_on(struct http_sink *sink, const char *data, size_t len)
{
    if (fwrite(data, 1, len, sink->file) != len) {
        sink->error = errno != 0 ? errno : EIO;
        return false;
    }
    sink->bytes += len;
    return true;
}

static size_t body_cb(char *data, size_t size, size_t n, void *user)
{
    struct attempt *attempt = user;
    struct http_sink *sink = attempt->call->sink;
    long status = 0;
    bool taken;

    curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &status);
    taken = sink != NULL && status == 200 ? pass_on(sink, data, size * n) : keep(&attempt->answer, data, size * n);
    return taken ? size * n : 0;
}

/* ---- silence ---- */

uint64_t http_now_ms(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t silence_ms(const struct cli *cli, const struct http_call *call)
{
    if (cli->silence_ms != 0) {
        return cli->silence_ms;
    }
    return cli->http->n_servers > 1 || call->long_ ? SILENCE_SEVERAL_MS : SILENCE_MS;
}

/* Does the server that works for so long still answer others? */
static bool gives_sign(const struct attempt *attempt)
{
    struct http_call call = {.method = "GET",
                             .path = "/hello",
                             .url = attempt->call->url,
                             .prefixed = attempt->call->prefixed,
                             .timeout_ms = SIGN_TIMEOUT_MS};
    struct attempt sign = {.easy = curl_easy_init()};
    struct http_answer answer;
    CURLcode code;
    bool sent;

    CHECK(sign.easy != NULL);
    attempt_begin(attempt->cli, &call, &sign);
    code = curl_easy_perform(sign.easy);
    free(attempt_end(&sign, code, &answer, &sent));
    http_answer_fini(&answer);
    curl_easy_cleanup(sign.easy);
    return code == CURLE_OK;
}

/* About once a second. Not 0: the attempt ends. */
static int progress_cb(void *user, curl_off_t all_down, curl_off_t down, curl_off_t all_up, curl_off_t up)
{
    struct attempt *attempt = user;
    uint64_t now = http_now_ms();

    (void)all_down;
    (void)all_up;
    if (down + up != attempt->moved) {
        attempt->moved = down + up;
        attempt->heard_ms = attempt->sign_ms = now;
    }
    if (now - attempt->sign_ms < silence_ms(attempt->cli, attempt->call)) {
        return 0;
    }
    if (!attempt->call->long_ || now - attempt->heard_ms >= SILENCE_LONG_MS || !gives_sign(attempt)) {
        attempt->silent = true;
        return 1;
    }
    attempt->sign_ms = http_now_ms();
    return 0;
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
    struct attempt *attempt = user;
    struct http_answer *answer = &attempt->answer;
    size_t len = size * n;
    char *value;

    attempt->heard_ms = attempt->sign_ms = http_now_ms();
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

static void set_options(struct attempt *attempt)
{
    struct cli *cli = attempt->cli;
    struct http *http = cli->http;
    const struct http_call *call = attempt->call;
    CURL *easy = attempt->easy;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, buf_str(&attempt->url));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, attempt->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hecate/" HECATE_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_cb);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, attempt);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, progress_cb);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, attempt);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    if (strcmp(call->method, "GET") != 0) {
        /* libcurl repeats a request by itself when a kept connection turns out to be closed. */
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    if (attempt->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, attempt->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(attempt->body));
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
static char *describe(const struct attempt *attempt, CURLcode code)
{
    const struct http_answer *answer = &attempt->answer;
    const struct http_sink *sink = attempt->call->sink;
    const char *method = attempt->call->method, *url = buf_str(&attempt->url);
    const char *host = strstr(url, "://");
    CLEANUP(free_ptr) char *why = NULL;
    long number = 0;
    char verb[16];

    (void)snprintf(verb, sizeof(verb), "%c%s", method[0], method + 1);
    for (char *at = verb + 1; *verb != '\0' && *at != '\0'; at++) {
        *at = (char)(*at | 0x20);
    }
    if (sink != NULL && sink->error != 0) {
        return mem_printf("cannot write the output: %s", strerror(sink->error));
    }
    if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(attempt->easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK &&
        number == ECONNREFUSED && host != NULL) {
        return mem_printf("%s \"%s\": dial tcp %.*s: connect: connection refused", verb, url,
                          (int)strcspn(host + 3, "/"), host + 3);
    }
    why = answer->too_long  ? mem_printf("the answer is longer than %u MiB", ANSWER_MAX >> 20)
          : attempt->silent ? mem_printf("the server has been silent for %lu s",
                                         (unsigned long)((http_now_ms() - attempt->heard_ms) / 1000))
                            : mem_strdup(curl_easy_strerror(code));
    return sink != NULL && sink->bytes > 0 ? mem_printf("%s \"%s\": broken off after %llu bytes: %s", verb, url,
                                                        (unsigned long long)sink->bytes, why)
                                           : mem_printf("%s \"%s\": %s", verb, url, why);
}

static bool not_sent(CURL *easy, CURLcode code)
{
    long sent = 0;

    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_PEER_FAILED_VERIFICATION ||
           (curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent == 0);
}

void attempt_begin(struct cli *cli, const struct http_call *call, struct attempt *attempt)
{
    struct http *http = cli->http;
    const char *server = call->url != NULL ? call->url : http->servers[http->current];
    CLEANUP(buf_fini) struct buf signed_path = BUF_INIT;
    size_t origin_len;
    const char *prefix = own_path(server, &origin_len);

    attempt->cli = cli;
    attempt->call = call;
    attempt->answer = (struct http_answer){.retry_after_s = -1};
    attempt->heard_ms = attempt->sign_ms = http_now_ms();
    attempt->moved = 0;
    attempt->silent = false;
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
    set_options(attempt);
}

/* What a stream has taken cannot be taken back; a file of our own is begun anew. */
static bool can_begin_anew(struct http_sink *sink)
{
    if (sink == NULL || (sink->bytes == 0 && sink->error == 0)) {
        return true;
    }
    if (!sink->own || sink->error != 0 || fflush(sink->file) != 0 || ftruncate(fileno(sink->file), 0) != 0) {
        return false;
    }
    rewind(sink->file);
    sink->bytes = 0;
    return true;
}

char *attempt_end(struct attempt *attempt, CURLcode code, struct http_answer *ret_answer, bool *ret_sent)
{
    char *problem = NULL;

    *ret_sent = false;
    if (code == CURLE_OK) {
        curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &attempt->answer.status);
    } else {
        *ret_sent = !not_sent(attempt->easy, code);
        problem = describe(attempt, code);
        attempt->answer.final = attempt->answer.too_long || !can_begin_anew(attempt->call->sink);
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
    return attempt_end(&attempt, curl_easy_perform(attempt.easy), ret_answer, ret_sent);
}
