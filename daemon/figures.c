/* GET /metrics: what this member knows of itself, of consensus and of the storage nodes. */
#include <string.h>

#include "daemon/member_priv.h"
#include "daemon/turns.h"
#include "store/base/check.h"

#define LAG_EVERY_MS 100

static void lag_due(uv_timer_t *timer)
{
    struct member *member = timer->data;
    uint64_t now_ns = uv_hrtime();
    uint64_t due_ns = member->lag_armed_ns + LAG_EVERY_MS * UINT64_C(1000000);

    /* The loop's clock counts whole milliseconds: up to one of them is no lag. */
    metrics_time(&member->metrics.loop_lag, now_ns > due_ns ? (now_ns - due_ns) / 1000 : 0);
    member->lag_armed_ns = now_ns;
    CHECK(uv_timer_start(timer, lag_due, LAG_EVERY_MS, 0) == 0);
}

void member_lag_start(struct member *member)
{
    CHECK(uv_timer_init(member->loop, &member->lag_timer) == 0);
    member->lag_timer.data = member;
    member->lag_armed_ns = uv_hrtime();
    CHECK(uv_timer_start(&member->lag_timer, lag_due, LAG_EVERY_MS, 0) == 0);
}

static void out_raft(struct buf *buf, const struct member *member, const struct cons_status *status)
{
    double lease_s = status->role == CONS_LEADER && status->lease_left_us > 0 ? (double)status->lease_left_us / 1e6 : 0;

    metrics_family(buf, "hecate_member_info", "gauge", "This member");
    buf_printf(buf, "hecate_member_info{member=\"%lu\",version=\"%s\"} 1\n", (unsigned long)member->cfg->member_id,
               HECATE_VERSION);
    metrics_value(buf, "hecate_raft_term", "Term of the log", status->term);
    metrics_value(buf, "hecate_raft_leader", "1 on the leader", status->role == CONS_LEADER);
    metrics_value(buf, "hecate_raft_leader_id", "The leader, 0 when none is known", status->leader_id);
    metrics_value(buf, "hecate_raft_serving", "1 while this member answers: leader with a lease", status->serving);
    metrics_family(buf, "hecate_raft_lease_seconds", "gauge", "What is left of the leader's lease");
    buf_printf(buf, "hecate_raft_lease_seconds %.6f\n", lease_s);
    metrics_value(buf, "hecate_address_held", "1 while the virtual addresses are on this member's host",
                  member->address_held);
    metrics_value(buf, "hecate_raft_commit_index", "Last committed entry", status->commit_index);
    metrics_value(buf, "hecate_raft_applied_index", "Last applied entry", status->applied_index);
    metrics_value(buf, "hecate_raft_last_index", "Last entry of the log", status->last_index);
    metrics_value(buf, "hecate_raft_snapshot_index", "Last entry that a snapshot covers", status->snapshot_index);
    metrics_family(buf, "hecate_raft_member_connected", "gauge", "Connections to the other members");
    for (size_t i = 0; i < status->n_members; i++) {
        if (status->members[i].id != (uint64_t)member->cfg->member_id) {
            buf_printf(buf, "hecate_raft_member_connected{member=\"%lu\"} %d\n", (unsigned long)status->members[i].id,
                       status->members[i].connected);
        }
    }
    if (status->role != CONS_LEADER) {
        return;
    }
    metrics_family(buf, "hecate_raft_member_lag_entries", "gauge", "Entries that a member has not acknowledged yet");
    for (size_t i = 0; i < status->n_members; i++) {
        const struct cons_member_status *item = &status->members[i];

        if (item->id != (uint64_t)member->cfg->member_id) {
            buf_printf(
                buf, "hecate_raft_member_lag_entries{member=\"%lu\"} %lu\n", (unsigned long)item->id,
                (unsigned long)(status->last_index > item->match_index ? status->last_index - item->match_index : 0));
        }
    }
}

struct visit {
    const struct member *member;
    struct buf *buf;
};

static void visit_node(void *user, const struct op_node_view *view)
{
    struct visit *visit = user;
    const struct store_node *node = store_node(visit->member->store, view->node);

    if (node != NULL) { /* host names have no character that would need quoting */
        buf_printf(visit->buf, "hecate_node_up{hostname=\"%s\",node=\"%s\"} %d\n", node->manage.items[0],
                   id_text(node->id).text, !view->down);
    }
}

static void out_process(struct buf *buf)
{
    uv_rusage_t usage;
    size_t resident = 0;

    if (uv_resident_set_memory(&resident) == 0) {
        metrics_value(buf, "process_resident_memory_bytes", "Resident memory size in bytes.", resident);
    }
    if (uv_getrusage(&usage) == 0) {
        metrics_family(buf, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
        buf_printf(buf, "process_cpu_seconds_total %.6f\n",
                   (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    }
}

void member_metrics(void *user, struct buf *buf)
{
    struct member *member = user;
    struct visit visit = {.member = member, .buf = buf};
    struct store_counts counts = store_counts(member->store);
    struct cons_status status;

    cons_get_status(member->cons, &status);
    out_raft(buf, member, &status);
    metrics_out_store(buf, member->store);
    metrics_value(buf, "hecate_volumes", "Volumes, those being made or deleted included", counts.volumes);
    metrics_value(buf, "hecate_bricks", "Bricks of volumes", counts.bricks);
    metrics_value(buf, "hecate_jobs", "Finished jobs whose queue ids still answer", counts.jobs);
    if (member->driver_term != 0) {
        metrics_family(buf, "hecate_node_up", "gauge", "Storage nodes as the leader sees them");
        op_driver_visit_nodes(member->driver, visit_node, &visit);
    }
    metrics_out(buf, &member->metrics);
    turns_out(buf);
    out_process(buf);
}
