/* What an examination found, grouped by cause and bounded in number and bytes, however much it is: a lost device of
 * 12,000 bricks is one group for each kind of thing that is missing, with their number and a few examples. Pure. */
#ifndef HECATE_DAEMON_FINDINGS_H
#define HECATE_DAEMON_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/id.h"

#define FINDINGS_GROUPS_MAX 1000   /* what is beyond is only counted */
#define FINDINGS_KNOWN_MAX 1000000 /* single findings that are told apart */
#define FINDINGS_EXAMPLES_MAX 5
#define FINDINGS_WORD_MAX 512  /* bytes of a name in a text; longer ones are cut */
#define FINDINGS_DEVICES_MAX 3 /* of a node with findings of one kind; more of them are told together */

enum finding_kind {
    FINDING_MISSING_GROUP,
    FINDING_MISSING_LV,
    FINDING_MISSING_MOUNT,
    FINDING_MISSING_FSTAB,
    FINDING_MISSING_VOLUME,
    FINDING_UNSEEN_VOLUME,
    FINDING_NODES_DISAGREE,
    FINDING_VOLUME_STOPPED,
    FINDING_BRICKS_DIFFER,
    FINDING_MISSING_PEER,
    FINDING_PEER_DISCONNECTED,
    FINDING_LEFTOVER_GROUP,
    FINDING_LEFTOVER_LV,
    FINDING_LEFTOVER_SNAPSHOT,
    FINDING_LEFTOVER_MOUNT,
    FINDING_LEFTOVER_FSTAB,
    FINDING_FOREIGN_VOLUME,
    FINDING_FOREIGN_PEER,
    FINDING_PEERS_DISAGREE,
    FINDING_KINDS,
};

/* One thing that is not as it should be. Texts are borrowed. */
struct finding {
    enum finding_kind kind;
    struct id node;      /* ID_NONE: of the whole pool */
    struct id where;     /* the device; of the pool: its cluster; ID_NONE: neither */
    const char *host;    /* the node's name; "" */
    const char *subject; /* what it is about */
    const char *also;    /* another name for the text, as the kind has it; "" */
};

/* ---- collecting ---- */

struct findings;

struct findings *findings_new(void);
void findings_free(struct findings *findings);
/* The findings of an earlier examination, which those that are found again are confirmed by; borrowed. */
void findings_confirm_by(struct findings *findings, const struct findings *earlier);
/* The same finding again is no second one. */
void findings_add(struct findings *findings, const struct finding *finding);

/* ---- telling ---- */

struct findings_group {
    const char *code; /* "leftover-lv", ...: static */
    struct id node;   /* ID_NONE: of the whole pool */
    struct id where;  /* as in struct finding; ID_NONE also: several devices */
    uint64_t count;
    char *text;
    char *remedy; /* a command for an operator, or what to look at */
    char *examples[FINDINGS_EXAMPLES_MAX];
    size_t n_examples;
};

struct findings_list {
    struct findings_group *items; /* the kinds in their order above, in it by node and device */
    size_t n;
    uint64_t count; /* of single findings in all */
    uint64_t more;  /* of those, how many are in no group */
};

/* All of them, or those that were confirmed. */
struct findings_list findings_tell(const struct findings *findings, bool confirmed);
/* How many were found, and how many of them were confirmed. */
uint64_t findings_count(const struct findings *findings, bool confirmed);
void findings_list_fini(struct findings_list *list);
json_t *findings_list_json(const struct findings_list *list); /* new reference */

#endif
