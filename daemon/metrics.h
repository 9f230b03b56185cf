/* Figures of this member since its start, for GET /metrics. No I/O, no clock. */
#ifndef HECATE_DAEMON_METRICS_H
#define HECATE_DAEMON_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/executor/executor.h"
#include "store/base/buf.h"
#include "store/store.h"

#define METRICS_BUCKETS 12
#define METRICS_STEPS 32 /* above every enum exec_step_kind */
#define METRICS_OPS 128  /* above every enum store_op_type */

struct metrics_times {                /* a histogram of durations */
    uint64_t counts[METRICS_BUCKETS]; /* not cumulative; the last one is without bound */
    uint64_t n, sum_us, max_us;
};

struct metrics {
    struct metrics_times commit;   /* from propose to applied, on the leader */
    struct metrics_times loop_lag; /* how late a timer of this loop fires */
    struct metrics_times steps[METRICS_STEPS];
    uint64_t steps_failed[METRICS_STEPS];
    uint64_t ops_done[METRICS_OPS], ops_failed[METRICS_OPS]; /* applied here, the log's past at start included */
    _Atomic uint64_t snapshot_bytes, snapshot_us, snapshots; /* of the last one; written by a thread */
};

void metrics_time(struct metrics_times *times, uint64_t us);
void metrics_step(struct metrics *metrics, enum exec_step_kind kind, int code, uint64_t ms);
void metrics_op_ended(struct metrics *metrics, enum store_op_type type, bool failed);

/* Prometheus' text. */
void metrics_family(struct buf *buf, const char *name, const char *type, const char *help);
void metrics_value(struct buf *buf, const char *name, const char *help, uint64_t value); /* a gauge without labels */
/* A histogram; label: `step="x"`, "" for none. */
void metrics_out_times(struct buf *buf, const char *name, const char *label, const struct metrics_times *times);
void metrics_out(struct buf *buf, const struct metrics *metrics);
/* Operations that are there now, by type and phase. */
void metrics_out_store(struct buf *buf, const struct store *store);

#endif
