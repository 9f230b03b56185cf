/* What the members tell each other of themselves, and whether they agree: version, and the digest of the state at an
 * index of the log. Equal logs make equal states; a digest that differs at the same index is a member with a wrong
 * database, and nothing else shows it. No I/O, no clock.
 *
 * Indices of two members are seldom the same at the same moment. A member therefore remembers the digests of its last
 * REPLICAS_HISTORY commands, and keeps what another told of an index that it has not reached itself until it has.
 */
#ifndef HECATE_DAEMON_REPLICAS_H
#define HECATE_DAEMON_REPLICAS_H

#include "store/base/buf.h"
#include "store/store.h"

#define REPLICAS_HISTORY 1024
#define REPLICAS_MAX 9
#define REPLICAS_VERSION_MAX 31
#define REPLICAS_KEY_MAX 64
#define REPLICAS_QUIET 60 /* so often must replicas_grow_old be called before the same is logged again of a member */

struct replica {
    uint64_t member_id;
    char version[REPLICAS_VERSION_MAX + 1];
    uint64_t index; /* the digest is of the state after this entry of the log */
    struct store_digest digest;
    bool waits;                         /* to be compared when we get to that index */
    uint64_t compared_index;            /* 0: not compared yet */
    bool differs;                       /* then */
    uint64_t wish;                      /* it was told to leave maintenance mode: a number of this once; 0: no */
    uint64_t wish_done;                 /* the last wish of it that needs nothing more, see replicas_wishes_done */
    uint64_t others_done[REPLICAS_MAX]; /* it leads: wishes of other members that need nothing more */
    size_t n_others_done;
    bool holds;                             /* the virtual addresses are on its host */
    int64_t expires_s;                      /* its certificate; 0: it has none */
    char key[REPLICAS_KEY_MAX + 1];         /* the digest of that one's public key; "": none, or none was told */
    uint32_t level_min, level_max;          /* feature levels that it understands */
    uint64_t disk_free_mib, disk_total_mib; /* where its data is; total 0: it did not tell */
    bool staged;                            /* a database waits there to be loaded, and its own is empty */
    bool fresh;                             /* told since replicas_grow_old */
};

struct replicas;

struct replicas *replicas_new(void);
void replicas_free(struct replicas *replicas);

/* Our own state: after a command at index; of a restored snapshot (what went before it is not known). */
void replicas_applied(struct replicas *replicas, uint64_t index, const struct store_digest *digest);
void replicas_restored(struct replicas *replicas, uint64_t index, const struct store_digest *digest);
/* All entries up to applied_index are applied: compares what waits for them. Returns a member that differs since this
 * call, NULL if there is none; to be called until it returns NULL. */
const struct replica *replicas_compare(struct replicas *replicas, uint64_t applied_index);

/* A majority of n_voters members differs from us, and those do not differ from each other as far as is known: it is we
 * who are wrong. */
bool replicas_outvoted(const struct replicas *replicas, size_t n_voters, uint64_t *ret_index);
void replicas_grow_old(struct replicas *replicas); /* from time to time */
/* Whether this may be logged of a member: it can be made to happen again with each word that one tells. */
enum replicas_line { REPLICAS_NOT_UNDERSTOOD, REPLICAS_DIFFERS, REPLICAS_LINES };
bool replicas_may_log(struct replicas *replicas, uint64_t member_id, enum replicas_line line);
/* Forgets all but these: members come and go. */
void replicas_keep(struct replicas *replicas, const uint64_t *ids, size_t n);

/* What a member tells of itself, and taking it in; false: not understood. */
struct replicas_word {
    const char *version;
    uint64_t applied_index;
    struct store_digest digest;
    uint64_t wish;                      /* as in struct replica */
    const struct replicas *wishes_done; /* names those of them that are done; NULL: none, since we do not lead */
    bool holds;                         /* as in struct replica */
    int64_t expires_s;
    const char *key; /* NULL or "": none */
    uint32_t level_min, level_max;
    uint64_t disk_free_mib, disk_total_mib;
    bool staged; /* as in struct replica */
};
void replicas_encode(const struct replicas_word *word, struct buf *buf);
bool replicas_told(struct replicas *replicas, uint64_t member_id, const void *data, size_t len);

/* The mode is normal, or became so: no wish that was told until now needs anything more. */
void replicas_wishes_done(struct replicas *replicas);
/* A wish that was told and is not done; 0: there is none. */
uint64_t replicas_wish(const struct replicas *replicas);

/* What is known of a member; NULL: it has told nothing yet. */
const struct replica *replicas_get(const struct replicas *replicas, uint64_t member_id);

/* A digest in hex. */
struct digest_text {
    char text[2 * sizeof(struct store_digest) + 1];
};
struct digest_text digest_text(const struct store_digest *digest);

#endif
