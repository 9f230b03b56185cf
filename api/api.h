/* The REST API on h2o: Heketi's contract and ours. Asks for changes through struct api_backend and knows nothing of
 * operations, executors or consensus. */
#ifndef HECATE_API_API_H
#define HECATE_API_API_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/store.h"

struct api_leader { /* where requests are forwarded to */
    char host[256];
    uint16_t port;
    bool tls;
};

enum api_submit_kind {
    API_DONE,        /* applied: `id` is the object created or changed */
    API_ACCEPTED,    /* an operation or job: answer 202 with /queue/<op_id> */
    API_REFUSED,     /* `code` and `text` say why */
    API_UNAVAILABLE, /* no leader any more, or outcome unknown: 503 */
};

struct api_submit_result {
    enum api_submit_kind kind;
    struct id id, op_id;
    enum store_code code;
    const char *text; /* complete client text without final LF; valid during the callback */
    /* UNAVAILABLE: certainly nothing was changed. The API then tries again where the leader is instead of failing. */
    bool untouched;
};

typedef void (*api_submit_cb)(void *cb_user, const struct api_submit_result *result);

/* A document that was made: status 200, or 409, 422, 503 with a reason in it. json is borrowed. */
typedef void (*api_document_cb)(void *cb_user, int status, const json_t *json);
/* The same for one that may be large: a JSON object without spaces between, made elsewhere than on the loop; or a
 * status of 429 or 503 with a reason in it. Takes the text. */
typedef void (*api_text_cb)(void *cb_user, int status, char *text);

/* Administration of the cluster of members itself. */
enum api_admin {
    /* body, all optional: member: who is to lead; from: who leads now, so that a repetition does nothing */
    API_ADMIN_TRANSFER,
    API_ADMIN_MEMBERS, /* the list */
    /* body: member, peer, api: adds it or tells where it is now; standby: without a vote; replace: it has lost its disk
     */
    API_ADMIN_MEMBER_ADD,
    API_ADMIN_MEMBER_REMOVE,    /* member in the path */
    API_ADMIN_MEMBER_PROMOTE,   /* member in the path: gets a vote */
    API_ADMIN_MEMBER_RENEW,     /* member in the path: its key is forgotten, the next one taken */
    API_ADMIN_UPGRADE,          /* the feature level, and what the members know */
    API_ADMIN_UPGRADE_HOLD,     /* the level is not raised */
    API_ADMIN_UPGRADE_FINALIZE, /* it is, as soon as all members know the next one */
};

struct api_backend {
    void *user;
    /* This member is the leader, holds the lease now and has applied its barrier. Asked before every answer. */
    bool (*serving)(void *user);
    /* Another member leads and its API address is known. */
    bool (*leader)(void *user, struct api_leader *ret_leader);
    /* Is it the address of another member? Those find a place where others do not. NULL: nobody's. */
    bool (*is_member)(void *user, const struct sockaddr *address);
    const struct store *(*store)(void *user);
    /* Plans, proposes and answers; cb fires exactly once from the loop, possibly before submit returns. Takes nothing:
     * the request is copied. */
    void (*submit)(void *user, const struct store_request *request, api_submit_cb cb, void *cb_user);
    /* Somebody asks what became of this queue id. NULL: nobody wants to know. */
    void (*asked)(void *user, struct id op_id);
    /* What store_plan makes of the request now; nothing is changed. reasons: empty, filled when there is no place. */
    enum store_code (*plan)(void *user, const struct store_request *request, struct store_reasons *reasons,
                            struct store_cmd *ret_cmd, struct store_result *ret_result);
    /* The document of GET /cluster/status; answered by every member. New reference. */
    json_t *(*status)(void *user);
    /* Steps of an operation for GET /operations/...: at most max of them, *ret_n there are; new reference to an array.
     */
    json_t *(*operation_steps)(void *user, struct id op_id, size_t max, size_t *ret_n);
    /* What GET /metrics shows of this member besides the store and the API: appends lines in Prometheus' text format.
     */
    void (*metrics)(void *user, struct buf *buf);
    /* The id of this cluster: a dump's generation. */
    struct id (*generation)(void *user);
    /* Asked of the serving leader. NULL, or why the database is neither shown nor changed yet. */
    const char *(*blocked)(void *user);
    /* What is on the storage nodes: the members of GET /internal/state/examine/gluster beside the dump. cb once. */
    void (*examine)(void *user, api_text_cb cb, void *cb_user);
    /* Before the cb of this examine: nobody wants it any more, and it is not called. */
    void (*examine_forget)(void *user, void *cb_user);
    /* Fills the empty database from a dump of Heketi's (dump and report as in daemon/import.h); cb exactly once, later.
     * Takes the text: freed by the backend. */
    void (*import)(void *user, char *dump, size_t len, api_document_cb cb, void *cb_user);
    /* Asked of the serving leader. member: the one in the path, 0 none; body: the request's JSON object, borrowed, or
     * NULL. cb exactly once, possibly before admin returns; a refusal is a document with "error" and a status of 4xx or
     * 503. */
    void (*admin)(void *user, enum api_admin what, uint64_t member, const json_t *body, api_document_cb cb,
                  void *cb_user);
};

#define API_ADMIN_PLACES 100 /* of those for creates (store_places): a user's key does not get them */

struct api_config {
    const char *listen_host; /* "0.0.0.0", "::" or an address; */
    uint16_t port;
    bool tls;
    const char *cert_file, *key_file;
    bool auth; /* false only by --disable-auth */
    const char *admin_key, *user_key;
    uint32_t iat_leeway_s;        /* 120 */
    uint64_t brick_min_kib;       /* for the minimum size check */
    enum store_mode default_mode; /* while no mode was ever set; UNSET is normal */
    uint32_t max_inflight;        /* 0: not configured, the store's limit holds */
    size_t body_max_bytes;        /* 1 MiB */
    size_t import_max_bytes;      /* of POST /db/import, one at a time: 64 MiB; 0: as others */
    size_t connections_max;       /* api_connections_max; an eighth of them only for members */
    uint32_t request_timeout_ms;  /* how long a request waits for a lease, a leader, a submit: 10000 */
    const char *forward_ca_file;  /* verify the leader's certificate; NULL with tls: not verified is refused */
    uint64_t member_id;
    uint32_t read_timeout_ms; /* for a whole request, and for an idle connection; 0: 15000 */
    uint32_t send_timeout_ms; /* for a client to take its answer; 0: 30000 */
};

struct api_server;

/* How many connections may be at once, where so many files may be open: at most 512. Half of the files are for them,
 * for as many that wait to begin, and for what is forwarded; the others are left to the process. */
size_t api_connections_max(size_t files);
/* Starts listening; strings of config are copied, files are read now. E_INVALID, E_IO. */
int api_server_start(uv_loop_t *loop, const struct api_config *config, const struct api_backend *backend,
                     struct api_server **ret_server, struct err *reterr);
/* Role or serving changed: waiting requests are looked at again. */
void api_server_changed(struct api_server *server);
/* Before leadership, and the address that clients use, go elsewhere: every answer ends its connection, and those that
 * wait for nobody's next request end after a short while. false: as usual again. */
void api_server_drain(struct api_server *server, bool drain);
/* No connection is left on which a client might send another request. */
bool api_server_drained(const struct api_server *server);
/* A request that arrived up to then (loop time) has not been answered yet. */
bool api_server_owes(const struct api_server *server, uint64_t until_ms);
/* Something happened: told to the clients of GET /events, and kept for a while for those that come back. index: in the
 * log, rising; 0: of this member alone, not kept. type: a word; json: one line. */
void api_server_event(struct api_server *server, uint64_t index, const char *type, const char *json);
/* Everything after this index will be told, of what was before nothing is known (start, a restored snapshot). */
void api_server_events_since(struct api_server *server, uint64_t index);
/* Reads certificate and key again, for connections from now on. E_INVALID: the old ones stay, *reterr says why. */
int api_server_reload_tls(struct api_server *server, struct err *reterr);
int64_t api_server_tls_expires_s(const struct api_server *server); /* of our certificate; 0: no TLS */
uint16_t api_server_port(const struct api_server *server);         /* the bound one, when config.port was 0 */
/* Stops listening, answers what runs, closes; closed_cb from the loop (or from a timer's callback within it), where the
 * server is gone already. Takes at most a few seconds; submits that are still out then are forgotten, their callbacks
 * may fire later and do nothing. */
void api_server_close(struct api_server *server, void (*closed_cb)(void *user), void *user);

#endif
