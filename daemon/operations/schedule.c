#include "daemon/operations/schedule.h"

#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"

static int item_cmp(const struct schedule_item *a, const struct schedule_item *b)
{
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

RB_HEAD(schedule_item_tree, schedule_item);
RB_PROTOTYPE(schedule_item_tree, schedule_item, link, item_cmp);
RB_GENERATE(schedule_item_tree, schedule_item, link, item_cmp);

struct schedule_resource {
    RB_ENTRY(schedule_resource) link;
    enum schedule_kind kind;
    struct id id;
    size_t users; /* items that claim it */
    size_t running, limit;
    /* pools */
    size_t successes; /* of the round */
    struct id busy;   /* the node that says so in the round; ID_NONE: none does */
    uint64_t halved;  /* count of starts then: answers of earlier ones do not halve it again */
    struct schedule_item_tree waiting;
};

static int resource_cmp(const struct schedule_resource *a, const struct schedule_resource *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return id_cmp(&a->id, &b->id);
}

RB_HEAD(schedule_resource_tree, schedule_resource);
RB_PROTOTYPE(schedule_resource_tree, schedule_resource, link, resource_cmp);
RB_GENERATE(schedule_resource_tree, schedule_resource, link, resource_cmp);

struct schedule {
    struct schedule_resource_tree resources;
    struct schedule_item_tree ready;
    uint64_t seq, starts;
    size_t n_items, n_resources;
};

struct schedule *schedule_new(void)
{
    struct schedule *schedule = mem_calloc(1, sizeof(*schedule));

    RB_INIT(&schedule->resources);
    RB_INIT(&schedule->ready);
    return schedule;
}

static void remove_resource(struct schedule *schedule, struct schedule_resource *resource)
{
    CHECK(resource->users == 0 && resource->running == 0 && RB_EMPTY(&resource->waiting));
    RB_REMOVE(schedule_resource_tree, &schedule->resources, resource);
    schedule->n_resources--;
    free(resource);
}

void schedule_free(struct schedule *schedule)
{
    struct schedule_resource *resource;

    CHECK(schedule->n_items == 0);
    while ((resource = RB_MIN(schedule_resource_tree, &schedule->resources)) != NULL) {
        remove_resource(schedule, resource);
    }
    free(schedule);
}

/* ---- claims ---- */

static size_t first_limit(enum schedule_kind kind)
{
    switch (kind) {
    case SCHEDULE_NODE:
        return SCHEDULE_NODE_LIMIT;
    case SCHEDULE_POOL:
        return SCHEDULE_POOL_START;
    default:
        return 1;
    }
}

static struct schedule_resource *find(const struct schedule *schedule, enum schedule_kind kind, struct id id)
{
    struct schedule_resource key = {.kind = kind, .id = id};

    return RB_FIND(schedule_resource_tree, (struct schedule_resource_tree *)(uintptr_t)&schedule->resources, &key);
}

void schedule_claim(struct schedule *schedule, struct schedule_item *item, enum schedule_kind kind, struct id id)
{
    struct schedule_resource *resource = find(schedule, kind, id);

    CHECK(item->seq == 0 && item->claims[kind] == NULL);
    if (resource == NULL) {
        resource = mem_calloc(1, sizeof(*resource));
        resource->kind = kind;
        resource->id = id;
        resource->limit = first_limit(kind);
        RB_INIT(&resource->waiting);
        RB_INSERT(schedule_resource_tree, &schedule->resources, resource);
        schedule->n_resources++;
    }
    resource->users++;
    item->claims[kind] = resource;
}

static bool is_free(const struct schedule_resource *resource)
{
    return resource->running < resource->limit;
}

static void hold(struct schedule_item *item, enum schedule_kind kind)
{
    item->held[kind] = true;
    item->claims[kind]->running++;
}

/* Takes all claims if they are free, else waits for the first that is not. */
static void try_start(struct schedule *schedule, struct schedule_item *item)
{
    bool keeps = item->passed >= SCHEDULE_PATIENCE;

    for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
        if (item->claims[kind] == NULL || item->held[kind]) {
            continue;
        }
        if (!is_free(item->claims[kind])) {
            item->waits = item->claims[kind];
            item->passed++;
            RB_INSERT(schedule_item_tree, &item->waits->waiting, item);
            return;
        }
        if (keeps) {
            hold(item, kind);
        }
    }
    for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
        if (item->claims[kind] != NULL && !item->held[kind]) {
            hold(item, kind);
        }
    }
    item->started = ++schedule->starts;
    item->ready = true;
    RB_INSERT(schedule_item_tree, &schedule->ready, item);
}

/* Some of these may have come free: those that wait for them try, the oldest of all first. */
static void offer(struct schedule *schedule, struct schedule_resource *const resources[SCHEDULE_KINDS])
{
    struct schedule_item *item;

    do {
        item = NULL;
        for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
            struct schedule_item *first;

            if (resources[kind] == NULL || !is_free(resources[kind])) {
                continue;
            }
            first = RB_MIN(schedule_item_tree, &resources[kind]->waiting);
            item = item == NULL || (first != NULL && first->seq < item->seq) ? first : item;
        }
        if (item != NULL) {
            RB_REMOVE(schedule_item_tree, &item->waits->waiting, item);
            item->waits = NULL;
            try_start(schedule, item);
        }
    } while (item != NULL);
}

void schedule_add(struct schedule *schedule, struct schedule_item *item, void *owner)
{
    CHECK(item->seq == 0);
    item->seq = ++schedule->seq;
    item->owner = owner;
    schedule->n_items++;
    try_start(schedule, item);
}

struct schedule_item *schedule_next(struct schedule *schedule)
{
    struct schedule_item *item = RB_MIN(schedule_item_tree, &schedule->ready);

    if (item != NULL) {
        RB_REMOVE(schedule_item_tree, &schedule->ready, item);
        item->ready = false;
    }
    return item;
}

/* ---- the end ---- */

static void begin_round(struct schedule_resource *pool, size_t limit)
{
    pool->limit = limit < 1 ? 1 : limit < SCHEDULE_POOL_MAX ? limit : SCHEDULE_POOL_MAX;
    pool->successes = 0;
    pool->busy = ID_NONE;
}

static void note_busy(struct schedule *schedule, struct schedule_resource *pool, const struct schedule_item *item,
                      bool alone)
{
    const struct schedule_resource *node = item->claims[SCHEDULE_NODE];

    CHECK(node != NULL);
    if (item->started <= pool->halved) {
        return;
    }
    if (alone || (!id_is_none(pool->busy) && !id_equal(pool->busy, node->id))) {
        begin_round(pool, pool->limit / 2);
        pool->halved = schedule->starts;
    } else {
        pool->busy = node->id;
    }
}

static void adapt(struct schedule *schedule, const struct schedule_item *item, enum schedule_outcome outcome)
{
    struct schedule_resource *pool = item->claims[SCHEDULE_POOL];

    switch (outcome) {
    case SCHEDULE_BUSY:
    case SCHEDULE_BUSY_ALONE:
        note_busy(schedule, pool, item, outcome == SCHEDULE_BUSY_ALONE);
        break;
    case SCHEDULE_DONE:
        if (++pool->successes >= pool->limit) {
            begin_round(pool, pool->limit + 1);
        }
        break;
    case SCHEDULE_FAILED:
        break;
    }
}

void schedule_yield(struct schedule *schedule, struct schedule_item *item)
{
    struct schedule_resource *pool = item->claims[SCHEDULE_POOL];

    if (pool != NULL && item->held[SCHEDULE_POOL] && !item->ready && item->waits == NULL) {
        item->held[SCHEDULE_POOL] = false;
        pool->running--;
        offer(schedule, (struct schedule_resource *const[SCHEDULE_KINDS]){[SCHEDULE_POOL] = pool});
    }
}

void schedule_done(struct schedule *schedule, struct schedule_item *item, enum schedule_outcome outcome)
{
    struct schedule_item ended = *item;

    CHECK(item->seq != 0);
    if (item->waits != NULL) {
        RB_REMOVE(schedule_item_tree, &item->waits->waiting, item);
    } else if (item->ready) {
        RB_REMOVE(schedule_item_tree, &schedule->ready, item);
    } else if (item->claims[SCHEDULE_POOL] != NULL) {
        adapt(schedule, item, outcome);
    }
    schedule->n_items--;
    *item = (struct schedule_item){0};
    for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
        if (ended.held[kind]) {
            ended.claims[kind]->running--;
        }
    }
    offer(schedule, ended.claims);
    for (enum schedule_kind kind = 0; kind < SCHEDULE_KINDS; kind++) {
        struct schedule_resource *resource = ended.claims[kind];

        if (resource != NULL && --resource->users == 0 && kind != SCHEDULE_POOL) { /* a pool's limit is remembered */
            remove_resource(schedule, resource);
        }
    }
}

size_t schedule_pool_limit(const struct schedule *schedule, struct id pool)
{
    const struct schedule_resource *resource = find(schedule, SCHEDULE_POOL, pool);

    return resource != NULL ? resource->limit : SCHEDULE_POOL_START;
}

size_t schedule_resources(const struct schedule *schedule)
{
    return schedule->n_resources;
}
