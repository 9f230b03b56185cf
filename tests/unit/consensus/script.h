/* Scripted work on a log, with what the log must hold after each step of it. */
#ifndef HECATE_TESTS_SCRIPT_H
#define HECATE_TESTS_SCRIPT_H

#include "consensus/log.h"
#include "store/base/buf.h"
#include "tests/unit/consensus/files.h"

#define SCRIPT_STEPS_MAX 128
#define SCRIPT_ENTRIES_MAX 1024
#define SCRIPT_SEGMENT 4096

struct script_entry {
    uint64_t term, tag; /* tag 0: none; never used twice */
};

/* What a log holds. */
struct script_state {
    enum core_disk_state disk_state;
    uint64_t term, vote, snap_index, snap_term, snap_tag, keep_from, last;
    struct script_entry entries[SCRIPT_ENTRIES_MAX]; /* by index */
};

struct script {
    unsigned seed;
    uint64_t next_tag;
    size_t steps; /* begun; states[steps] is what holds after the last one */
    struct script_state *states;
    size_t begun[SCRIPT_STEPS_MAX + 1], ended[SCRIPT_STEPS_MAX + 1]; /* calls when a step began, was acknowledged */
};

void script_init(struct script *script, unsigned seed);
void script_fini(struct script *script);
/* One random step: true when the log acknowledged it. `files` may be NULL. */
bool script_step(struct script *script, struct log *log, const struct files *files, struct err *reterr);
/* The step whose state the image is, from..to; -1 when it is none of them. What was wrong with the last goes to
 * ret_wrong. */
int script_find(const struct script *script, const struct disk_image *image, size_t from, size_t to,
                const char **ret_wrong);
/* An entry's bytes, as flat_append makes them. */
void script_entry(struct buf *flat, uint64_t term, uint64_t tag);

#endif
