#include "daemon/metrics.h"

#include <stdio.h>

#include "store/base/log_out.h"

static const uint64_t bounds_us[METRICS_BUCKETS - 1] = {500,   1000,   2500,   5000,    10000,   20000,
                                                        50000, 100000, 500000, 2500000, 10000000};

void metrics_time(struct metrics_times *times, uint64_t us)
{
    size_t i = 0;

    while (i < METRICS_BUCKETS - 1 && us > bounds_us[i]) {
        i++;
    }
    times->counts[i]++;
    times->n++;
    times->sum_us += us;
    times->max_us = us > times->max_us ? us : times->max_us;
}

void metrics_step(struct metrics *metrics, enum exec_step_kind kind, int code, uint64_t ms)
{
    if ((size_t)kind < METRICS_STEPS) {
        metrics_time(&metrics->steps[kind], ms * 1000);
        metrics->steps_failed[kind] += code != 0;
    }
}

void metrics_op_ended(struct metrics *metrics, enum store_op_type type, bool failed)
{
    if ((size_t)type < METRICS_OPS) {
        (failed ? metrics->ops_failed : metrics->ops_done)[type]++;
    }
}

/* ---- text ---- */

void metrics_family(struct buf *buf, const char *name, const char *type, const char *help)
{
    buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_value(struct buf *buf, const char *name, const char *help, uint64_t value)
{
    metrics_family(buf, name, "gauge", help);
    buf_printf(buf, "%s %lu\n", name, (unsigned long)value);
}

void metrics_out_times(struct buf *buf, const char *name, const char *label, const struct metrics_times *times)
{
    const char *comma = *label != '\0' ? "," : "";
    uint64_t sum = 0;

    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        char bound[32] = "+Inf";

        if (i < METRICS_BUCKETS - 1) {
            (void)snprintf(bound, sizeof(bound), "%g", (double)bounds_us[i] / 1e6);
        }
        sum += times->counts[i];
        buf_printf(buf, "%s_bucket{%s%sle=\"%s\"} %lu\n", name, label, comma, bound, (unsigned long)sum);
    }
    buf_printf(buf, *label != '\0' ? "%s_sum{%s} %.6f\n" : "%s_sum%s %.6f\n", name, label, (double)times->sum_us / 1e6);
    buf_printf(buf, *label != '\0' ? "%s_count{%s} %lu\n" : "%s_count%s %lu\n", name, label, (unsigned long)times->n);
}

static void out_steps(struct buf *buf, const struct metrics *metrics)
{
    char label[64];

    metrics_family(buf, "hecate_step_seconds", "histogram", "Steps on storage nodes");
    for (size_t i = 0; i < METRICS_STEPS; i++) {
        if (metrics->steps[i].n > 0) {
            (void)snprintf(label, sizeof(label), "step=\"%s\"", exec_step_name((enum exec_step_kind)i));
            metrics_out_times(buf, "hecate_step_seconds", label, &metrics->steps[i]);
        }
    }
    metrics_family(buf, "hecate_steps_failed_total", "counter", "Steps that failed (most are repeated)");
    for (size_t i = 0; i < METRICS_STEPS; i++) {
        if (metrics->steps[i].n > 0) {
            buf_printf(buf, "hecate_steps_failed_total{step=\"%s\"} %lu\n", exec_step_name((enum exec_step_kind)i),
                       (unsigned long)metrics->steps_failed[i]);
        }
    }
}

static void out_ended(struct buf *buf, const struct metrics *metrics)
{
    metrics_family(buf, "hecate_operations_ended_total", "counter", "Operations that ended since this member started");
    for (size_t i = 0; i < METRICS_OPS; i++) {
        const char *name = store_op_type_name((enum store_op_type)i);

        if (metrics->ops_done[i] > 0) {
            buf_printf(buf, "hecate_operations_ended_total{result=\"done\",type=\"%s\"} %lu\n", name,
                       (unsigned long)metrics->ops_done[i]);
        }
        if (metrics->ops_failed[i] > 0) {
            buf_printf(buf, "hecate_operations_ended_total{result=\"failed\",type=\"%s\"} %lu\n", name,
                       (unsigned long)metrics->ops_failed[i]);
        }
    }
}

void metrics_out(struct buf *buf, const struct metrics *metrics)
{
    metrics_family(buf, "hecate_commit_seconds", "histogram", "From proposing a command to its being applied");
    metrics_out_times(buf, "hecate_commit_seconds", "", &metrics->commit);
    metrics_family(buf, "hecate_loop_lag_seconds", "histogram", "How late timers of the event loop fire");
    metrics_out_times(buf, "hecate_loop_lag_seconds", "", &metrics->loop_lag);
    metrics_family(buf, "hecate_loop_lag_max_seconds", "gauge", "The longest lag since the start");
    buf_printf(buf, "hecate_loop_lag_max_seconds %.6f\n", (double)metrics->loop_lag.max_us / 1e6);
    metrics_family(buf, "hecate_log_lines_dropped_total", "counter",
                   "Lines of the log that standard error did not take");
    buf_printf(buf, "hecate_log_lines_dropped_total %lu\n", (unsigned long)log_out_dropped());
    out_steps(buf, metrics);
    out_ended(buf, metrics);
    metrics_value(buf, "hecate_snapshots_total", "Snapshots made", atomic_load(&metrics->snapshots));
    metrics_value(buf, "hecate_snapshot_bytes", "Size of the last snapshot", atomic_load(&metrics->snapshot_bytes));
    metrics_family(buf, "hecate_snapshot_seconds", "gauge", "Time that encoding the last snapshot took");
    buf_printf(buf, "hecate_snapshot_seconds %.6f\n", (double)atomic_load(&metrics->snapshot_us) / 1e6);
}

void metrics_out_store(struct buf *buf, const struct store *store)
{
    metrics_family(buf, "hecate_operations", "gauge", "Operations under way");
    for (enum store_op_type type = 0; type < STORE_OP_TYPES; type++) {
        size_t n_undo = store_operations_of(store, type, STORE_OP_UNDO);
        size_t n_forward =
            store_operations_of(store, type, STORE_OP_FORWARD) + store_operations_of(store, type, STORE_OP_COMMITTED);

        if (n_forward > 0) {
            buf_printf(buf, "hecate_operations{phase=\"forward\",type=\"%s\"} %zu\n", store_op_type_name(type),
                       n_forward);
        }
        if (n_undo > 0) {
            buf_printf(buf, "hecate_operations{phase=\"undo\",type=\"%s\"} %zu\n", store_op_type_name(type), n_undo);
        }
    }
}
