#include "daemon/pace.h"

int64_t pace_ms(struct pace *pace, int64_t newest_ms, int64_t wall_ms, int64_t boot_ms)
{
    int64_t elapsed_ms = boot_ms - pace->boot_ms;
    int64_t least_ms = pace->time_ms + elapsed_ms / 2, most_ms = pace->time_ms + 2 * elapsed_ms;

    if (!pace->begun) {
        *pace = (struct pace){true, newest_ms > 0 ? newest_ms : wall_ms, boot_ms};
    } else if (elapsed_ms >= 2) { /* the half of less would be lost */
        pace->time_ms = wall_ms < least_ms ? least_ms : wall_ms > most_ms ? most_ms : wall_ms;
        pace->boot_ms = boot_ms;
    }
    return pace->time_ms;
}
