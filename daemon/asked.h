/* Which queue ids somebody has asked for lately: their results are waited for, so no repetition takes them over
 * (store/apply_take_over.c). Kept by the leader, in memory only: of what was before it is not known, so everything
 * counts as asked for at first. Pure. */
#ifndef HECATE_DAEMON_ASKED_H
#define HECATE_DAEMON_ASKED_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/id.h"

#define ASKED_LATELY_MS 5000 /* a client that waits asks every second or two */
#define ASKED_MAX 4096

struct asked;

struct asked *asked_new(void);
void asked_free(struct asked *asked);
/* Times are of one clock that does not go back. Forgets all; whoever it was, he may have been asked just now. */
void asked_begin(struct asked *asked, int64_t now_ms);
void asked_note(struct asked *asked, struct id id, int64_t now_ms);
bool asked_lately(const struct asked *asked, struct id id, int64_t now_ms);

#endif
