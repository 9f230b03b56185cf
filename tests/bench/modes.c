/* What the clients ask: create volumes, read one, watch for gaps, accept without waiting, settle what was accepted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "tests/bench/load.h"

#define RETRY_US 5000
#define POLL_FIRST_US 1000
#define POLL_MAX_US 16000
#define ANSWERS_MAX ((size_t)1 << 21)

static void no_start(struct load *load)
{
    (void)load;
}

static double seconds_since_start(const struct load *load)
{
    return (double)(load->now_us - load->started_us) / 1e6;
}

static void ask_create(struct load_client *client, size_t number)
{
    (void)snprintf(
        client->body, sizeof(client->body),
        "{\"size\":1,\"name\":\"%s-%zu\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}}",
        client->load->name, number);
    load_ask(client, "/volumes", client->body);
}

static void next_member(struct load_client *client)
{
    client->url = (client->url + 1) % client->load->n_urls;
    client->due_us = client->load->now_us + RETRY_US;
}

/* Longer from poll to poll, as a patient client does. */
static void poll_later(struct load_client *client)
{
    uint64_t wait_us = (uint64_t)POLL_FIRST_US << (client->polls < 4 ? client->polls : 4);

    client->polls++;
    client->due_us = client->load->now_us + (wait_us < POLL_MAX_US ? wait_us : POLL_MAX_US);
}

/* ---- create: COUNT volumes, each from POST to the end of its queue ---- */

static void create_start(struct load *load)
{
    CHECK(load->count > 0);
    load->done_us = mem_calloc(load->count, sizeof(*load->done_us));
    load->took_us = mem_calloc(load->count, sizeof(*load->took_us));
}

static void create_next(struct load_client *client)
{
    struct load *load = client->load;

    if (client->queue[0] != '\0') {
        load_ask(client, client->queue, NULL);
    } else if (client->item != 0) {
        ask_create(client, client->item); /* refused before */
    } else if (load->begun < load->count) {
        client->item = ++load->begun;
        client->polls = 0;
        load->took_us[client->item - 1] = (uint32_t)(load->now_us - load->started_us);
        ask_create(client, client->item);
    } else {
        client->due_us = LOAD_NEVER;
    }
}

static void create_answered(struct load_client *client, const struct load_answer *answer)
{
    struct load *load = client->load;
    bool polling = client->queue[0] != '\0';

    if (answer->status == 202) {
        memcpy(client->queue, client->location, sizeof(client->queue));
        poll_later(client);
    } else if (answer->status == 200 && client->pending) {
        poll_later(client);
    } else if (answer->status == 0 || answer->status == 429 || answer->status == 503) {
        load->refused++;
        next_member(client);
    } else {
        uint32_t *took_us = &load->took_us[client->item - 1];

        *took_us = (uint32_t)(load->now_us - load->started_us) - *took_us;
        load->failed += !polling || answer->status != 303;
        load->done_us[load->done++] = load->now_us;
        client->queue[0] = '\0';
        client->item = 0;
        load->finished = load->done == load->count;
    }
}

/* Volumes per second of the part first..last of what was done. */
static double rate(const struct load *load, size_t first, size_t last)
{
    uint64_t from_us = first == 0 ? load->started_us : load->done_us[first - 1];

    return last > first && load->done_us[last - 1] > from_us
               ? (double)(last - first) * 1e6 / (double)(load->done_us[last - 1] - from_us)
               : 0;
}

static void create_report(struct load *load)
{
    size_t tenth = load->done / 10;
    double first = rate(load, 0, tenth), last = rate(load, load->done - tenth, load->done);
    double all = rate(load, 0, load->done);

    printf("{\"done\":%zu,\"failed\":%zu,\"refused\":%zu,\"per_s\":%.1f,\"first_tenth_per_s\":%.1f,"
           "\"last_tenth_per_s\":%.1f,\"p50_us\":%u,\"p99_us\":%u}\n",
           load->done, load->failed, load->refused, all, first, last, load_quantile(load->took_us, load->done, 0.5),
           load_quantile(load->took_us, load->done, 0.99));
}

const struct load_mode load_mode_create = {"create", create_start, create_next, create_answered, NULL, create_report};

/* ---- get: PATH again and again ---- */

static void get_start(struct load *load)
{
    CHECK(load->seconds > 0);
    load->took_us = mem_calloc(ANSWERS_MAX, sizeof(*load->took_us));
}

static void get_next(struct load_client *client)
{
    load_ask(client, client->load->path, NULL);
}

static void get_answered(struct load_client *client, const struct load_answer *answer)
{
    struct load *load = client->load;

    load->failed += answer->status != 200;
    if (load->done < ANSWERS_MAX) {
        load->took_us[load->done] = (uint32_t)answer->took_us;
    }
    load->done++;
}

static void get_report(struct load *load)
{
    size_t kept = load->done < ANSWERS_MAX ? load->done : ANSWERS_MAX;

    printf("{\"done\":%zu,\"failed\":%zu,\"per_s\":%.1f,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u}\n", load->done,
           load->failed, (double)load->done / seconds_since_start(load), load_quantile(load->took_us, kept, 0.5),
           load_quantile(load->took_us, kept, 0.99), load_quantile(load->took_us, kept, 1));
}

const struct load_mode load_mode_get = {"get", get_start, get_next, get_answered, NULL, get_report};

/* ---- watch: all members every few milliseconds; a line of input asks for the longest time without a 200 ---- */

static void watch_answered(struct load_client *client, const struct load_answer *answer)
{
    struct load *load = client->load;

    if (answer->status == 200) {
        uint64_t gap_us = load->now_us - load->last_ok_us;

        load->longest_us = gap_us > load->longest_us ? gap_us : load->longest_us;
        load->last_ok_us = load->now_us;
    }
    load->done++;
    load->failed += answer->status != 200;
    client->due_us = load->now_us + load->interval_us;
}

static void watch_report(struct load *load)
{
    printf("{\"longest_us\":%lu,\"asked\":%zu,\"not_200\":%zu}\n", (unsigned long)load->longest_us, load->done,
           load->failed);
    (void)fflush(stdout); /* the reader sees its end if it failed */
    load->longest_us = 0;
}

static void watch_input(struct load *load, const char *line)
{
    if (line == NULL) {
        load->draining = load->finished = true;
    } else {
        watch_report(load);
    }
}

const struct load_mode load_mode_watch = {"watch", no_start, get_next, watch_answered, watch_input, watch_report};

/* ---- accept: volumes without waiting for them, until the input ends; queue ids go to FILE ---- */

static void accept_start(struct load *load)
{
    CHECK(load->file != NULL);
    load->out = fopen(load->file, "we");
    CHECK_MSG(load->out != NULL, "%s cannot be written", load->file);
}

static void accept_next(struct load_client *client)
{
    struct load *load = client->load;

    if (load->draining) {
        client->due_us = LOAD_NEVER;
        load->finished = true;
        for (size_t i = 0; i < load->n_clients; i++) {
            load->finished = load->finished && !load->clients[i].busy;
        }
    } else {
        ask_create(client, ++load->begun);
    }
}

static void accept_answered(struct load_client *client, const struct load_answer *answer)
{
    struct load *load = client->load;

    if (answer->status == 202) {
        CHECK(fprintf(load->out, "%s\n", client->location) > 0);
        load->done++;
        client->due_us = load->now_us + load->interval_us;
    } else {
        load->refused++;
        next_member(client);
    }
}

static void accept_input(struct load *load, const char *line)
{
    load->draining = line == NULL;
}

static void accept_report(struct load *load)
{
    CHECK(fclose(load->out) == 0);
    printf("{\"accepted\":%zu,\"not_accepted\":%zu}\n", load->done, load->refused);
}

const struct load_mode load_mode_accept = {"accept",        accept_start, accept_next,
                                           accept_answered, accept_input, accept_report};

/* ---- settle: every queue id in FILE to its end ---- */

static void settle_start(struct load *load)
{
    FILE *in = fopen(load->file != NULL ? load->file : "", "re");
    char line[256];

    CHECK_MSG(in != NULL, "the file of queue ids cannot be read");
    while (fgets(line, sizeof(line), in) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        load->items = mem_realloc_array(load->items, load->n_items + 1, sizeof(*load->items));
        load->items[load->n_items++] = mem_strdup(line);
    }
    (void)fclose(in); /* was only read */
}

static void settle_next(struct load_client *client)
{
    struct load *load = client->load;

    load->finished = load->done == load->n_items;
    if (client->item == 0 && load->begun < load->n_items) {
        client->item = ++load->begun;
        client->polls = 0;
    }
    if (client->item == 0) {
        client->due_us = LOAD_NEVER;
    } else {
        load_ask(client, load->items[client->item - 1], NULL);
    }
}

static void settle_answered(struct load_client *client, const struct load_answer *answer)
{
    struct load *load = client->load;

    if (answer->status == 0 || answer->status == 503) {
        next_member(client);
    } else if (answer->status == 200 && client->pending) {
        poll_later(client);
    } else {
        load->lost += answer->status == 404;
        load->failed += answer->status != 303 && answer->status != 404;
        load->done++;
        client->item = 0;
        load->finished = load->done == load->n_items;
    }
}

static void settle_report(struct load *load)
{
    printf("{\"asked\":%zu,\"ended\":%zu,\"lost\":%zu,\"failed\":%zu,\"open\":%zu}\n", load->n_items,
           load->done - load->lost, load->lost, load->failed, load->n_items - load->done);
}

const struct load_mode load_mode_settle = {"settle", settle_start, settle_next, settle_answered, NULL, settle_report};
