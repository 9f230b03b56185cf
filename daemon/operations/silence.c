#include "daemon/operations/silence.h"

void silence_note(struct silence *silence, bool silent, uint64_t now_ms)
{
    bool fell = silent && !silence->silent;
    uint64_t well_ms = now_ms - silence->last_ms;

    if (fell && (silence->fell_ms == 0 || well_ms >= SILENCE_WELL_MS << silence->doublings)) {
        silence->doublings = silence->fell_ms == 0 || well_ms >= SILENCE_LONG_WELL_MS ? 0
                             : silence->doublings < SILENCE_DOUBLINGS                 ? silence->doublings + 1
                                                                                      : SILENCE_DOUBLINGS;
        silence->fell_ms = now_ms + 1;
    }
    if (silent || silence->silent) {
        silence->last_ms = now_ms;
    }
    silence->silent = silent;
}

bool silence_is_unnoticed(const struct silence *silence, uint64_t now_ms)
{
    return silence->silent && now_ms + 1 - silence->fell_ms < SILENCE_UNNOTICED_MS;
}
