/* The virtual addresses: the keeper is told the lease's deadline whenever it moves, and consensus when they are away.
 */
#include <stdio.h>

#include "daemon/member_priv.h"
#include "store/base/check.h"

void member_lease(void *user, uint64_t until_us)
{
    struct member *member = user;

    if (until_us != 0) {
        keeper_hold(member->keeper, until_us);
    } else {
        keeper_release(member->keeper);
    }
}

static void address_held(void *user, bool held)
{
    struct member *member = user;

    if (held != member->address_held) {
        LOG(LOG_INFO, "address", held ? "the virtual addresses are here" : "the virtual addresses are gone");
        member->address_held = held;
    }
    if (held) {
        member->address_trouble[0] = '\0';
    } else if (member->cons != NULL && !member->cons_closing) {
        cons_lease_released(member->cons);
    }
}

static void address_trouble(void *user, const char *text)
{
    struct member *member = user;

    LOG(LOG_ERROR, "address", text);
    (void)snprintf(member->address_trouble, sizeof(member->address_trouble), "%s", text);
    member->address_trouble_ms = uv_now(member->loop);
}

/* Without it nobody would take the addresses away in time. */
static void address_keeper_died(void *user)
{
    member_failed(user, "the keeper of the virtual addresses has died; start this member again");
}

void member_address_start(struct member *member, struct keeper *keeper)
{
    member->keeper = keeper;
    member->keeper_events = (struct keeper_events){
        .user = member, .held = address_held, .trouble = address_trouble, .died = address_keeper_died};
    keeper_attach(keeper, member->loop, &member->keeper_events);
}
