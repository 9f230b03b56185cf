/* Where lines of the log go. At first straight to standard error; once a writer is started, to a bounded ring that a
 * thread of its own empties, so that nobody who logs ever waits for who reads: a supervisor that takes nothing costs
 * lines, which are counted and told about later, and no time. */
#ifndef HECATE_STORE_BASE_LOG_OUT_H
#define HECATE_STORE_BASE_LOG_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"

/* From any thread. len bytes with an LF at the end. */
void log_out(const char *data, size_t len);

/* Starts the thread, which writes to fd; after every fork of the process. told: makes the line that says how many were
 * dropped. Only once until log_out_stop. */
void log_out_start(int fd, void (*told)(struct buf *line, uint64_t dropped));
/* Waits until what was logged so far is out, but no longer than this. Also from a process that is about to abort. */
void log_out_flush(unsigned timeout_ms);
/* Flushes and ends the thread; one that still waits for its reader is left behind. From now on straight out again. */
void log_out_stop(unsigned timeout_ms);
uint64_t log_out_dropped(void); /* lines, since the start of the process */

#endif
