/* Shared by servers.c (settings), http.c (retries), curl.c (one exchange), lanes.c (several in flight) and job.c
 * (polling). */
#ifndef HECATE_CLI_HTTP_PRIV_H
#define HECATE_CLI_HTTP_PRIV_H

#include <curl/curl.h>

#include "cli/http.h"

struct http {
    CURL *easy;
    char **servers; /* base URLs without a final slash */
    size_t n_servers, current;
    char *user, *key;
    struct buf ca; /* certificates to trust, PEM */
};

struct http_call {
    const char *method;
    const char *path;  /* decoded */
    const char *query; /* "NAME=VALUE...", as it is sent; NULL: none */
    const json_t *body;
    const char *url;        /* NULL; else this server instead of the current one */
    bool signed_;           /* with a token */
    bool prefixed;          /* path comes after the server's own path; else it starts at its root (Location) */
    bool patient;           /* polling: the job goes on, so wait for the server to come back */
    bool long_;             /* the server may work for minutes: it is waited for as long as it answers others */
    uint32_t timeout_ms;    /* for all of it; 0: as long as the server is not silent */
    struct http_sink *sink; /* where the body of a 200 goes; NULL: into the answer */
    char key[33];           /* Idempotency-Key */
};

/* One attempt: what must live as long as it runs. */
struct attempt {
    CURL *easy; /* by the caller; the rest by attempt_begin */
    struct cli *cli;
    const struct http_call *call;
    struct buf url;
    struct curl_slist *headers;
    char *body;
    struct http_answer answer;
    curl_off_t moved;           /* bytes, up and down, when it was last looked */
    uint64_t heard_ms, sign_ms; /* monotonic: when something came of the answer; or a sign that the server lives */
    bool silent;                /* it was given up for that */
};

/* Reads the settings; once. */
int http_open(struct cli *cli);
/* All servers are URLs that can be asked; path is for the message. */
int http_check_servers(struct cli *cli, const char *path);
uint64_t http_now_ms(void); /* monotonic */
void http_make_key(struct cli *cli, struct http_call *call);
/* One attempt on the current server. NULL when an answer came; else what went wrong (free()) and whether the server may
 * have received the request. ret_answer is valid in both cases. */
char *http_once(struct cli *cli, const struct http_call *call, struct http_answer *ret_answer, bool *ret_sent);
/* The two halves of it: all but the transfer itself. The call must live until its end. */
void attempt_begin(struct cli *cli, const struct http_call *call, struct attempt *attempt);
char *attempt_end(struct attempt *attempt, CURLcode code, struct http_answer *ret_answer, bool *ret_sent);
/* With retries; ret_answer is valid (and to be finished) when it returns 0. */
int http_exchange(struct cli *cli, struct http_call *call, struct http_answer *ret_answer);
/* The JSON of an answer with this status. */
int http_document(struct cli *cli, const struct http_answer *answer, long status, json_t **ret_document);

#endif
