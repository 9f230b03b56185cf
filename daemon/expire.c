/* The time in commands, and forgetting by it what ended long ago. */
#include <time.h>

#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/turn.h"

#define JOB_KEEP_MS INT64_C(7200000) /* two hours of member_time_ms; promise 1: at least an hour */
#define EXPIRE_EVERY_MS UINT64_C(10000)

int64_t member_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t boot_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t member_time_ms(struct member *member)
{
    int64_t newest_ms = member->pace.begun ? 0 : store_newest_ms(member->store);

    return pace_ms(&member->pace, newest_ms, member_now_ms(), boot_ms());
}

static void expire_jobs(uv_timer_t *timer);

/* One command forgets a limited number of jobs: it goes on until there is nothing left to forget. */
static void expired(void *user, int status, const struct store_result *result)
{
    (void)result;
    if (status == 0) { /* otherwise tried again at the next tick */
        expire_jobs(&((struct member *)user)->expire_timer);
    }
}

static void expire_jobs(uv_timer_t *timer)
{
    TURN("expire jobs");
    struct member *member = timer->data;
    struct store_cmd cmd;

    if (!member_serving(member) || store_jobs_oldest_ms(member->store) >= member_time_ms(member) - JOB_KEEP_MS) {
        return;
    }
    store_cmd_init(&cmd, STORE_CMD_EXPIRE_JOBS);
    cmd.time_ms = member_time_ms(member) - JOB_KEEP_MS;
    member_propose(member, &cmd, expired, member);
    store_cmd_fini(&cmd);
}

void member_expire_start(struct member *member)
{
    CHECK(uv_timer_init(member->loop, &member->expire_timer) == 0);
    member->expire_timer.data = member;
    CHECK(uv_timer_start(&member->expire_timer, expire_jobs, EXPIRE_EVERY_MS, EXPIRE_EVERY_MS) == 0);
}
