/* The core of one member alone: the test is its clock, its disk and all other members. */
#ifndef HECATE_TESTS_LONE_H
#define HECATE_TESTS_LONE_H

#include "consensus/core_priv.h"
#include "store/base/buf.h"

#define LONE_MEMBERS_MAX 4

struct lone {
    struct core *core;
    uint64_t now;
    char failed[400];                                                     /* why it has ended; "" it goes on */
    struct disk_op *ops;                                                  /* given to the disk, not answered yet */
    size_t n_ops;                                                         /* how many were ever given */
    struct buf conf;                                                      /* entry 1 */
    unsigned asked[LONE_MEMBERS_MAX + 1];                                 /* greetings that ask for one, by member */
    unsigned chunks[LONE_MEMBERS_MAX + 1], appends[LONE_MEMBERS_MAX + 1]; /* that left, by member */
    unsigned judged; /* snapshots, by their beginning: "bad" is none, "new" is of a later release */
    unsigned voted;  /* votes and acknowledgements of entries that left */
};
extern struct lone lone;

struct lone_config {
    size_t n_members; /* ids 1 to n, all voters; the core is 1 */
    enum core_disk_state disk_state;
    uint64_t term;          /* of the disk; above 1: entry 2 is a barrier of it */
    const struct buf *conf; /* entry 1 if not the usual one */
    uint64_t vote;          /* in that term; 0: member 2 has it */
    bool no_snapshots;      /* however many bytes the log has */
};
void lone_start(const struct lone_config *config);
void lone_end(void);
int lone_tear_down(void **state); /* for cmocka: ends it, which must not have failed */
uint64_t lone_term(void);
/* Appends a configuration of members 1 to n at these addresses; the first one may be no voter. */
void lone_put_configuration(struct buf *buf, const char *const *addresses, size_t n, int first_role);
/* Another member says something, of the same cluster. What core_recv says. */
bool lone_hears(uint64_t from, enum wire_type type, struct wire wire);
void lone_hears_of(uint64_t from, uint64_t leader, uint64_t term); /* that it follows that one in this term */
void lone_disk_answers(void); /* all that was given to it, and what follows from that */

#endif
