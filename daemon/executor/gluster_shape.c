/* Is a volume made as it was asked for? Without its copies, or with two of them on one node, it loses what clients
 * write to it as soon as one node does. */
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"

static bool has_arbiter(const struct exec_step *step)
{
    for (size_t i = 0; i < step->n_bricks; i++) {
        if (step->bricks[i].brick->type == STORE_BRICK_ARBITER) {
            return true;
        }
    }
    return false;
}

int64_t gluster_arbiters(const struct exec_step *step)
{
    return step->volume->durability == STORE_REPLICATE && has_arbiter(step) ? 1 : 0;
}

const char *gluster_kind_differs(const struct exec_step *step, const struct gluster_volume *found)
{
    const struct store_volume *volume = step->volume;
    bool replicated = volume->durability == STORE_REPLICATE, dispersed = volume->durability == STORE_DISPERSE;
    int64_t disperse = dispersed ? (int64_t)volume->disperse_data + volume->redundancy : 0;

    if (found->replica != (replicated ? volume->replica : 1)) {
        return "another number of replicas";
    }
    if (found->arbiter != gluster_arbiters(step)) {
        return "another number of arbiters";
    }
    if (found->disperse != disperse || found->redundancy != (dispersed ? volume->redundancy : 0)) {
        return "another dispersion";
    }
    return NULL;
}

size_t gluster_place(const struct gluster_volume *found, const struct exec_brick *brick)
{
    CLEANUP(free_ptr) char *name = step_brick_name(brick);

    for (size_t i = 0; i < found->n_bricks; i++) {
        if (gluster_same_brick(name, found->bricks[i].name)) {
            return i;
        }
    }
    return found->n_bricks;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t gluster_count_bricks(const struct exec_step *step, const struct gluster_volume *found)
{
    CLEANUP(store_strs_fini) struct store_strs names = {NULL, 0};
    size_t n = 0;

    for (size_t i = 0; i < step->n_bricks; i++) {
        CLEANUP(free_ptr) char *name = step_brick_name(&step->bricks[i]);

        store_strs_add(&names, name);
    }
    if (names.n > 0) {
        qsort(names.items, names.n, sizeof(*names.items), compare);
    }
    for (size_t i = 0; i < found->n_bricks && names.n > 0; i++) {
        const char *name = found->bricks[i].name;

        n += bsearch(&name, names.items, names.n, sizeof(*names.items), compare) != NULL;
    }
    return n;
}

bool gluster_in_order(const struct gluster_volume *found, size_t at, const struct exec_brick *bricks, size_t n)
{
    bool same = at <= found->n_bricks && n <= found->n_bricks - at;

    for (size_t i = 0; same && i < n; i++) {
        CLEANUP(free_ptr) char *name = step_brick_name(&bricks[i]);

        same = gluster_same_brick(name, found->bricks[at + i].name);
    }
    return same;
}
