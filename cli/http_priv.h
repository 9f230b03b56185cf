/* Shared by http.c (retries), curl.c (one exchange) and job.c (polling). */
#ifndef HECATE_CLI_HTTP_PRIV_H
#define HECATE_CLI_HTTP_PRIV_H

#include <curl/curl.h>

#include "cli/http.h"

#define HTTP_LANES 8 /* requests of http_get_many in flight */

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
    const char *url;     /* NULL; else this server instead of the current one */
    bool signed_;        /* with a token */
    bool prefixed;       /* path comes after the server's own path; else it starts at its root (Location) */
    bool patient;        /* polling: the job goes on, so wait for the server to come back */
    uint32_t timeout_ms; /* 0: as usual */
    char key[33];        /* Idempotency-Key */
};

/* Reads the settings; once. */
int http_open(struct cli *cli);
/* All servers are URLs that can be asked; path is for the message. */
int http_check_servers(struct cli *cli, const char *path);
void http_make_key(struct cli *cli, struct http_call *call);
/* One attempt on the current server. NULL when an answer came; else what went wrong (free()) and whether the server may
 * have received the request. ret_answer is valid in both cases. */
char *http_once(struct cli *cli, const struct http_call *call, struct http_answer *ret_answer, bool *ret_sent);
/* GETs of /PREFIX/ID, several in flight, without retries. ret_documents[i]: of ids[i], or NULL: not got, perhaps not
 * even asked for, since after a failure no further ones are. */
void http_get_many(struct cli *cli, const char *prefix, const char *const *ids, size_t n, json_t **ret_documents);
/* With retries; ret_answer is valid (and to be finished) when it returns 0. */
int http_exchange(struct cli *cli, struct http_call *call, struct http_answer *ret_answer);
/* The JSON of an answer with this status. */
int http_document(struct cli *cli, const struct http_answer *answer, long status, json_t **ret_document);

#endif
