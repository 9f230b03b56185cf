/* The objects of a list of ids.
 *
 * Few: one after the other, as the original does. Many: several requests are in flight, a bounded number ahead of the
 * object whose turn it is, so that neither all requests nor all answers are there at once. What a lane has not got is
 * asked for again when its turn comes, alone, with all retries and with its own error. */
#include <stdlib.h>
#include <string.h>

#include "cli/http_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define MANY 32
#define LANES 8   /* requests in flight */
#define WINDOW 64 /* objects that are asked for or wait for their turn */

enum slot_state {
    SLOT_ASKED,
    SLOT_HERE,
    SLOT_GONE,   /* it was deleted meanwhile */
    SLOT_FAILED, /* to be asked for again */
};

struct slot {
    enum slot_state state;
    json_t *document; /* while HERE */
};

struct lane { /* one request at a time, over a connection that is kept */
    struct attempt attempt;
    struct http_call call;
    char *path;
    size_t at; /* in the list */
    bool busy;
};

struct lanes {
    struct cli *cli;
    const char *prefix;
    const json_t *ids;
    CURLM *multi;
    struct lane lane[LANES];
    unsigned n_busy;
    struct slot slots[WINDOW]; /* of object i: i % WINDOW */
    size_t asked, given;       /* objects so far */
};

static const char *id_at(const json_t *ids, size_t i)
{
    return json_string_value(json_array_get(ids, i));
}

static struct slot *slot_of(struct lanes *lanes, size_t at)
{
    return &lanes->slots[at % WINDOW];
}

static bool has_next(const struct lanes *lanes)
{
    return lanes->n_busy < LANES && lanes->asked < json_array_size(lanes->ids) && lanes->asked - lanes->given < WINDOW;
}

static void lane_start(struct lanes *lanes, struct lane *lane)
{
    lane->at = lanes->asked++;
    lane->path = mem_printf("%s%s", lanes->prefix, id_at(lanes->ids, lane->at));
    lane->call = (struct http_call){.method = "GET", .path = lane->path, .signed_ = true, .prefixed = true};
    lane->busy = true;
    lanes->n_busy++;
    slot_of(lanes, lane->at)->state = SLOT_ASKED;
    attempt_begin(lanes->cli, &lane->call, &lane->attempt);
    curl_easy_setopt(lane->attempt.easy, CURLOPT_PRIVATE, lane);
    CHECK(curl_multi_add_handle(lanes->multi, lane->attempt.easy) == CURLM_OK);
}

static void lane_end(struct lanes *lanes, struct lane *lane, CURLcode code)
{
    struct slot *slot = slot_of(lanes, lane->at);
    struct http_answer answer;
    bool sent;

    CHECK(curl_multi_remove_handle(lanes->multi, lane->attempt.easy) == CURLM_OK);
    free(attempt_end(&lane->attempt, code, &answer, &sent));
    if (code == CURLE_OK && answer.status == 200) {
        slot->document = json_loadb(buf_str(&answer.body), answer.body.len, JSON_ALLOW_NUL, NULL);
    }
    slot->state = slot->document != NULL                     ? SLOT_HERE
                  : code == CURLE_OK && answer.status == 404 ? SLOT_GONE
                                                             : SLOT_FAILED;
    http_answer_fini(&answer);
    free(lane->path);
    lane->busy = false;
    lanes->n_busy--;
}

static void collect(struct lanes *lanes)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(lanes->multi, &left)) != NULL) {
        struct lane *lane = NULL;

        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;

            CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&lane) == CURLE_OK);
            lane_end(lanes, lane, code);
        }
    }
}

/* One that is gone is left out. */
static int give_one(struct cli *cli, const char *prefix, const char *id, http_each_cb *cb, void *user)
{
    json_t *document;

    if (http_find_id(cli, prefix, id, &document) != 0) {
        return -1;
    }
    if (document != NULL) {
        cb(user, document);
        json_decref(document);
    }
    return 0;
}

/* Those whose turn it is, up to the first that has not come yet. */
static int give(struct lanes *lanes, http_each_cb *cb, void *user)
{
    int rc = 0;

    while (rc == 0 && lanes->given < lanes->asked && slot_of(lanes, lanes->given)->state != SLOT_ASKED) {
        struct slot *slot = slot_of(lanes, lanes->given);

        if (slot->state == SLOT_HERE) {
            cb(user, slot->document);
            json_decref(TAKE_PTR(slot->document));
        } else if (slot->state == SLOT_FAILED) {
            rc = give_one(lanes->cli, lanes->prefix, id_at(lanes->ids, lanes->given), cb, user);
        }
        lanes->given++;
    }
    return rc;
}

static void lanes_end(struct lanes *lanes)
{
    for (size_t i = 0; i < LANES; i++) {
        if (lanes->lane[i].busy) {
            lane_end(lanes, &lanes->lane[i], CURLE_ABORTED_BY_CALLBACK);
        }
        curl_easy_cleanup(lanes->lane[i].attempt.easy);
    }
    for (size_t i = 0; i < WINDOW; i++) {
        json_decref(lanes->slots[i].document);
    }
    (void)curl_multi_cleanup(lanes->multi);
}

static int each_of_many(struct cli *cli, const char *prefix, const json_t *ids, http_each_cb *cb, void *user)
{
    struct lanes lanes = {.cli = cli, .prefix = prefix, .ids = ids, .multi = curl_multi_init()};
    int running, rc = 0;

    CHECK(lanes.multi != NULL);
    (void)fflush(cli->out);
    for (size_t i = 0; i < LANES; i++) {
        lanes.lane[i].attempt.easy = curl_easy_init();
        CHECK(lanes.lane[i].attempt.easy != NULL);
    }
    while (rc == 0 && lanes.given < json_array_size(ids)) {
        for (size_t i = 0; i < LANES && has_next(&lanes); i++) {
            if (!lanes.lane[i].busy) {
                lane_start(&lanes, &lanes.lane[i]);
            }
        }
        CHECK(curl_multi_perform(lanes.multi, &running) == CURLM_OK);
        collect(&lanes);
        rc = give(&lanes, cb, user);
        if (rc == 0 && lanes.n_busy > 0 && !has_next(&lanes)) {
            CHECK(curl_multi_poll(lanes.multi, NULL, 0, 1000, NULL) == CURLM_OK);
        }
    }
    lanes_end(&lanes);
    return rc;
}

int http_each(struct cli *cli, const char *prefix, const json_t *ids, http_each_cb *cb, void *user)
{
    size_t n = json_array_size(ids);
    int rc = http_open(cli);

    for (size_t i = 0; i < n && rc == 0; i++) {
        if (id_at(ids, i) == NULL) {
            rc = cli_fail(cli, "the server's list holds no ids");
        }
    }
    if (rc == 0 && n >= MANY) {
        return http_check_servers(cli, prefix) != 0 ? -1 : each_of_many(cli, prefix, ids, cb, user);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = give_one(cli, prefix, id_at(ids, i), cb, user);
    }
    return rc;
}
