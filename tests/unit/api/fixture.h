/* A server on loopback with a backend that applies to a real store in this process, and a client that drives the
 * server's loop while it waits: one thread, no sleeping. */
#ifndef HECATE_TESTS_UNIT_API_FIXTURE_H
#define HECATE_TESTS_UNIT_API_FIXTURE_H

#include <uv.h>

#include "api/api.h"
#include "store/base/buf.h"
#include "store/store.h"

#define FIXTURE_HELD_MAX 64

enum fixture_submit {                    /* what becomes of the next submits */
                      FIXTURE_APPLY,     /* at once */
                      FIXTURE_HOLD,      /* kept until fixture_release */
                      FIXTURE_UNTOUCHED, /* UNAVAILABLE, nothing changed */
                      FIXTURE_IN_DOUBT,  /* applied, then UNAVAILABLE */
};

struct fixture_held {
    struct store_request request;
    api_submit_cb cb;
    void *cb_user;
};

struct fixture_member {
    uv_loop_t *loop;
    struct api_server *server;
    struct api_config config;
    struct store *store; /* shared by the members of a test */
    uint64_t *index;
    uint64_t *ids; /* for deterministic ids */
    bool serving;
    bool large;                    /* its devices are, and clusters may have many volumes */
    bool from_members;             /* every connection is one of a member */
    const char *blocked;           /* the database is not to be shown yet, for this reason */
    struct fixture_member *leader; /* NULL: none known */
    uint16_t leader_port;          /* instead, when not 0 */
    enum fixture_submit mode;
    bool once; /* the mode is for the next submit only, then APPLY */
    bool ends; /* operations end as soon as they begin */
    unsigned submits;
    struct fixture_held held[FIXTURE_HELD_MAX];
    size_t n_held;
    bool closed;
    bool holds_examine; /* its answer is given by the test */
    void (*examine_cb)(void *user, int status, char *text);
    void *examine_user;
    unsigned n_examined, n_forgotten; /* asked for; not wanted any more */
    unsigned n_status, n_metrics;     /* made */
    void (*making)(void);             /* one of these; NULL: nothing more happens */
};

struct fixture {
    uv_loop_t loop;
    struct store *store;
    uint64_t index, ids;
    struct fixture_member members[2];
};

/* Two members over one store; none is started, none leads. */
void fixture_init(struct fixture *fixture, bool auth);
void fixture_start(struct fixture *fixture, size_t member); /* with members[].config as it is now */
void fixture_close(struct fixture *fixture, size_t member);
void fixture_close_begin(struct fixture *fixture, size_t member);
void fixture_close_end(struct fixture *fixture, size_t member); /* runs the loop until it is closed */
void fixture_fini(struct fixture *fixture);                     /* closes what runs; checks that the loop is empty */
void fixture_lead(struct fixture *fixture, int member);         /* -1: nobody */
void fixture_release(struct fixture_member *member);            /* applies what was held and goes on so */
void fixture_run_once(struct fixture *fixture);
/* Adds n empty clusters, for long answers. */
void fixture_add_clusters(struct fixture *fixture, size_t n);
/* A topology (its cluster is returned), and n volumes of three bricks. The first member is large from then on. */
struct id fixture_add_volumes(struct fixture *fixture, size_t n);
/* The same, but the volumes are being made, as all that follows is: no operation ends from then on. */
struct id fixture_begin_volumes(struct fixture *fixture, size_t n);
/* Raises the feature level of the store. */
void fixture_level(struct fixture *fixture, uint32_t level);
/* A topology, a hosting volume (which is returned) and n block volumes on it. The first member is large from then on.
 */
struct id fixture_add_blocks(struct fixture *fixture, size_t n);
struct store_digest fixture_digest(const struct fixture *fixture);

/* ---- client ---- */

struct answer {
    int status;
    struct buf head; /* status line and headers */
    struct buf body;
    bool closed; /* the server closed the connection */
};

void answer_fini(struct answer *answer);
/* Value of a header, NULL when absent; valid until the next call. */
const char *answer_header(const struct answer *answer, const char *name);

int client_connect(uint16_t port);
int client_connect_from(uint16_t port, uint8_t host); /* from 127.0.0.host */
void client_send(struct fixture *fixture, int fd, const void *data, size_t len);
/* Reads one answer, and nothing of the next one unless it is in chunks; head: it has no body whatever the headers say.
 * Status 0: the connection ended without one. Fails the test after a minute. */
struct answer client_read(struct fixture *fixture, int fd, bool head);
/* Everything until the connection ends. */
void client_read_end(struct fixture *fixture, int fd, struct buf *buf);
/* One request on a connection of its own. headers: complete lines, "" for none; body NULL: none. */
struct answer client_do(struct fixture *fixture, size_t member, const char *method, const char *path,
                        const char *headers, const char *body);
/* The same, with checks: status, and the whole body unless NULL. */
void expect(struct fixture *fixture, size_t member, const char *method, const char *path, const char *body, int status,
            const char *text);
/* Creates something and follows its queue id to the end; the id it points to, or "". Static. */
const char *create(struct fixture *fixture, size_t member, const char *path, const char *body);
/* Cluster with three nodes of one device each; its id. Static. */
const char *make_topology(struct fixture *fixture, size_t member);

#endif
