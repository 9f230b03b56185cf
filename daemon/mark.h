/* The mark that a process leaves when it dies while it applies an entry of the log, so that the next one does not die
 * of the same entry, and the one after it, for ever. Nothing is written while all is well: the signal that ends the
 * process (a failed CHECK, a bad address, an abort of the C library) makes the file. A process that is killed, or runs
 * out of memory, leaves none: that was not the entry's doing. One for each process. */
#ifndef HECATE_DAEMON_MARK_H
#define HECATE_DAEMON_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"

#define MARK_FILE "died-applying"
#define MARK_REASON_MAX 400

struct mark {
    uint64_t index;               /* of the entry */
    uint32_t type;                /* of its command */
    uint32_t binary;              /* a checksum of the program: another one may try again */
    char reason[MARK_REASON_MAX]; /* clean text */
};

/* Reads the mark in the data directory, if there is one, and begins to watch for signals; before anything is
 * applied. */
int mark_open(const char *data_dir, struct err *reterr);
/* What an earlier process of this same program left there; its index is 0 when there is nothing. It stays: who wants
 * the entry to be tried once more removes the file. */
const struct mark *mark_found(void);
/* Around what is done for an entry, on one thread. */
void mark_begin(uint64_t index, uint32_t type);
void mark_end(void);
void mark_close(void);

#endif
