#include "store/base/turn.h"

#include <string.h>

#include "store/base/check.h"

#define DEPTH_MAX 16

/* Of the one thread that runs the loop. */
static _Thread_local bool on_loop;
static uint64_t (*clock_ns)(void);
static struct turn_kind kinds[TURN_KINDS_MAX];
static size_t n_kinds;
static struct turn_kind *stack[DEPTH_MAX]; /* deeper ones count for the deepest that has a place */
static size_t depth;
static uint64_t since_ns;

struct turn_kind *turn_kind(const char *name)
{
    size_t i = 0;

    while (i < n_kinds && strcmp(kinds[i].name, name) != 0) {
        i++;
    }
    if (i == n_kinds) {
        if (n_kinds == TURN_KINDS_MAX) {
            return &kinds[TURN_KINDS_MAX - 1];
        }
        n_kinds++;
        kinds[i].name = n_kinds == TURN_KINDS_MAX ? "other" : name;
    }
    return &kinds[i];
}

const struct turn_kind *turn_kinds(size_t *ret_n)
{
    *ret_n = n_kinds;
    return kinds;
}

void turn_start(uint64_t (*now_ns)(void))
{
    on_loop = true;
    clock_ns = now_ns;
    depth = 0;
    since_ns = now_ns();
    if (n_kinds == 0) {
        (void)turn_kind("loop"); /* what turn_end names a turn by when no kind took most of it */
    }
}

/* The time since the last change goes to what runs now. */
static void charge(void)
{
    uint64_t now_ns = clock_ns();

    if (depth > 0) {
        struct turn_kind *kind = stack[depth <= DEPTH_MAX ? depth - 1 : DEPTH_MAX - 1];

        kind->this_turn_ns += now_ns - since_ns;
        kind->ran = true;
    }
    since_ns = now_ns;
}

void turn_enter(struct turn_kind *kind)
{
    if (!on_loop) {
        return;
    }
    charge();
    if (depth < DEPTH_MAX) {
        stack[depth] = kind;
    }
    depth++;
}

void turn_leave(void)
{
    if (!on_loop) {
        return;
    }
    CHECK(depth > 0);
    charge();
    depth--;
}

const struct turn_kind *turn_end(uint64_t busy_ns)
{
    struct turn_kind *most = &kinds[0];
    uint64_t most_ns, rest_ns = busy_ns;

    CHECK(on_loop && depth == 0);
    for (size_t i = 0; i < n_kinds; i++) {
        rest_ns = rest_ns > kinds[i].this_turn_ns ? rest_ns - kinds[i].this_turn_ns : 0;
    }
    kinds[0].this_turn_ns += rest_ns;
    kinds[0].ran = kinds[0].ran || rest_ns > 0;
    most_ns = kinds[0].this_turn_ns;
    for (size_t i = 0; i < n_kinds; i++) {
        struct turn_kind *kind = &kinds[i];

        if (!kind->ran) {
            continue;
        }
        if (kind->this_turn_ns > most_ns) {
            most = kind;
            most_ns = kind->this_turn_ns;
        }
        kind->n_turns++;
        kind->total_ns += kind->this_turn_ns;
        kind->longest_ns = kind->this_turn_ns > kind->longest_ns ? kind->this_turn_ns : kind->longest_ns;
        kind->this_turn_ns = 0;
        kind->ran = false;
    }
    most->longest_turn_ns = busy_ns > most->longest_turn_ns ? busy_ns : most->longest_turn_ns;
    return most;
}
