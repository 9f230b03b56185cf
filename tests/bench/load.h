/* A load client for the benchmark: many requests at a time over libcurl's multi interface, one thread.
 *
 * A mode decides what each client asks next; load.c makes the requests and hands the answers back.
 */
#ifndef HECATE_TESTS_BENCH_LOAD_H
#define HECATE_TESTS_BENCH_LOAD_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#define LOAD_URLS_MAX 9
#define LOAD_NEVER UINT64_MAX

struct load;

struct load_client {
    struct load *load;
    CURL *easy;
    struct curl_slist *headers;
    size_t url; /* which member */
    bool busy;
    uint64_t due_us, started_us;
    /* of the answer */
    char location[256];
    bool pending;
    /* of the mode */
    char queue[256]; /* the job that is followed, "" none */
    char body[256];
    unsigned polls;
    size_t item;
};

struct load_answer {
    long status;      /* 0: no answer */
    uint64_t took_us; /* from the request to the last byte */
};

struct load_mode {
    const char *name;
    void (*start)(struct load *load);
    void (*next)(struct load_client *client); /* the client is due: it asks, or sets due_us */
    void (*answered)(struct load_client *client, const struct load_answer *answer);
    void (*input)(struct load *load, const char *line); /* a line of standard input, NULL at its end; or NULL */
    void (*report)(struct load *load);                  /* prints one JSON object */
};

struct load {
    const char *urls[LOAD_URLS_MAX];
    size_t n_urls;
    const char *key, *path, *file, *name;
    size_t n_clients, count;
    double seconds;
    uint64_t interval_us, started_us, now_us;
    const struct load_mode *mode;
    struct load_client *clients;
    CURLM *multi;
    bool finished;
    /* of the modes */
    size_t begun, done, refused, failed, lost;
    uint64_t *done_us;
    uint32_t *took_us;
    uint64_t last_ok_us, longest_us;
    char **items;
    size_t n_items;
    bool draining;
    FILE *out;
};

extern const struct load_mode load_mode_create, load_mode_get, load_mode_watch, load_mode_accept, load_mode_settle;

/* Asks; body NULL: a GET. */
void load_ask(struct load_client *client, const char *path, const char *body);
/* The q-quantile (0..1) of n values, which are sorted in place; 0 of none. */
uint32_t load_quantile(uint32_t *values, size_t n, double q);

/* token.c: "Authorization: bearer ..." for this request, in Heketi's form; the caller frees. */
char *load_token(const char *key, const char *method, const char *path);

#endif
