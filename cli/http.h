/* Requests to the REST API: tokens, several servers, retries, redirects, jobs. */
#ifndef HECATE_CLI_HTTP_H
#define HECATE_CLI_HTTP_H

#include "cli/cli.h"

struct http_answer {
    long status;
    struct buf body;
    char *location;        /* NULL: none */
    bool pending;          /* X-Pending: true */
    bool json;             /* Content-Type says so */
    int64_t retry_after_s; /* -1: none */
    bool too_long;         /* more than is kept in memory came */
    bool final;            /* no answer came, and asking again would not help */
};

/* Takes a long body as it comes. */
struct http_sink {
    FILE *file;
    bool own;       /* a file that is begun anew when an answer is broken off; else what went out stays out */
    uint64_t bytes; /* taken so far */
    int error;      /* errno of a write that failed, or 0 */
};

void http_answer_fini(struct http_answer *answer);

/* One request with the retries that are safe (http.c tells which). path: decoded; it is encoded and signed here. body:
 * borrowed, NULL for none. Any status is a success of this function. */
int http_request(struct cli *cli, const char *method, const char *path, const json_t *body,
                 struct http_answer *ret_answer);
/* The same for what may take the server minutes. It is waited for as long as it gives signs of life, since to ask
 * another one would begin all of it again. sink, or NULL: takes the body of a 200. */
int http_long(struct cli *cli, const char *method, const char *path, const json_t *body, struct http_sink *sink,
              struct http_answer *ret_answer);
/* As http_request, but any other status than this one is a failure with the server's message. */
int http_expect(struct cli *cli, const char *method, const char *path, const json_t *body, long status,
                struct http_answer *ret_answer);
/* POST that must give 201 and JSON: new reference. */
int http_make(struct cli *cli, const char *path, const json_t *body, json_t **ret_object);
/* POST of PATH?QUERY that must give 200 and JSON: new reference. */
int http_ask(struct cli *cli, const char *path, const char *query, const json_t *body, json_t **ret_document);
/* GET that must give 200 and JSON: new reference. */
int http_get(struct cli *cli, const char *path, json_t **ret_document);
/* GET of /PREFIX/ID. */
int http_get_id(struct cli *cli, const char *prefix, const char *id, json_t **ret_document);
/* The same; NULL, and no failure, when there is no such object (404). */
int http_find_id(struct cli *cli, const char *prefix, const char *id, json_t **ret_document);
typedef void http_each_cb(void *user, const json_t *object);
/* The same for a list of ids: cb gets each object when it has come, in the order of the list. Those that are gone are
 * left out, since a list is that of a moment. Several requests are in flight when there are many, and a bounded number
 * of objects is in memory. -1: failed, after some of them perhaps. */
int http_each(struct cli *cli, const char *prefix, const json_t *ids, http_each_cb *cb, void *user);
/* A request with a job: waits for its end and follows to the resource (new reference). ret_resource NULL: the job must
 * end without one. */
int http_job(struct cli *cli, const char *method, const char *path, const json_t *body, json_t **ret_resource);
/* The same, of PATH?QUERY. */
int http_job_query(struct cli *cli, const char *method, const char *path, const char *query, const json_t *body,
                   json_t **ret_resource);
/* Fails with the server's message. */
int http_fail(struct cli *cli, const struct http_answer *answer);
/* GET /cluster/status without a token, from the leader if it can be reached (its document says most). */
int http_status(struct cli *cli, json_t **ret_document);
void http_free(struct http *http);

#endif
