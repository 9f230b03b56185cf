/* Shared by the files that make up the server. One loop, one thread.
 *
 * A request lives in h2o's memory pool: its destructor is the one place where it ends, whoever ends it (the answer was
 * sent, the client went away, the connection was cut). Everything that works for a request (a submit, a forward) keeps
 * a pointer that the destructor clears.
 *
 *   ARRIVED: it has its turn soon (arrivals.c)
 *           -> answered at once (redirect, refused token, open routes, reads on the serving leader)
 *           -> WAITING for a lease or a leader    -> looked at again on every change and every tick
 *           -> SUBMITTED to the backend           -> answered, or WAITING again when nothing was done
 *           -> WORKING: a thread or the backend makes a long document -> answered
 *           -> FORWARDED to the leader            -> answer passed on, or WAITING again when nothing was done
 *   answered -> SENDING -> destructor; events: STREAMING, for as long as the client listens
 */
#ifndef HECATE_API_SERVER_PRIV_H
#define HECATE_API_SERVER_PRIV_H

#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>
#include <sys/queue.h>

#include "api/api.h"
#include "api/auth.h"
#include "api/deaf.h"
#include "api/json_in.h"
#include "api/router.h"
#include "store/base/buf.h"

#define API_REQUEST_MAGIC 0x61726571
#define API_SERVER_MAGIC 0x61737276
#define API_KEY_MAX 128
/* What a user names a request counts as another name than the administrator's: the store gets it with this before it,
 * which no client can send. So their keys may be one character shorter. */
#define API_USER_KEY_MARK "\x7f"

/* Headers between members: on the request, and on the answer of a member that turned out not to lead. */
#define API_FORWARDED_BY "Hecate-Forwarded"
#define API_KEY_MADE "Hecate-Key-Made"
#define API_NOT_EXECUTED "Hecate-Not-Executed"
#define API_IN_DOUBT "Hecate-In-Doubt"
/* On a forwarded request that came from the member's own host; its value proves that a member says so (auth.h). */
#define API_FROM_LOCAL "Hecate-Local"

enum api_request_state {
    API_ARRIVED,
    API_WAITING,
    API_SUBMITTED,
    API_FORWARDED,
    API_WORKING,
    API_SENDING,
    API_STREAMING
};

struct api_forward;
struct api_work;
struct api_pieces;
struct api_text;
struct api_forwarder;
struct api_stream;
struct api_events;

struct api_submit {              /* a submit that is out; outlives its request and the server */
    struct api_request *request; /* NULL: nobody waits for it any more */
    struct api_server *server;   /* NULL: the server is gone */
    bool counted;                /* under the limit of operations in flight */
    TAILQ_ENTRY(api_submit) link;
};

/* Lines of connections, which wait for a turn of the loop. */
enum api_line {
    API_LINE_STEPS, /* of a handshake */
    API_LINE_READS,
    API_LINES
};

struct api_conn;
TAILQ_HEAD(api_waiting, api_conn);

struct api_comer { /* a connection that the kernel has given, and nothing was begun for */
    struct api_source *source;
    struct sockaddr_storage from;
    int fd;
    TAILQ_ENTRY(api_comer) link;
};

TAILQ_HEAD(api_comer_list, api_comer);

/* All connections from one address, or one network (sources.c). */
struct api_source {
    struct in6_addr address;
    bool whole;                                   /* the address is that of a host, not of a network of IPv6 */
    bool member, known;                           /* one of ours; somebody there had a valid token lately */
    bool local;                                   /* this host's own */
    size_t n_conns;                               /* it lives as long as there are any */
    size_t n_members;                             /* of them in the places of members */
    size_t left_bytes;                            /* of all that are left of it (left.c) */
    uint64_t served;                              /* when a socket to the leader was, last (forward_loop.c) */
    size_t n_forwards;                            /* while it is chosen who is passed on to the leader */
    size_t n_places;                              /* the others, while it is chosen who has to go (places.c) */
    struct api_comer_list comers;                 /* connections that have not begun (listener.c) */
    size_t n_comers;                              /* it lives as long as there are any of these, too */
    TAILQ_ENTRY(api_source) came_link;            /* while there are */
    TAILQ_ENTRY(api_source) known_link;           /* while it is known */
    struct api_waiting waiting[API_LINES];        /* in the order in which they came */
    TAILQ_ENTRY(api_source) line_link[API_LINES]; /* while one of them waits */
    TAILQ_ENTRY(api_source) link;
};

TAILQ_HEAD(api_source_list, api_source);

struct api_pace {             /* at which a client takes what is sent (slow.c) */
    uint64_t seen_ms;         /* loop time of the last look, */
    uint64_t quiet_since_ms;  /* and of the last one at which bytes waited */
    uint64_t waited_ms, from; /* being measured: time with bytes that waited; what was taken before */
    uint64_t bytes_s;         /* in the time before */
    bool waits, measured, known;
    struct api_deaf deaf; /* while it is sent an answer */
};

struct api_conn {
    struct api_server *server;
    h2o_socket_t *sock;
    uv_stream_t *stream;         /* of sock */
    uv_alloc_cb alloc_cb;        /* what h2o reads with, */
    uv_read_cb take_cb;          /* and takes what was read */
    SSL_CTX *ssl;                /* a reference: h2o begins the session at the first byte, with what it got at accept */
    struct api_request *request; /* h2o handles one at a time */
    struct api_source *source;   /* where it comes from */
    struct api_pace pace;
    struct in6_addr address;         /* where it comes from, */
    uint64_t begun_ms;               /* and when it got its place: loop time */
    bool member;                     /* has a place that is kept for members */
    bool trusted;                    /* the request that it has, or had last, has a valid token */
    bool used;                       /* it has had an answer */
    bool body_allowed;               /* the head of the request that is arriving has a valid token */
    bool imports;                    /* and brings a dump: only an administrator may */
    size_t bad_head;                 /* the same without a valid one: its length; 0: not known yet */
    size_t head_seen;                /* bytes in which the end of the head was looked for */
    bool refused, cut;               /* its end is under way */
    bool reset;                      /* and will be a reset */
    int kept_fd;                     /* of the same socket, which is open until this one is closed too (left.c) */
    bool left;                       /* closed, but for kept_fd; neither sock nor stream is there any more */
    size_t left_bytes;               /* the kernel has for it, at the last look */
    bool discards;                   /* refused: what it sends is read and forgotten until it stops */
    uint64_t refused_ms;             /* loop time; since then */
    h2o_socket_cb read_cb;           /* refused: what h2o reads with */
    uint64_t half_since_ms;          /* loop time; 0: nothing of a request is there, or its token is good */
    h2o_socket_cb handshake;         /* NULL: none is under way; what h2o takes a step of it with */
    bool waits;                      /* in a line */
    enum api_line line;              /* in which */
    TAILQ_ENTRY(api_conn) line_link; /* while it does */
    TAILQ_ENTRY(api_conn) link;
};

struct api_handler { /* the one handler, for every path */
    h2o_handler_t h2o;
    struct api_server *server;
};

struct api_request {
    uint32_t magic;
    struct api_server *server;
    h2o_req_t *req;
    struct api_conn *conn;
    TAILQ_ENTRY(api_request) link;
    enum api_request_state state;
    TAILQ_ENTRY(api_request) arrived_link; /* while it is ARRIVED */
    uint64_t arrived_ms, deadline_ms;      /* loop time; of the answer, while SENDING of its delivery */
    uint64_t not_before_ms;                /* WAITING: not looked at again earlier */
    struct buf path;                       /* decoded */
    enum api_route route;
    enum api_role role;
    struct id id;   /* the one in the path; ID_NONE when it is no id as ids are written */
    char *key;      /* Idempotency-Key, "" when none */
    bool waited;    /* there was no leader for it */
    bool key_made;  /* here, or by the member that forwards it: the client gave none */
    bool forwarded; /* came from another member */
    bool crowded;   /* WAITING for other long answers, not for a leader */
    bool in_doubt;  /* an earlier attempt may have changed something; the key makes the next one safe */
    struct api_submit *submit;
    struct api_forward *forward;
    struct api_work *work;
    struct api_pieces *pieces;
    struct api_stream *stream; /* GET /events */
    h2o_generator_t generator; /* for streamed answers */
};

struct api_shown {         /* a text that anybody may ask for (shown.c) */
    struct api_text *text; /* NULL: to be made */
    uint64_t at_ms;        /* loop time */
    uint64_t counted_ns;   /* clock; up to then: */
    int64_t credit_ns;     /* that making it may take; below 0: not now */
    bool serving;          /* as it was then */
};

struct api_server {
    uint32_t magic;
    uv_loop_t *loop;
    struct api_config config; /* strings are owned */
    struct api_backend backend;
    h2o_globalconf_t h2o;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    SSL_CTX *ssl;
    uv_poll_t listener;
    int listen_fd;                       /* -1: not listening */
    uv_timer_t listen_pause;             /* runs while none can be taken */
    struct api_source_list came_from[2]; /* sources that have comers; those that are known, and members, come first */
    size_t n_comers;
    uv_timer_t comers_timer; /* runs while comers wait for somebody to have had his time */
    uv_timer_t tick;         /* runs while there are requests */
    uint16_t port;
    size_t n_conns, n_cut;                            /* n_cut of them are about to end */
    size_t n_members;                                 /* of them in the places of members */
    uint64_t log_full_ms, log_total_ms, log_pause_ms; /* loop time: not said again earlier */
    uint64_t large_ms;                                /* loop time: a large body was read then */
    struct api_conn *bulky; /* the one that may have a body beyond the usual limit; NULL: the next one */
    uv_timer_t bulk_timer;  /* runs while there are connections; so does: */
    uv_check_t bulk_check;
    uv_idle_t arrivals;        /* runs while something below waits for its turn */
    uv_prepare_t arrivals_end; /* runs while there are connections */
    struct api_conn *reading;  /* h2o takes what was read of it; NULL: none, or it has ended of that */
    struct api_source_list sources, lines[API_LINES]; /* all; those of which a connection waits */
    struct api_source_list known;                     /* who showed a valid token last comes last */
    size_t n_known;
    TAILQ_HEAD(api_arrived_list, api_request) arrived;
    struct api_request *look_next;             /* of those that are looked at again; NULL: none */
    bool look_again;                           /* from the first one, when the last has been looked at */
    TAILQ_HEAD(api_conn_list, api_conn) conns; /* the one that has waited longest comes first */
    struct api_conn_list left;                 /* of connections that are closed, the oldest first */
    size_t n_left;
    uv_timer_t left_timer; /* runs while there are such */
    TAILQ_HEAD(api_request_list, api_request) requests;
    TAILQ_HEAD(api_submit_list, api_submit) submits;
    TAILQ_HEAD(api_work_list, api_work) works;
    TAILQ_HEAD(api_placed_list, api_work) placed; /* those that have a place for what threads make */
    TAILQ_HEAD(api_copy_list, api_work) copies;   /* those for which a body is copied */
    uv_idle_t copy_idle;                          /* runs while there are such */
    uint64_t grace_ms; /* for so long a new connection is not pushed out for one of whom as little is known */
    uint64_t slow_ms;  /* for so long it is measured who takes answers slowly */
    uint64_t deaf_ms;  /* who takes nothing for so long may have to give way */
    size_t n_works;    /* documents that take long */
    size_t n_threaded; /* of those: threads make them */
    TAILQ_HEAD(api_pieces_list, api_pieces) pieces; /* answers whose next piece can be made */
    uv_idle_t pieces_idle;                          /* runs while there are such */
    struct api_shown status, figures, database;     /* the backend's, and the figures of the database */
    uint64_t (*clock_ns)(void);                     /* uv_hrtime */
    size_t n_counted;                               /* submits out that count as operations in flight */
    struct api_forwarder *forwarder;
    struct api_events *events;
    bool closing, draining;
    uint64_t close_by_ms, cut_idle_ms; /* the end of patience with all, with idle connections */
    unsigned handles;                  /* of our own still open */
    struct {
        uint64_t answers[6]; /* by first digit of the status */
        uint64_t forwarded, waited, pushed_out;
    } stats;
    void (*closed_cb)(void *user);
    void *closed_user;
};

/* ---- server.c ---- */

void api_server_tick_start(struct api_server *server);
/* Something ended: one step further towards the server's end, if it is closing. */
void api_server_close_step(struct api_server *server);

/* ---- conns.c ---- */

#define API_GRACE_MS 100

/* Begins to serve it when there is room, else closes it; the comer stays the caller's, without its descriptor. false:
 * nothing was done, soon there may be room. */
bool api_conn_begin(struct api_server *server, const struct api_comer *comer);
/* A request of it ended: it waits for the next one. */
void api_conn_quiet(struct api_conn *conn);
/* Ends it, soon; with a reset if what it has been sent is the beginning of an answer that does not become whole. */
void api_conn_cut(struct api_conn *conn);
/* Its end will be a reset: the kernel keeps nothing for a client that does not take it. */
void api_conn_reset(struct api_conn *conn);
/* Has the client ended it, or its half of it? h2o does not read while it has a request, so it does not see that. */
bool api_conn_left(const struct api_conn *conn);
/* Can nothing be sent on it any more: it was cut, or the client has reset it? */
bool api_conn_dead(const struct api_conn *conn);

/* Frees one that is closed (left.c); its kernel does not know of it. */
void api_conn_forget(struct api_conn *conn);
/* Is there a place that nobody has, beside those of members? */
bool api_conn_has_room(const struct api_server *server);

/* ---- left.c ---- */

void api_left_init(struct api_server *server); /* a handle that is closed with the server's */
void api_left_fini(struct api_server *server); /* nothing is counted any more */
/* The connection was closed. false: nothing is left of it but the structure. */
bool api_left_keep(struct api_conn *conn);
void api_left_look(struct api_server *server); /* what has been taken is forgotten */
void api_left_reset(struct api_conn *conn);    /* frees it, and the kernel forgets it too */

/* ---- slow.c ---- */

#define API_SLOW_MS 30000

void api_slow_begin(struct api_conn *conn);
void api_slow_look(struct api_conn *conn); /* in each turn, before the loop waits */
/* Has it been slower than anybody need be, or does it take nothing at all? */
bool api_slow_is(const struct api_request *request);
struct api_request *api_slow_of(struct api_request *a, struct api_request *b); /* the slower one; a may be NULL */
void api_slow_end(struct api_request *request); /* soon: somebody else waits for its place */

/* ---- sources.c ---- */

void api_sources_init(struct api_server *server);
/* May one more of a source have one of max places, of which n are taken, and n_source by it? */
enum api_room {
    API_ROOM_FREE,
    API_ROOM_OF_ITS_OWN, /* when another one of the same source goes: it has its share */
    API_ROOM_OF_ANY,     /* when any other one goes */
};
enum api_room api_source_room(const struct api_source *source, size_t n_source, size_t n, size_t max);
/* IPv4 as it is mapped into IPv6. */
struct in6_addr api_source_address(const struct sockaddr_storage *from);
/* Of an address; it is made when there is none. */
struct api_source *api_source_of(struct api_server *server, const struct sockaddr_storage *from);
/* Is it served before those of whom nothing is known? */
bool api_source_comes_first(const struct api_source *source);
void api_source_has_token(struct api_conn *conn);                             /* a valid one has come from there */
void api_sources_fini(struct api_server *server);                             /* there is no connection any more */
void api_source_unused(struct api_server *server, struct api_source *source); /* frees it if nothing is from there */
/* The connection comes from there, until: */
void api_source_enter(struct api_conn *conn, struct api_source *source);
void api_source_leave(struct api_conn *conn);     /* it leaves its line as well */
void api_source_no_member(struct api_conn *conn); /* it gives up the place of a member that it may have */
/* The end of a line, among those of its source; nothing if it waits already. */
void api_line_stand(struct api_conn *conn, enum api_line line);
void api_line_leave(struct api_conn *conn);
/* Takes the next one out of the line: sources have their turns one after the other. NULL: it is empty. */
struct api_conn *api_line_next(struct api_server *server, enum api_line line);
bool api_line_is_empty(const struct api_server *server, enum api_line line);

/* ---- listener.c ---- */

void api_listener_init(struct api_server *server); /* a handle that api_listener_close closes */
int api_listener_start(struct api_server *server, struct err *reterr);
/* Nobody comes any more; who has come is still served. */
void api_listener_close(struct api_server *server, uv_close_cb closed_cb);
enum api_others { /* of sources that do not come first, those that may begin now: */
                  API_OTHERS_NONE,
                  API_OTHERS_NEW, /* that have no connection */
                  API_OTHERS_ALL,
};
/* Begins with up to n of those that wait; how many. */
size_t api_listener_begin(struct api_server *server, size_t n, enum api_others others);
/* The source is known now, or no longer: its place among those that wait changes. */
void api_listener_source_changes(struct api_server *server, struct api_source *source, bool known);
void api_listener_drop_all(struct api_server *server); /* of those that wait */

/* ---- arrivals.c ---- */

void api_arrivals_init(struct api_server *server);   /* two handles that are closed with the server's */
void api_arrivals_comers(struct api_server *server); /* there are some to begin with */
void api_arrivals_wake(struct api_server *server);   /* something waits for its turn */
/* h2o has begun to read from it. */
void api_arrivals_conn(struct api_conn *conn);
/* The connection ended. */
void api_arrivals_conn_gone(struct api_conn *conn);
void api_arrivals_request(struct api_request *request); /* api_request_begin will be called */
/* The request ended before. */
void api_arrivals_request_gone(struct api_request *request);

/* ---- reads.c ---- */

void api_read_begin(struct api_conn *conn); /* h2o has just begun to read */
/* Before the loop looks at sockets: h2o may have begun again. */
void api_read_look(struct api_conn *conn);
/* Its turn: h2o gets a little of what is there; may end the connection. */
void api_read_some(struct api_conn *conn);

/* h2o does not read any more: what came is forgotten, and what comes, in its turns, until the client has ended. */
void api_read_discard(struct api_conn *conn);
void api_read_end(struct api_conn *conn); /* cuts one that h2o does not read, with the callback that h2o had for that */

/* ---- lost.c ---- */

/* Ends those whose last write h2o waits for in vain. */
void api_end_lost(struct api_server *server);

/* ---- bulk.c ---- */

void api_bulk_init(struct api_server *server); /* h2o's limit, and a timer that is closed with the server's */
void api_bulk_accepted(struct api_server *server);
/* Answers 413 when the body is too large for its path, 400 when its length is told twice. */
bool api_bulk_refused(struct api_request *request);

/* ---- request.c ---- */

int api_request_arrived(h2o_handler_t *self, h2o_req_t *req);
void api_request_begin(struct api_request *request); /* its turn */
/* Answers, submits, forwards or lets wait. */
void api_request_dispatch(struct api_request *request);
/* Nothing was done for it: it is looked at again, not before delay_ms from now. */
void api_request_wait(struct api_request *request, uint64_t delay_ms);
/* An attempt ended without an answer. Untouched, or safe to repeat: looked at again; otherwise answered with the
 * reason. */
void api_request_unconfirmed(struct api_request *request, bool untouched, const char *reason);
/* May it be sent to a leader twice without being done twice? */
bool api_request_repeatable(const struct api_request *request);
bool api_request_is(const struct api_request *request, const char *method);
/* Deadlines, waiting requests, forwards to a leader that is none any more: a share of them at once, the others in the
 * next turns. */
void api_requests_look(struct api_server *server);
void api_requests_look_on(struct api_server *server); /* the next share, if there is one */

/* ---- answer.c: each ends the request; nothing may be done with it afterwards ---- */

#define API_JSON_TYPE "application/json; charset=UTF-8"
#define API_HTML_TYPE "text/html; charset=utf-8"

void api_answer_text(struct api_request *request, int status, const char *text);          /* an error of the contract */
void api_answer_json(struct api_request *request, int status, struct buf *json);          /* adds the final LF */
void api_answer_empty(struct api_request *request, int status, const char *content_type); /* type NULL: none */
void api_answer_unavailable(struct api_request *request, int status, const char *reason); /* ours: 502, 503 as JSON */
void api_answer_location(struct api_request *request, int status, const char *location, const char *title);
void api_answer_raw(struct api_request *request, int status, const char *content_type, const char *body, size_t len);
/* Pieces for answers that are made elsewhere. */
void api_answer_begin(struct api_request *request, int status);
void api_answer_header(struct api_request *request, const char *name, size_t name_len, const char *value,
                       size_t value_len);
void api_answer_sending(struct api_request *request);

/* ---- handlers ---- */

/* Called on the serving leader only. */
void api_handle(struct api_request *request);
/* Open routes, on every member. */
void api_handle_open(struct api_request *request);
/* The cluster, with the lists of its volumes. */
void api_answer_cluster(struct api_request *request, int status, const struct store_cluster *cluster);
/* A request that changes something: reads its body, checks, submits. */
void api_handle_change(struct api_request *request);
/* told.c: may the client learn of this volume (NULL: of none) now? false: soon; the request is handled anew then. */
bool api_may_tell(struct api_request *request, const struct store_volume *volume);
/* Does the maintenance mode forbid the request? Then it is answered. */
bool api_mode_refuses(struct api_request *request);
/* Did it come from the host of the member that received it? */
bool api_request_local(const struct api_request *request);
void api_get_admin(struct api_request *request);
void api_get_logging(struct api_request *request);
void api_get_metrics(struct api_request *request, bool serving);
/* The HTTP status of a refusal. */
int api_status_of(enum store_code code);
/* A volume create that is only asked about. 0: answered; or the status and the text of a refusal. */
enum api_flag { API_FLAG_NO, API_FLAG_YES, API_FLAG_UNCLEAR };
/* "?NAME=true" or "?NAME=false" among the parts of the query. */
enum api_flag api_query_flag(const struct api_request *request, const char *name);
int api_handle_dry_run(struct api_request *request, const struct store_request *change, struct buf *text);
/* Its body and query, as sent. */
h2o_iovec_t api_request_query(const struct api_request *request);

/* ---- shown.c ---- */

/* Is the text still to be shown? If not, it is NULL now, and to be made and set at once. */
bool api_shown_still(struct api_server *server, struct api_shown *shown, bool serving);
/* Takes the buffer. */
struct api_text *api_shown_set(struct api_server *server, struct api_shown *shown, struct buf *text);
void api_shown_drop(struct api_shown *shown);

/* ---- work.c: documents that take long ---- */

#define API_COPY_BYTES ((size_t)2 << 20) /* of a body, in one turn of the loop */

void api_works_init(struct api_server *server); /* a handle that is closed with the server's */
void api_work_start(struct api_request *request);
void api_work_look(const struct api_request *request); /* WORKING, now and then */
void api_import(struct api_request *request);
void api_examine(struct api_request *request);
void api_admin(struct api_request *request);
/* The request ended. */
void api_work_forget(struct api_request *request);
/* The server ends: what still runs finds nobody. */
void api_works_abandon(struct api_server *server);

/* ---- pieces.c: long answers that the loop makes ---- */

struct api_piece_source {
    /* Appends about so many bytes; false: those were the last. */
    bool (*next)(void *user, size_t bytes, struct buf *piece);
    void (*fini)(void *user);
    void *user;
};

void api_pieces_init(struct api_server *server); /* a handle that is closed with the server's */
/* length: SIZE_MAX when it is not known. Takes the source. */
void api_answer_pieces(struct api_request *request, int status, const char *content_type, size_t length,
                       const struct api_piece_source *source);
/* The request ended. */
void api_pieces_forget(struct api_request *request);
/* A text that several answers are made of; takes the buffer. */
struct api_text *api_text_new(struct buf *buf);
void api_text_unref(struct api_text *text);
const struct buf *api_text_buf(const struct api_text *text);
/* The text and a rest of its own, which it takes. */
void api_answer_shared(struct api_request *request, const char *content_type, struct api_text *text, struct buf *rest);
/* JSON: of each list its head and the ids in quotes with commas between, then the tail. Takes all of them. */
#define API_LISTS_MAX 2
struct api_ids {
    struct buf head;
    struct ids ids;
};
void api_answer_ids(struct api_request *request, int status, const struct api_ids *lists, size_t n, struct buf *tail);

/* ---- events.c ---- */

struct api_events *api_events_new(void);
void api_events_free(struct api_events *events);
void api_events_start(struct api_request *request);
/* Its deadline, the sign of life, the end when the server ends. */
void api_events_look(struct api_request *request, uint64_t now_ms);
/* The request ended. */
void api_events_forget(struct api_request *request);

/* ---- forward.c ---- */

struct api_forwarder *api_forwarder_new(struct api_server *server);
/* Ends every forward; closed_cb from the loop once nothing of it is left there. */
void api_forwarder_close(struct api_forwarder *forwarder, void (*closed_cb)(void *user), void *user);
void api_forward_start(struct api_request *request, const struct api_leader *leader);
/* The request ended. */
void api_forward_cancel(struct api_request *request);
/* The leader it went to is none any more and nothing came back: takes it back. False: it stays. */
bool api_forward_retract(struct api_request *request, const struct api_leader *leader);
/* An answer that has begun: ends it when nothing more is to be expected of it. leader NULL: none is known. */
void api_forward_look(struct api_request *request, const struct api_leader *leader, uint64_t now_ms);

#endif
