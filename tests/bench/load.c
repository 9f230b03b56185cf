#include "tests/bench/load.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "store/base/check.h"
#include "store/base/mem.h"

#define REQUEST_TIMEOUT_MS 15000L
#define WAIT_MAX_MS UINT64_C(1000)

static const struct load_mode *const modes[] = {&load_mode_create, &load_mode_get,    &load_mode_watch,
                                                &load_mode_accept, &load_mode_settle, NULL};

static uint64_t clock_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

uint32_t load_quantile(uint32_t *values, size_t n, double q)
{
    size_t at = (size_t)(q * (double)n);

    if (n == 0) {
        return 0;
    }
    qsort(values, n, sizeof(*values), by_value);
    return values[at < n ? at : n - 1];
}

/* ---- one request ---- */

static size_t got_header(char *data, size_t size, size_t n, void *user)
{
    struct load_client *client = user;
    size_t len = size * n;
    static const char location[] = "location: ", pending[] = "x-pending: true";

    if (len > strlen(location) && strncasecmp(data, location, strlen(location)) == 0) {
        size_t value_len = len - strlen(location);

        CHECK(value_len < sizeof(client->location));
        memcpy(client->location, data + strlen(location), value_len);
        client->location[value_len] = '\0';
        client->location[strcspn(client->location, "\r\n")] = '\0';
    } else if (len >= strlen(pending) && strncasecmp(data, pending, strlen(pending)) == 0) {
        client->pending = true;
    }
    return len;
}

static size_t got_body(char *data, size_t size, size_t n, void *user)
{
    (void)data;
    (void)user;
    return size * n;
}

static void client_init(struct load *load, struct load_client *client, size_t number)
{
    client->load = load;
    client->url = number % load->n_urls;
    client->easy = curl_easy_init();
    CHECK(client->easy != NULL);
    curl_easy_setopt(client->easy, CURLOPT_PRIVATE, client);
    curl_easy_setopt(client->easy, CURLOPT_HEADERFUNCTION, got_header);
    curl_easy_setopt(client->easy, CURLOPT_HEADERDATA, client);
    curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, got_body);
    curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, REQUEST_TIMEOUT_MS);
    curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->easy, CURLOPT_TCP_NODELAY, 1L);
}

void load_ask(struct load_client *client, const char *path, const char *body)
{
    struct load *load = client->load;
    CLEANUP(free_ptr) char *url = mem_printf("%s%s", load->urls[client->url], path);
    CLEANUP(free_ptr) char *token = load_token(load->key, body != NULL ? "POST" : "GET", path);

    curl_slist_free_all(client->headers);
    client->headers = curl_slist_append(NULL, token);
    curl_easy_setopt(client->easy, CURLOPT_URL, url);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers);
    if (body != NULL) {
        curl_easy_setopt(client->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(client->easy, CURLOPT_COPYPOSTFIELDS, body);
    } else {
        curl_easy_setopt(client->easy, CURLOPT_HTTPGET, 1L);
    }
    client->location[0] = '\0';
    client->pending = false;
    client->busy = true;
    client->started_us = clock_us();
    CHECK(curl_multi_add_handle(load->multi, client->easy) == CURLM_OK);
}

static void take_answers(struct load *load)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(load->multi, &left)) != NULL) {
        struct load_client *client = NULL;
        struct load_answer answer = {0};

        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &client);
        if (message->data.result == CURLE_OK) {
            curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &answer.status);
        }
        curl_multi_remove_handle(load->multi, client->easy);
        client->busy = false;
        load->now_us = clock_us();
        answer.took_us = load->now_us - client->started_us;
        client->due_us = load->now_us;
        load->mode->answered(client, &answer);
    }
}

/* ---- the loop ---- */

static void read_input(struct load *load)
{
    char line[256];

    /* One line at a time is written, and answered, before the next. */
    load->mode->input(load, fgets(line, sizeof(line), stdin));
}

static void start_due(struct load *load)
{
    load->now_us = clock_us();
    for (size_t i = 0; i < load->n_clients && !load->finished; i++) {
        struct load_client *client = &load->clients[i];

        if (!client->busy && client->due_us <= load->now_us) {
            load->mode->next(client);
        }
    }
}

/* Until the next client is due, in whole milliseconds, rounded up. */
static int wait_ms(struct load *load)
{
    uint64_t soonest_us = clock_us() + 1000 * WAIT_MAX_MS;

    for (size_t i = 0; i < load->n_clients; i++) {
        if (!load->clients[i].busy && load->clients[i].due_us < soonest_us) {
            soonest_us = load->clients[i].due_us;
        }
    }
    load->now_us = clock_us();
    return soonest_us > load->now_us ? (int)((soonest_us - load->now_us + 999) / 1000) : 0;
}

static void run(struct load *load)
{
    struct curl_waitfd input = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
    unsigned n_input = load->mode->input != NULL;

    load->started_us = load->last_ok_us = clock_us();
    while (!load->finished) {
        int running;

        start_due(load);
        CHECK(curl_multi_perform(load->multi, &running) == CURLM_OK);
        take_answers(load);
        input.revents = 0;
        CHECK(curl_multi_poll(load->multi, &input, n_input, wait_ms(load), NULL) == CURLM_OK);
        if (n_input > 0 && input.revents != 0 && !load->draining) {
            read_input(load);
            n_input = !load->draining;
        }
        if (load->seconds > 0 && (double)(clock_us() - load->started_us) > load->seconds * 1e6) {
            load->finished = true;
        }
    }
    load->now_us = clock_us();
    load->mode->report(load);
}

/* ---- command line ---- */

static const struct argp_option options[] = {
    {"url", 'u', "URL", 0, "A member; several: clients are spread over them", 0},
    {"clients", 'c', "N", 0, "How many ask at the same time (1)", 0},
    {"count", 'n', "N", 0, "create: how many volumes", 0},
    {"seconds", 's', "S", 0, "End after this time", 0},
    {"key", 'k', "KEY", 0, "The administrator's key", 0},
    {"path", 'p', "PATH", 0, "get, watch: what is asked", 0},
    {"interval-ms", 'i', "MS", 0, "watch: pause of each client between two requests (5)", 0},
    {"file", 'f', "FILE", 0, "accept: queue ids are written to it; settle: read from it", 0},
    {"name", 'N', "PREFIX", 0, "create, accept: volumes are named PREFIX-NUMBER", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct load *load = state->input;

    switch (key) {
    case 'u':
        if (load->n_urls == LOAD_URLS_MAX) {
            argp_error(state, "too many members");
        }
        load->urls[load->n_urls++] = arg;
        return 0;
    case 'c':
        load->n_clients = strtoul(arg, NULL, 10);
        return 0;
    case 'n':
        load->count = strtoul(arg, NULL, 10);
        return 0;
    case 's':
        load->seconds = strtod(arg, NULL);
        return 0;
    case 'k':
        load->key = arg;
        return 0;
    case 'p':
        load->path = arg;
        return 0;
    case 'i':
        load->interval_us = 1000 * strtoul(arg, NULL, 10);
        return 0;
    case 'f':
        load->file = arg;
        return 0;
    case 'N':
        load->name = arg;
        return 0;
    case ARGP_KEY_ARG:
        for (size_t i = 0; modes[i] != NULL; i++) {
            load->mode = strcmp(modes[i]->name, arg) == 0 ? modes[i] : load->mode;
        }
        return 0;
    case ARGP_KEY_END:
        if (load->mode == NULL || load->n_urls == 0 || load->n_clients == 0) {
            argp_error(state, "a mode (create, get, watch, accept, settle) and --url are needed");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {options, parse_option, "MODE", "Load on a cluster, for tests/bench/run.", 0, 0, 0};

int main(int argc, char **argv)
{
    struct load load = {.n_clients = 1, .interval_us = 5000, .key = "admin-secret", .path = "/clusters", .name = "b"};

    argp_parse(&parser, argc, argv, 0, NULL, &load);
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    load.multi = curl_multi_init();
    CHECK(load.multi != NULL);
    load.clients = mem_calloc(load.n_clients, sizeof(*load.clients));
    for (size_t i = 0; i < load.n_clients; i++) {
        client_init(&load, &load.clients[i], i);
    }
    load.mode->start(&load);
    run(&load);
    return 0; /* the process ends: everything goes with it */
}
