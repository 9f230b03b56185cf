/* Does a client take nothing at all of what is sent to it? Pure: the time and what it has taken come from the caller.
 *
 * What a client's kernel has acknowledged is all that a server can see. A kernel whose buffer is full tells of room
 * only when there is much of it again: so a program that reads 64 KiB each second, without a pause, is seen to take
 * some hundred KiB at once, and nothing for seconds before. Its first such step comes within about two seconds; the
 * later ones may take longer, in proportion to their size. Who reads nothing never takes a step. */
#ifndef HECATE_API_DEAF_H
#define HECATE_API_DEAF_H

#include <stdbool.h>
#include <stdint.h>

#define API_DEAF_MS 2500 /* above what the first step takes */

struct api_deaf {       /* zero at first */
    uint64_t looked_ms; /* at the last look: the time, */
    uint64_t taken;     /* and all bytes that the client has taken */
    uint64_t since_ms;  /* it has taken nothing since then, though bytes waited */
    uint64_t step_from; /* taken when its newest step began */
    uint64_t step_max;  /* bytes of its largest step */
    bool waits;         /* at the last look: bytes did */
    bool steps;         /* it has taken one */
};

/* taken: bytes in all; it may fall a little, when bytes are counted before they are encrypted. waits: more is there. */
void api_deaf_look(struct api_deaf *deaf, uint64_t now_ms, uint64_t taken, bool waits);
/* As of the last look. deaf_ms: API_DEAF_MS. */
bool api_deaf_is(const struct api_deaf *deaf, uint64_t deaf_ms);

#endif
