#include "store/plan_priv.h"

#define META_KIB_MAX (UINT64_C(16) * STORE_KIB_PER_GIB)

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

struct plan_need plan_need(uint64_t size_kib, float factor, uint64_t extent_kib)
{
    struct plan_need need;
    uint64_t extent = extent_kib > 0 ? extent_kib : 1;

    /* Heketi's arithmetic in doubles, for equal sizes; only the leader does it, members take the numbers. */
    need.pool_kib = round_up((uint64_t)((double)size_kib * (double)factor), extent);
    need.meta_kib = (uint64_t)(0.005 * (double)need.pool_kib);
    need.meta_kib = round_up(need.meta_kib < META_KIB_MAX ? need.meta_kib : META_KIB_MAX, extent);
    return need;
}
