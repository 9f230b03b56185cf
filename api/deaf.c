#include "api/deaf.h"

#define STEP_MS 500          /* without a byte, and then some: a step */
#define FLOOR_BYTES_S 65536  /* who takes so much is not deaf */
#define STEPS 4              /* the largest steps of a client are so many of its smallest */
#define PATIENCE_MS_MAX 8000 /* for who takes steps, beyond that for anybody */

void api_deaf_look(struct api_deaf *deaf, uint64_t now_ms, uint64_t taken, bool waits)
{
    bool took = taken > deaf->taken;

    /* As of the look before: if it is this loop that was late, the client took no step. */
    if (deaf->waits && took && deaf->looked_ms - deaf->since_ms >= STEP_MS) {
        deaf->steps = true;
        deaf->step_from = deaf->taken;
    }
    if (deaf->steps && taken > deaf->step_from && taken - deaf->step_from > deaf->step_max) {
        deaf->step_max = taken - deaf->step_from;
    }
    if (took || !deaf->waits) {
        deaf->since_ms = now_ms;
    }
    deaf->looked_ms = now_ms;
    deaf->taken = taken;
    deaf->waits = waits;
}

bool api_deaf_is(const struct api_deaf *deaf, uint64_t deaf_ms)
{
    uint64_t step_ms = STEPS * deaf->step_max * 1000 / FLOOR_BYTES_S;

    return deaf->waits &&
           deaf->looked_ms - deaf->since_ms >= deaf_ms + (step_ms < PATIENCE_MS_MAX ? step_ms : PATIENCE_MS_MAX);
}
