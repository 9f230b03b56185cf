/* The virtual addresses: the keeper is told the lease's deadline whenever it moves, and consensus when they are away.
 */
#include <stdio.h>
#include <time.h>

#include "daemon/member_priv.h"
#include "store/base/check.h"
#include "store/base/text.h"

static uint64_t clock_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void member_lease(void *user, uint64_t until_us)
{
    struct member *member = user;

    if (until_us != 0) {
        keeper_hold(member->keeper, until_us);
    } else if (member->handover.state == HANDOVER_ORDERED) {
        member->handover.lent_ms = uv_now(member->loop) + KEEPER_LEND_MAX_US / 1000;
        keeper_lend(member->keeper, clock_us() + KEEPER_LEND_MAX_US);
    } else {
        keeper_release(member->keeper);
    }
}

static void set_held(struct member *member, bool held)
{
    if (held == member->address_held) {
        return;
    }
    LOG(LOG_INFO, "address", held ? "the virtual addresses are here" : "the virtual addresses are gone");
    member->address_held = held;
    if (held) {
        member->address_trouble[0] = '\0';
    }
    if (member->cons != NULL && !member->cons_closing) {
        member_tell(member); /* the member that handed leadership over waits for it */
    }
}

/* What the keeper confirms. */
static void address_held(void *user, bool held)
{
    struct member *member = user;

    set_held(member, held);
    if (!held && member->cons != NULL && !member->cons_closing) {
        cons_lease_released(member->cons);
    }
}

static void address_trouble(void *user, const char *text)
{
    struct member *member = user;

    LOG(LOG_ERROR, "address", text);
    text_put(member->address_trouble, sizeof(member->address_trouble), text);
    member->address_trouble_ms = uv_now(member->loop);
}

/* Not confirmed for longer than the kernel keeps them: that they are here may not be said any more. */
static void address_silent(void *user)
{
    address_trouble(user, "the keeper of the virtual addresses does not answer");
    set_held(user, false);
}

/* Nothing here lives by the lease any more: the order may be given. */
static void address_lent(void *user)
{
    struct member *member = user;

    if (!member->cons_closing) {
        cons_lease_released(member->cons);
    }
}

/* Without it nobody would take the addresses away in time. */
static void address_keeper_died(void *user, bool was_silent)
{
    member_failed(user,
                  was_silent ? "the keeper of the virtual addresses did not answer and was ended; this member ends, so "
                               "that another one takes the addresses: start it again (systemd does so by itself)"
                             : "the keeper of the virtual addresses has died; start this member again",
                  false);
}

void member_address_start(struct member *member, struct keeper *keeper)
{
    member->keeper = keeper;
    member->keeper_events = (struct keeper_events){.user = member,
                                                   .held = address_held,
                                                   .silent = address_silent,
                                                   .lent = address_lent,
                                                   .trouble = address_trouble,
                                                   .died = address_keeper_died};
    keeper_attach(keeper, member->loop, &member->keeper_events);
}
