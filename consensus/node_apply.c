/* Applies what is committed: for a few milliseconds in each turn of the loop, so that a member with much to catch up on
 * still answers the others in time. */
#include "consensus/node_priv.h"
#include "store/base/check.h"
#include "store/base/turn.h"

#define APPLY_NS UINT64_C(5000000)

static void turn_ends(uv_prepare_t *prepare)
{
    ((struct cons *)prepare->data)->apply_until_ns = 0;
}

void node_apply_start(struct cons *c)
{
    /* Handles that are started later run earlier: c->turn is over when this one runs. */
    CHECK(uv_prepare_start(&c->applying, turn_ends) == 0);
    uv_unref((uv_handle_t *)&c->applying);
}

bool node_may_apply(void *user)
{
    struct cons *c = user;
    uint64_t now_ns = uv_hrtime();

    if (c->apply_until_ns == 0) {
        c->apply_until_ns = now_ns + APPLY_NS;
    }
    return now_ns < c->apply_until_ns;
}

void node_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data, size_t len)
{
    TURN("apply");
    struct cons *c = user;
    const void *result = c->fsm.apply(c->fsm.user, index, data, len);

    /* Proposals are submitted in order, so the first one is meant, or one whose place another leader's entry took. */
    while (c->submitted.head != NULL && c->submitted.head->index <= index) {
        struct proposal *proposal = proposals_pop(&c->submitted);
        bool ours = proposal->index == index && proposal->term == term;

        proposal_finish(proposal, ours ? 0 : E_UNKNOWN_OUTCOME, ours ? result : NULL);
    }
}
