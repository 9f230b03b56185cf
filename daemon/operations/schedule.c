#include "daemon/operations/schedule.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mem.h"

struct resource {
    RB_ENTRY(resource) link;
    struct resource *next_ready;
    enum schedule_kind kind;
    struct id id;
    size_t running, limit, successes;
    bool ready; /* in the ready list */
    struct schedule_item *head, *tail;
};

static int resource_cmp(struct resource *a, struct resource *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return id_cmp(&a->id, &b->id);
}

RB_HEAD(schedule_resource_tree, resource);
RB_PROTOTYPE(schedule_resource_tree, resource, link, resource_cmp)
RB_GENERATE(schedule_resource_tree, resource, link, resource_cmp)

struct schedule {
    struct schedule_resource_tree resources;
    struct resource *ready_head, *ready_tail; /* resources with something that may run */
};

struct schedule *schedule_new(void)
{
    struct schedule *schedule = mem_calloc(1, sizeof(*schedule));

    RB_INIT(&schedule->resources);
    return schedule;
}

void schedule_free(struct schedule *schedule)
{
    struct resource *resource;

    while ((resource = RB_MIN(schedule_resource_tree, &schedule->resources)) != NULL) {
        RB_REMOVE(schedule_resource_tree, &schedule->resources, resource);
        free(resource);
    }
    free(schedule);
}

static size_t first_limit(enum schedule_kind kind)
{
    switch (kind) {
    case SCHEDULE_VG:
        return 1;
    case SCHEDULE_POOL:
        return SCHEDULE_POOL_START;
    case SCHEDULE_NODE:
        break;
    }
    return SIZE_MAX;
}

static struct resource *find(struct schedule *schedule, enum schedule_kind kind, struct id id)
{
    struct resource key = {.kind = kind, .id = id};
    struct resource *resource = RB_FIND(schedule_resource_tree, &schedule->resources, &key);

    if (resource == NULL) {
        resource = mem_calloc(1, sizeof(*resource));
        resource->kind = kind;
        resource->id = id;
        resource->limit = first_limit(kind);
        RB_INSERT(schedule_resource_tree, &schedule->resources, resource);
    }
    return resource;
}

static void note_ready(struct schedule *schedule, struct resource *resource)
{
    if (resource->ready || resource->head == NULL || resource->running >= resource->limit) {
        return;
    }
    resource->ready = true;
    resource->next_ready = NULL;
    if (schedule->ready_tail != NULL) {
        schedule->ready_tail->next_ready = resource;
    } else {
        schedule->ready_head = resource;
    }
    schedule->ready_tail = resource;
}

void schedule_add(struct schedule *schedule, struct schedule_item *item, enum schedule_kind kind, struct id id,
                  void *owner)
{
    struct resource *resource = find(schedule, kind, id);

    CHECK(!item->queued && !item->running);
    *item = (struct schedule_item){.owner = owner, .kind = kind, .resource = id, .queued = true};
    if (resource->tail != NULL) {
        resource->tail->next = item;
    } else {
        resource->head = item;
    }
    resource->tail = item;
    note_ready(schedule, resource);
}

struct schedule_item *schedule_next(struct schedule *schedule)
{
    struct resource *resource = schedule->ready_head;
    struct schedule_item *item;

    if (resource == NULL) {
        return NULL;
    }
    schedule->ready_head = resource->next_ready;
    if (schedule->ready_head == NULL) {
        schedule->ready_tail = NULL;
    }
    resource->ready = false;
    item = resource->head;
    if (item == NULL || resource->running >= resource->limit) { /* withdrawn, or the limit fell meanwhile */
        return schedule_next(schedule);
    }
    resource->head = item->next;
    if (resource->head == NULL) {
        resource->tail = NULL;
    }
    item->queued = false;
    item->running = true;
    resource->running++;
    note_ready(schedule, resource); /* at the end of the list: resources take turns */
    return item;
}

static void withdraw(struct resource *resource, struct schedule_item *item)
{
    struct schedule_item *before = NULL;

    for (struct schedule_item *at = resource->head; at != item; at = at->next) {
        CHECK(at != NULL);
        before = at;
    }
    if (before != NULL) {
        before->next = item->next;
    } else {
        resource->head = item->next;
    }
    if (resource->tail == item) {
        resource->tail = before;
    }
}

static void adapt(struct resource *resource, bool busy)
{
    if (resource->kind != SCHEDULE_POOL) {
        return;
    }
    if (busy) {
        resource->limit = resource->limit > 1 ? resource->limit / 2 : 1;
        resource->successes = 0;
    } else if (++resource->successes >= resource->limit && resource->limit < SCHEDULE_POOL_MAX) {
        resource->limit++;
        resource->successes = 0;
    }
}

void schedule_done(struct schedule *schedule, struct schedule_item *item, bool busy)
{
    struct resource *resource = find(schedule, item->kind, item->resource);

    if (item->queued) {
        withdraw(resource, item);
    } else if (item->running) {
        CHECK(resource->running > 0);
        resource->running--;
        adapt(resource, busy);
    }
    item->queued = item->running = false;
    note_ready(schedule, resource);
}
