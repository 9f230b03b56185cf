/* The watch on the loop: every turn is measured, from where the loop goes to sleep to where it does so again, without
 * the sleep; long ones are named in the log, the longest in GET /metrics. */
#include "daemon/turns.h"

#include <stddef.h>
#include <time.h>

#include "daemon/metrics.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/turn.h"

#define TOLD_FROM_NS UINT64_C(50000000)
#define TELL_EVERY_NS UINT64_C(1000000000)

static struct {
    uv_prepare_t prepare;
    uint64_t began_ns, idle_ns, cpu_ns; /* as this turn began */
    uint64_t told_ns;
    uint64_t untold; /* long turns since then */
    struct metrics_times times;
} watch;

static uint64_t cpu_ns(void)
{
    struct timespec used;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used); /* cannot fail for this clock */
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void tell(const struct turn_kind *what, uint64_t now_ns, uint64_t busy_ns, uint64_t used_ns)
{
    if (watch.told_ns != 0 && now_ns - watch.told_ns < TELL_EVERY_NS) {
        watch.untold++;
        return;
    }
    LOG(LOG_WARNING, "loop", "a turn of the event loop took long; the longest part of it is named",
        LF_STR("what", what->name), LF_U64("ms", busy_ns / 1000000), LF_U64("cpu_ms", used_ns / 1000000),
        LF_U64("untold", watch.untold));
    watch.told_ns = now_ns;
    watch.untold = 0;
}

static void about_to_sleep(uv_prepare_t *prepare)
{
    uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(prepare->loop), used_ns = cpu_ns();
    uint64_t passed_ns = now_ns - watch.began_ns, slept_ns = idle_ns - watch.idle_ns;
    uint64_t busy_ns = passed_ns > slept_ns ? passed_ns - slept_ns : 0;
    const struct turn_kind *what = turn_end(busy_ns);

    metrics_time(&watch.times, busy_ns / 1000);
    if (busy_ns >= TOLD_FROM_NS) {
        tell(what, now_ns, busy_ns, used_ns - watch.cpu_ns);
    }
    watch.began_ns = now_ns;
    watch.idle_ns = idle_ns;
    watch.cpu_ns = used_ns;
}

void turns_start(uv_loop_t *loop)
{
    CHECK(uv_loop_configure(loop, UV_METRICS_IDLE_TIME) == 0);
    CHECK(uv_prepare_init(loop, &watch.prepare) == 0);
    watch.began_ns = uv_hrtime();
    watch.cpu_ns = cpu_ns();
    turn_start(uv_hrtime);
    CHECK(uv_prepare_start(&watch.prepare, about_to_sleep) == 0);
    uv_unref((uv_handle_t *)&watch.prepare);
}

void turns_stop(void)
{
    uv_close((uv_handle_t *)&watch.prepare, NULL);
}

static void out(struct buf *buf, const char *name, const char *type, const char *help, size_t offset)
{
    size_t n;
    const struct turn_kind *kinds = turn_kinds(&n);

    metrics_family(buf, name, type, help);
    for (size_t i = 0; i < n; i++) {
        if (kinds[i].n_turns > 0) {
            buf_printf(buf, "%s{what=\"%s\"} %.6f\n", name, kinds[i].name,
                       (double)*(const uint64_t *)(const void *)((const char *)&kinds[i] + offset) / 1e9);
        }
    }
}

void turns_out(struct buf *buf)
{
    metrics_family(buf, "hecate_loop_turn_seconds", "histogram", "Turns of the event loop, without its sleep");
    metrics_out_times(buf, "hecate_loop_turn_seconds", "", &watch.times);
    out(buf, "hecate_loop_turn_max_seconds", "gauge", "The longest turn that this took most of",
        offsetof(struct turn_kind, longest_turn_ns));
    out(buf, "hecate_loop_work_max_seconds", "gauge", "The most that this took of one turn",
        offsetof(struct turn_kind, longest_ns));
    out(buf, "hecate_loop_work_seconds_total", "counter", "What this took of all turns",
        offsetof(struct turn_kind, total_ns));
}
