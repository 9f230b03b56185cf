#include "daemon/asked.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdlib.h>

#include "store/base/mem.h"

struct asked_entry {
    struct id id;
    int64_t at_ms;
    RB_ENTRY(asked_entry) by_id;
    TAILQ_ENTRY(asked_entry) link;
};

RB_HEAD(asked_tree, asked_entry);

struct asked {
    struct asked_tree tree;
    TAILQ_HEAD(asked_list, asked_entry) list; /* who was asked for longest ago comes first */
    size_t n;
    int64_t since_ms; /* of what was before nothing is known */
};

static int entry_cmp(const struct asked_entry *a, const struct asked_entry *b)
{
    return id_cmp(&a->id, &b->id);
}

RB_PROTOTYPE(asked_tree, asked_entry, by_id, entry_cmp)
RB_GENERATE(asked_tree, asked_entry, by_id, entry_cmp)

static void drop(struct asked *asked, struct asked_entry *entry)
{
    RB_REMOVE(asked_tree, &asked->tree, entry);
    TAILQ_REMOVE(&asked->list, entry, link);
    asked->n--;
    free(entry);
}

struct asked *asked_new(void)
{
    struct asked *asked = mem_calloc(1, sizeof(*asked));

    RB_INIT(&asked->tree);
    TAILQ_INIT(&asked->list);
    return asked;
}

void asked_free(struct asked *asked)
{
    asked_begin(asked, 0);
    free(asked);
}

void asked_begin(struct asked *asked, int64_t now_ms)
{
    struct asked_entry *entry, *next;

    TAILQ_FOREACH_SAFE(entry, &asked->list, link, next)
    {
        drop(asked, entry);
    }
    asked->since_ms = now_ms;
}

/* What was not lately need not be kept; what is forgotten although it was, counts for all that are not known. */
static void make_room(struct asked *asked, int64_t now_ms)
{
    struct asked_entry *entry, *next;

    TAILQ_FOREACH_SAFE(entry, &asked->list, link, next)
    {
        if (asked->n < ASKED_MAX && now_ms - entry->at_ms < ASKED_LATELY_MS) {
            break;
        }
        asked->since_ms = entry->at_ms > asked->since_ms ? entry->at_ms : asked->since_ms;
        drop(asked, entry);
    }
}

void asked_note(struct asked *asked, struct id id, int64_t now_ms)
{
    struct asked_entry *entry = RB_FIND(asked_tree, &asked->tree, &(struct asked_entry){.id = id});

    if (entry == NULL) {
        make_room(asked, now_ms);
        entry = mem_calloc(1, sizeof(*entry));
        entry->id = id;
        RB_INSERT(asked_tree, &asked->tree, entry);
        asked->n++;
    } else {
        TAILQ_REMOVE(&asked->list, entry, link);
    }
    entry->at_ms = now_ms;
    TAILQ_INSERT_TAIL(&asked->list, entry, link);
}

bool asked_lately(const struct asked *asked, struct id id, int64_t now_ms)
{
    struct asked_tree *tree = (struct asked_tree *)(uintptr_t)&asked->tree;
    const struct asked_entry *entry = RB_FIND(asked_tree, tree, &(struct asked_entry){.id = id});

    return now_ms - (entry != NULL ? entry->at_ms : asked->since_ms) < ASKED_LATELY_MS;
}
