/* The watch on the event loop (store/base/turn.h says what runs). One loop in a process. */
#ifndef HECATE_DAEMON_TURNS_H
#define HECATE_DAEMON_TURNS_H

#include <uv.h>

#include "store/base/buf.h"

/* Before anything else is done on the loop; called on the thread that will run it. Does not keep the loop alive. */
void turns_start(uv_loop_t *loop);
/* So that the loop can be closed: to be followed by one more run of it. */
void turns_stop(void);
/* Prometheus' text: a histogram of turns, the longest by what ran. */
void turns_out(struct buf *buf);

#endif
