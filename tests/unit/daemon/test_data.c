/* Requests are data: every field of every request that has a body is filled with what a shell or a program could take
 * for more, and sent to the leader of three real members. What the steps that follow would run on a node is looked at
 * word by word: no text of a request stands outside of quotes, or begins like an option. The fields come from the
 * tables that read the requests, so that a new one is tried as well; a new route without a row in `bases` fails.
 *
 * HECATE_DATA_VERBOSE=1 prints how each field was answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/json_in.h"
#include "daemon/executor/step.h"
#include "store/base/mem.h"
#include "tests/unit/daemon/fixture.h"

#define MARK "q7Q" /* in every text that is sent; nothing of ours has it */
#define CALLS_MAX 20
#define LONG_BYTES 65536

static struct fixture fixture;
static struct member *leader;
static char *port;

/* ---- what a script would do ---- */

static struct {
    unsigned scripts, words, commands; /* looked at; with a marked word; run by a real shell */
} seen;

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789.")] == '\0';
}

static void check_word(const char *script, const char *word, bool bare)
{
    const char *equals = strchr(word, '=');
    const char *value = word;

    if (strstr(word, MARK) == NULL) {
        return;
    }
    seen.words++;
    if (equals != NULL && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == (size_t)(equals - word)) {
        value = equals + 1;
    }
    if (bare) {
        fail_msg("the word %s is not quoted in:\n%s", word, script);
    }
    if ((value[0] == '-' && !is_number(value + 1)) || strstr(value, " --") != NULL) {
        fail_msg("the word %s looks like an option in:\n%s", word, script);
    }
}

/* Reads a script as sh splits it into words; single quotes around everything that is not ours. */
static void check_script(const char *script)
{
    CLEANUP(buf_fini) struct buf word = BUF_INIT;
    bool single = false, twice = false, bare = false;

    seen.scripts++;
    for (const char *p = script; *p != '\0'; p++) {
        if (!single && !twice && strchr(" \t\n;&|()", *p) != NULL) {
            check_word(script, buf_str(&word), bare);
            buf_clear(&word);
            bare = false;
            continue;
        }
        if (*p == '\'' && !twice) {
            single = !single;
        } else if (*p == '"' && !single) {
            twice = !twice;
        } else if (*p == '\\' && !single && p[1] != '\0') {
            buf_append_char(&word, *++p);
        } else {
            bare = bare || (!single && strncmp(p, MARK, strlen(MARK)) == 0);
            buf_append_char(&word, *p);
        }
    }
    check_word(script, buf_str(&word), bare);
    assert_false(single || twice);
}

/* What sh makes of a script: its standard output. */
static char *shell(const char *script)
{
    struct buf out = BUF_INIT;
    int fds[2], status;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], 1);
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(close(fds[1]), 0);
    do {
        buf_reserve(&out, 65536);
        n = read(fds[0], out.data + out.len, 65536);
        out.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    out.data[out.len] = '\0';
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return buf_take(&out);
}

static char **expected; /* the pair of an option that was sent, NULL: none */

/* The command itself, run by a real shell with a gluster that prints its words, one a line: ours and the value. */
static void run_command(const char *script)
{
    static const char before[] = "LIMIT=9; timeout() { shift 3; \"$@\"; }; gluster() { printf '%s\\n' \"$@\"; }; ";
    const char *line = strstr(script, "timeout -k 5 \"$((LIMIT + 30))\" gluster ");
    const char *end = line != NULL ? strstr(line, " --xml\n") : NULL;
    CLEANUP(free_ptr) char *command = NULL, *words = NULL, *pair = NULL;

    if (end == NULL || strstr(line, MARK) == NULL || strstr(line, "'volume' 'set'") == NULL) {
        return;
    }
    command = mem_printf("%s%.*s", before, (int)(end - line), line);
    words = shell(command);
    seen.commands++;
    for (const char *word = words; *word != '\0';) {
        size_t len = strcspn(word, "\n");
        bool ours = strncmp(word, "--mode=script\n", 14) == 0 || strncmp(word, "--timeout=9\n", 12) == 0;

        if (word[0] == '-' && !ours && word[1 + strspn(word + 1, "0123456789.")] != '\n') {
            fail_msg("gluster would hear %.*s", (int)len, word);
        }
        word += len + (word[len] == '\n');
    }
    if (expected != NULL && strstr(words, expected[0]) != NULL) {
        pair = mem_printf("\n%s\n%s\n", expected[0], expected[1]);
        if (strstr(words, pair) == NULL) {
            fail_msg("'%s' does not arrive as it was sent:\n%s", expected[1], words);
        }
    }
}

#define ABSENT "<cliOutput><opRet>-1</opRet><opErrno>30806</opErrno><opErrstr>gone</opErrstr></cliOutput>"
#define DONE                                                     \
    "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>" \
    "<volCreate><volume><name>v</name><id>01234567-89ab-cdef-0123-456789abcdef</id></volume></volCreate></cliOutput>"

/* Goes through a step's conversation with a node that has nothing, or where everything is done. */
static void converse(const struct exec_config *config, const struct exec_step *step, bool absent)
{
    struct step_talk talk;

    step_begin(&talk, config, step);
    for (int i = 0; i < CALLS_MAX && !talk.ended; i++) {
        const char *out = absent && i == 0 ? ABSENT : DONE;
        const struct step_reply reply = {.status = absent && i == 0, .out = out, .out_len = strlen(out), .error = ""};

        check_script(buf_str(&talk.script));
        run_command(buf_str(&talk.script));
        step_hear(&talk, &reply);
    }
    if (strstr(talk.result.message, "was not asked for: ") != NULL || strstr(talk.result.message, "was not made: ")) {
        fail_msg("accepted by the API, refused by the executor: %s", talk.result.message);
    }
    step_fini(&talk);
}

static const struct exec_ops *mock_ops;

static struct exec_call *run(struct executor *executor, const struct exec_step *step, exec_done_cb cb, void *user)
{
    struct exec_config config;
    struct err err = ERR_INIT;

    exec_config_init(&config);
    if (step_check(&config, step, &err) != 0) {
        fail_msg("accepted by the API, refused by the executor: %s", err.message);
    }
    converse(&config, step, true);
    converse(&config, step, false);
    return mock_ops->run(executor, step, cb, user);
}

/* ---- HTTP ---- */

/* The status. */
static int ask(const char *method, const char *path, const char *headers, const char *body, size_t len)
{
    CLEANUP(buf_fini) struct buf head = BUF_INIT;
    CLEANUP(buf_fini) struct buf answer = BUF_INIT;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t deadline_ms = uv_hrtime() / 1000000 + 30000;
    size_t sent = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    buf_printf(&head, "%s %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n", method, path,
               headers, len);
    buf_append(&head, body, len);
    for (;;) {
        ssize_t n = sent < head.len ? send(fd, head.data + sent, head.len - sent, MSG_NOSIGNAL) : 0;

        sent += n > 0 ? (size_t)n : 0;
        (void)uv_run(&fixture.loop, UV_RUN_NOWAIT);
        buf_reserve(&answer, 65536);
        n = recv(fd, answer.data + answer.len, 65535, 0);
        answer.len += n > 0 ? (size_t)n : 0;
        if (n == 0) {
            break;
        }
        if (uv_hrtime() / 1000000 > deadline_ms) {
            fail_msg("no answer to %s %s", method, path);
        }
    }
    assert_int_equal(close(fd), 0);
    assert_true(answer.len > 12);
    return (int)strtol(answer.data + 9, NULL, 10);
}

/* ---- requests ---- */

static struct id volume, hosting, block, device, brick; /* that requests may name */

/* A valid request of each route that has fields; %s is the id of the path. */
static const struct {
    enum api_route route;
    const char *method, *path;
    const struct id *id;
    const char *body; /* up to its last brace; %s is the id of a cluster, or of a node for DEVICE_ADD */
} bases[] = {
    {API_ROUTE_CLUSTER_CREATE, "POST", "/clusters", NULL, "{\"file\":true"},
    {API_ROUTE_CLUSTER_FLAGS, "POST", "/clusters/%s/flags", &fixture.cluster, "{\"file\":true,\"block\":true"},
    {API_ROUTE_NODE_ADD, "POST", "/nodes", NULL,
     "{\"zone\":1,\"cluster\":\"%s\",\"hostnames\":{\"manage\":[\"192.0.2.9\"],\"storage\":[\"192.0.2.9\"]}"},
    {API_ROUTE_NODE_STATE, "POST", "/nodes/%s/state", &fixture.nodes[0], "{\"state\":\"online\""},
    {API_ROUTE_NODE_TAGS, "POST", "/nodes/%s/tags", &fixture.nodes[0], "{\"change_type\":\"set\""},
    {API_ROUTE_NODE_REPLACE, "POST", "/nodes/%s/replace", &fixture.nodes[0], "{\"destroydata\":false"},
    {API_ROUTE_DEVICE_REPLACE, "POST", "/devices/%s/replace", &device, "{\"destroydata\":false"},
    {API_ROUTE_DEVICE_ADD, "POST", "/devices", NULL, "{\"name\":\"/dev/sdc\",\"node\":\"%s\""},
    {API_ROUTE_DEVICE_DELETE, "DELETE", "/devices/%s", &device, "{\"forceforget\":false"},
    {API_ROUTE_DEVICE_STATE, "POST", "/devices/%s/state", &device, "{\"state\":\"online\""},
    {API_ROUTE_DEVICE_TAGS, "POST", "/devices/%s/tags", &device, "{\"change_type\":\"set\""},
    {API_ROUTE_VOLUME_CREATE, "POST", "/volumes", NULL,
     "{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}"},
    {API_ROUTE_PENDING_CLEANUP, "POST", "/operations/pending/cleanup", NULL, "{\"operations\":[]"},
    {API_ROUTE_ADMIN_SET, "POST", "/admin", NULL, "{\"state\":\"normal\""},
    {API_ROUTE_LOGGING_SET, "POST", "/internal/logging", NULL, "{\"loglevel\":{\"glusterfs\":\"none\"}"},
    {API_ROUTE_BLOCK_CREATE, "POST", "/blockvolumes", NULL, "{\"size\":1"},
    {API_ROUTE_BLOCK_EXPAND, "POST", "/blockvolumes/%s/expand", &block, "{\"new_size\":2"},
    {API_ROUTE_VOLUME_EXPAND, "POST", "/volumes/%s/expand", &volume, "{\"expand_size\":1"},
    {API_ROUTE_VOLUME_CLONE, "POST", "/volumes/%s/clone", &volume, "{\"x\":0"},
    {API_ROUTE_VOLUME_RESTRICT, "POST", "/volumes/%s/block-restriction", &hosting, "{\"restriction\":\"\""},
    {API_ROUTE_BRICK_EVICT, "POST", "/bricks/to-evict/%s", &brick, "{\"healcheck\":\"\""},
};

static const char *const hostile[] = {
    /* options, also in the middle */
    "-" MARK,
    "--" MARK,
    "--log-file=/etc/profile.d/" MARK ".sh",
    "-" MARK "=x",
    MARK " --x=y",
    MARK " -x",
    "-",
    "--",
    "- " MARK,
    "-1",
    "--xml " MARK,
    " --" MARK,
    MARK "  --xml",
    MARK "\xc2\xa0--xml",
    /* ends of lines and other control characters */
    MARK "\ny",
    MARK "\r\ny",
    "\n" MARK,
    MARK "\tz",
    MARK "\x7f",
    MARK "\x1b[2J",
    MARK "\xc2\x9b"
         "2J",
    MARK "\n--xml",
    /* paths */
    "..",
    "../" MARK,
    "/../" MARK,
    "/" MARK "/../../x",
    "/./" MARK,
    MARK "/",
    "/etc/" MARK,
    "a/../../" MARK,
    /* what a shell reads */
    MARK ";id",
    MARK "&",
    MARK "|x",
    MARK "$(id)",
    MARK "`id`",
    MARK "'x",
    "'" MARK,
    MARK "'; id; '",
    MARK "\"x",
    MARK "\\x",
    MARK "\\",
    MARK "<x",
    MARK ">/tmp/x",
    MARK "*",
    MARK "?",
    MARK "[a-z]",
    MARK "{a,b}",
    MARK "!",
    MARK "#x",
    "#" MARK,
    "~" MARK,
    MARK "$HOME",
    MARK "${x}",
    MARK "$((1))",
    MARK "(x)",
    MARK "%s%n",
    MARK "=x",
    MARK " x",
    MARK ",x",
    "@" MARK,
    "+" MARK,
    ":" MARK,
    "\xc3\xbc" MARK,
    "\xe2\x82\xac",
    /* nothing, numbers, no UTF-8 */
    "",
    "0",
    "true",
    "null",
    MARK "\xff",
    MARK "\xc3",
    MARK "\xed\xa0\x80",
    MARK,
};

/* As JSON; bytes from 0x80 on as they are. */
static void append_text(struct buf *buf, const char *prefix, const char *text)
{
    CLEANUP(free_ptr) char *whole = mem_printf("%s%s", prefix, text);

    buf_append_char(buf, '"');
    for (const unsigned char *p = (const unsigned char *)whole; *p != '\0'; p++) {
        if (*p < ' ' || *p == '"' || *p == '\\') {
            buf_printf(buf, "\\u%04x", *p);
        } else {
            buf_append_char(buf, (char)*p);
        }
    }
    buf_append_char(buf, '"');
}

/* What must never be accepted where it can become a word of its own, or behind a prefix a part of one. */
static bool is_unfit(const char *prefix, const char *text)
{
    bool whole = strchr(prefix, '/') == NULL;

    return text[strcspn(text, "\n\r\t\x1b\x7f`")] != '\0' || strstr(text, "\xc2\x9b") != NULL ||
           strstr(text, " --") != NULL || (whole && text[0] == '-' && !is_number(text + 1)) ||
           (strcmp(prefix, "ssl.x ") == 0 && (text[strcspn(text, "\"\\#")] != '\0' || strstr(text, MARK " x") != NULL));
}

static unsigned n_sent, n_accepted, n_fields;

static bool is_idle(struct fixture *any, void *user)
{
    (void)any;
    (void)user;
    return store_counts(leader->store).operations == 0;
}

static void take_away(enum store_request_type type, struct id id)
{
    struct store_request request;

    store_request_init(&request, type);
    request.target = id;
    assert_int_equal(fixture_submit(&fixture, leader, &request).kind, API_ACCEPTED);
    store_request_fini(&request);
    fixture_until(&fixture, "the end of all operations", is_idle, NULL);
}

static bool is_of_topology(struct id node)
{
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        if (id_equal(fixture.nodes[i], node)) {
            return true;
        }
    }
    return false;
}

/* What a request made goes again; devices would have to be emptied first, and stay. */
static void clean_up(void)
{
    const struct store_block_volume *found_block = NULL;
    const struct store_volume *found = NULL;
    const struct store_node *node = NULL;

    fixture_until(&fixture, "the end of all operations", is_idle, NULL);
    while ((found_block = store_block_volume_next(leader->store, found_block)) != NULL) {
        if (!id_equal(found_block->id, block)) {
            take_away(STORE_REQ_BLOCK_DELETE, found_block->id);
            found_block = NULL;
        }
    }
    while ((found = store_volume_next(leader->store, found)) != NULL) {
        if (!id_equal(found->id, volume) && !id_equal(found->id, hosting)) {
            take_away(STORE_REQ_VOLUME_DELETE, found->id);
            found = NULL;
        }
    }
    while ((node = store_node_next(leader->store, node)) != NULL) {
        if (!is_of_topology(node->id)) {
            take_away(STORE_REQ_NODE_DELETE, node->id);
            node = NULL;
        }
    }
}

struct place { /* a field, with the objects that it is in */
    size_t base;
    const struct api_field *field;
    const char *open, *close; /* around "name":VALUE */
};

/* VALUE is appended to the body, which still lacks its braces. */
static int send_value(const struct place *place, const struct buf *value)
{
    CLEANUP(free_ptr) char *path = NULL, *body = NULL;
    CLEANUP(buf_fini) struct buf whole = BUF_INIT;
    const char *base = bases[place->base].body;
    const struct id *id = bases[place->base].id, *inner = &fixture.cluster;
    const char *mark = strstr(base, "%s");
    int status;

    if (bases[place->base].route == API_ROUTE_DEVICE_ADD) {
        inner = &fixture.nodes[0];
    }
    body = mark == NULL ? mem_strdup(base)
                        : mem_printf("%.*s%s%s", (int)(mark - base), base, id_text(*inner).text, mark + 2);
    mark = strstr(bases[place->base].path, "%s");
    path = mark == NULL ? mem_strdup(bases[place->base].path)
                        : mem_printf("%.*s%s%s", (int)(mark - bases[place->base].path), bases[place->base].path,
                                     id_text(*id).text, mark + 2);
    buf_printf(&whole, "%s,%s\"%s\":", body, place->open, place->field->name);
    buf_append(&whole, value->data, value->len);
    buf_printf(&whole, "%s}", place->close);
    status = ask(bases[place->base].method, path, "", whole.data, whole.len);
    n_sent++;
    if (status < 200 || (status >= 300 && status != 400 && status != 404 && status != 409 && status != 422 &&
                         status != 429 && status != 500)) {
        fail_msg("%s %s: %d", bases[place->base].method, path, status);
    }
    n_accepted += status < 300;
    return status;
}

/* A text (of tags a value, then a name: those are never words of commands) in the form that the field takes. */
static void try_text(const struct place *place, const char *prefix, const char *text)
{
    CLEANUP(buf_fini) struct buf value = BUF_INIT;
    char *pair[] = {(char[]){"user.a"}, (char *)(uintptr_t)text};
    bool is_tags = place->field->type == API_FIELD_TAGS;
    int status;

    switch (place->field->type) {
    case API_FIELD_STRS:
        buf_append_char(&value, '[');
        append_text(&value, prefix, text);
        buf_append_char(&value, ']');
        break;
    case API_FIELD_TAGS:
        buf_append_str(&value, "{\"a\":");
        append_text(&value, prefix, text);
        buf_append_char(&value, '}');
        break;
    default:
        append_text(&value, prefix, text);
        break;
    }
    /* Invalid UTF-8 arrives as U+FFFD. */
    expected =
        strcmp(prefix, "user.a ") == 0 && text[strcspn(text, "\xff\xed")] == '\0' && strcmp(text, MARK "\xc3") != 0
            ? pair
            : NULL;
    status = send_value(place, &value);
    if (!is_tags && is_unfit(prefix, text) && status < 300) {
        fail_msg("%s %s: %s \"%s%s\" is accepted", bases[place->base].method, bases[place->base].path,
                 place->field->name, prefix, text);
    }
    if (status < 300) {
        clean_up();
    }
    expected = NULL;
    if (is_tags && *text != '\0') { /* as a name, too */
        buf_clear(&value);
        buf_append_char(&value, '{');
        append_text(&value, prefix, text);
        buf_append_str(&value, ":\"a\"}");
        (void)send_value(place, &value);
    }
}

static void try_raw(const struct place *place, const char *json)
{
    CLEANUP(buf_fini) struct buf value = BUF_INIT;

    buf_append_str(&value, json);
    if (send_value(place, &value) < 300) {
        clean_up();
    }
}

static void try_long(const struct place *place)
{
    CLEANUP(buf_fini) struct buf value = BUF_INIT;
    int status;

    buf_append_str(&value, place->field->type == API_FIELD_STRS   ? "[\""
                           : place->field->type == API_FIELD_TAGS ? "{\"a\":\""
                                                                  : "\"");
    for (int i = 0; i < LONG_BYTES; i++) {
        buf_append_char(&value, i % 64 == 5 ? ' ' : 'x');
    }
    buf_append_str(&value, place->field->type == API_FIELD_STRS   ? "\"]"
                           : place->field->type == API_FIELD_TAGS ? "\"}"
                                                                  : "\"");
    status = send_value(place, &value);
    if (status < 300 && bases[place->base].route != API_ROUTE_LOGGING_SET) {
        fail_msg("%s of 64 KiB is accepted", place->field->name);
    }
}

static void try_field(const struct place *place)
{
    static const char *const prefixes[] = {"", "user.a ", "ssl.x ", "/dev/"};
    static const char *const raw[] = {"null",
                                      "-1",
                                      "0",
                                      "1",
                                      "2147483647",
                                      "4294967296",
                                      "9223372036854775807",
                                      "1e308",
                                      "[]",
                                      "{}",
                                      "[null]",
                                      "[[\"" MARK "\"]]",
                                      "{\"a\":null}",
                                      "\"" MARK "\\u0000--x\"",
                                      "[\"" MARK "\\u0000--x\"]",
                                      "\"\\ud800" MARK "\"",
                                      "[\"user.a \\ud800" MARK "\"]",
                                      "[\"user.a " MARK "\\u0000\"]"};
    unsigned accepted = n_accepted, sent = n_sent;
    bool is_text = place->field->type == API_FIELD_STR || place->field->type == API_FIELD_STRS;

    n_fields++;
    for (size_t i = 0; i < sizeof(raw) / sizeof(*raw); i++) {
        try_raw(place, raw[i]);
    }
    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        for (size_t j = 0; j < (is_text ? sizeof(prefixes) / sizeof(*prefixes) : 1); j++) {
            try_text(place, prefixes[j], hostile[i]);
        }
    }
    if (is_text || place->field->type == API_FIELD_TAGS) {
        try_long(place);
    }
    if (getenv("HECATE_DATA_VERBOSE") != NULL) {
        printf("%s %s %s%s: %u sent, %u accepted\n", bases[place->base].method, bases[place->base].path, place->open,
               place->field->name, n_sent - sent, n_accepted - accepted);
    }
}

static void try_fields(const struct place *outer, const struct api_field *fields)
{
    for (; fields->type != API_FIELD_END; fields++) {
        struct place place = {outer->base, fields, outer->open, outer->close};

        if (fields->type == API_FIELD_OBJECT) {
            CLEANUP(free_ptr) char *open = mem_printf("%s\"%s\":{", outer->open, fields->name);
            CLEANUP(free_ptr) char *close = mem_printf("%s}", outer->close);

            place.open = open;
            place.close = close;
            try_fields(&place, fields->fields);
        } else {
            try_field(&place);
        }
    }
}

static size_t base_of(enum api_route route)
{
    for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
        if (bases[i].route == route) {
            return i;
        }
    }
    fail_msg("route %d has a body and no row in bases", (int)route);
    return 0;
}

static void test_every_field(void **state)
{
    (void)state;
    for (enum api_route route = API_ROUTE_NONE + 1; route < API_ROUTE_COUNT; route++) {
        const struct api_field *fields = api_body_fields(route);

        if (fields != NULL) {
            try_fields(&(struct place){base_of(route), NULL, "", ""}, fields);
        }
    }
    printf("%u fields, %u requests, %u accepted; %u scripts, %u words of requests in them, %u commands run\n", n_fields,
           n_sent, n_accepted, seen.scripts, seen.words, seen.commands);
    assert_true(n_fields >= 30 && seen.words > 100 && seen.commands > 50);
}

/* What the probe sent. */
static void test_the_probe(void **state)
{
    static const char body[] =
        "{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}},\"glustervolumeoptions\":"
        "[\"user.a --log-file=/etc/profile.d/x.sh\",\"user.b --remote-host=$(id>/root/owned)\"]}";
    size_t volumes = store_counts(leader->store).volumes;

    (void)state;
    assert_int_equal(ask("POST", "/volumes", "", body, strlen(body)), 400);
    assert_int_equal(store_counts(leader->store).volumes, volumes);
    assert_int_equal(store_counts(leader->store).operations, 0);
}

/* Lists without end, and keys of requests. */
static void test_lists_and_keys(void **state)
{
    static const struct {
        enum api_route route;
        const char *before, *item, *after;
        size_t n;
    } lists[] = {
        {API_ROUTE_VOLUME_CREATE, "\"glustervolumeoptions\":[", "\"a b\"", "]", 513},
        {API_ROUTE_VOLUME_CREATE, "\"clusters\":[", "\"a\"", "]", 513},
        {API_ROUTE_BLOCK_CREATE, "\"clusters\":[", "\"a\"", "]", 513},
        {API_ROUTE_NODE_ADD, "\"hostnames\":{\"manage\":[", "\"a\"", "]}", 65},
        {API_ROUTE_NODE_ADD, "\"hostnames\":{\"storage\":[", "\"a\"", "]}", 65},
        {API_ROUTE_NODE_TAGS, "\"tags\":{", "\"a%zu\":\"\"", "}", 33},
        {API_ROUTE_DEVICE_TAGS, "\"tags\":{", "\"a%zu\":\"\"", "}", 33},
        {API_ROUTE_PENDING_CLEANUP, "\"operations\":[", "\"\"", "]", 33},
    };
    CLEANUP(free_ptr) char *long_key = NULL;
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        const struct api_field none = {"x", API_FIELD_INT, 0, NULL};
        struct place place = {base_of(lists[i].route), &none, "", ""};
        CLEANUP(buf_fini) struct buf value = BUF_INIT;

        buf_printf(&value, "0,%s", lists[i].before);
        for (size_t j = 0; j < lists[i].n; j++) {
            const char *number = strstr(lists[i].item, "%zu");

            buf_append_str(&value, j > 0 ? "," : "");
            if (number != NULL) {
                buf_printf(&value, "%.*s%zu%s", (int)(number - lists[i].item), lists[i].item, j, number + 3);
            } else {
                buf_append_str(&value, lists[i].item);
            }
        }
        buf_append_str(&value, lists[i].after);
        if (send_value(&place, &value) != 400) {
            fail_msg("%s of %zu items is accepted", lists[i].before, lists[i].n);
        }
    }
    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        CLEANUP(free_ptr) char *header = mem_printf("Idempotency-Key: %s\r\n", hostile[i]);

        if (hostile[i][strcspn(hostile[i], "\r\n")] == '\0') {
            (void)ask("POST", "/volumes", header, "{\"size\":1}", 10);
            clean_up();
        }
    }
    memset(text, 'x', sizeof(text));
    long_key = mem_printf("Idempotency-Key: %.*s\r\n", 129, text);
    assert_int_equal(ask("POST", "/volumes", long_key, "{\"size\":1}", 10), 400);
}

/* ---- life ---- */

static struct id make(enum store_request_type type, bool hosts_blocks)
{
    struct store_request request;
    struct answer answer;

    store_request_init(&request, type);
    request.volume.size_gib = 5;
    request.volume.durability = STORE_REPLICATE;
    request.volume.replica = 3;
    request.volume.snapshot_factor = 1;
    request.volume.block = hosts_blocks;
    request.block_volume.size_gib = 1;
    answer = fixture_submit(&fixture, leader, &request);
    store_request_fini(&request);
    assert_int_equal(answer.kind, API_ACCEPTED);
    return fixture_finish(&fixture, leader, answer.op_id)->resource_id;
}

static int set_up(void **state)
{
    static struct exec_ops ops;

    (void)state;
    fixture_init(&fixture);
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture.cfgs[i].auth = false;
        fixture.cfgs[i].audit_off = true; /* asks nodes of its own accord */
        fixture_start(&fixture, i);
    }
    leader = fixture_leader(&fixture);
    mock_ops = leader->executor->ops;
    ops = *mock_ops;
    ops.run = run;
    for (size_t i = 0; i < FIXTURE_MEMBERS; i++) {
        fixture.members[i]->executor->ops = &ops;
        if (fixture.members[i] == leader) {
            port = fixture.cfgs[i].port;
        }
    }
    fixture_load_topology(&fixture);
    device = store_device_next(leader->store, NULL)->id;
    volume = make(STORE_REQ_VOLUME_CREATE, false);
    hosting = make(STORE_REQ_VOLUME_CREATE, true);
    block = make(STORE_REQ_BLOCK_CREATE, false);
    brick = store_volume(leader->store, volume)->bricks[0].id;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_fini(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_probe),
        cmocka_unit_test(test_lists_and_keys),
        cmocka_unit_test(test_every_field),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
