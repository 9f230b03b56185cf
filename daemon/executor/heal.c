#include "daemon/executor/heal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/step.h"
#include "store/base/mem.h"
#include "store/base/text.h"

/* Other bricks of the set that have to be there. A volume of single bricks has none, so it is always refused. */
static uint32_t peers_required(const struct store_volume *volume)
{
    if (volume->durability == STORE_DISPERSE) {
        return volume->disperse_data;
    }
    return volume->durability == STORE_REPLICATE && volume->replica >= 3 ? volume->replica / 2 + 1 : 1;
}

/* "host:path" of the bricks of the step, in order: a node may name many. */
struct places {
    struct place {
        char *name;
        size_t at; /* among the volume's */
    } * items;
    size_t n;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static int compare_name(const void *name, const void *place)
{
    return strcmp(name, ((const struct place *)place)->name);
}

static struct places places_of(const struct exec_step *step)
{
    struct places places = {.items = mem_calloc(step->n_bricks + 1, sizeof(struct place)), .n = step->n_bricks};

    for (size_t i = 0; i < step->n_bricks; i++) {
        places.items[i] = (struct place){step_brick_name(&step->bricks[i]), i};
    }
    qsort(places.items, places.n, sizeof(*places.items), compare);
    return places;
}

static void places_fini(struct places *places)
{
    for (size_t i = 0; i < places->n; i++) {
        free(places->items[i].name);
    }
    free(places->items);
}

/* The place of this brick among the volume's, or their number. */
static size_t place_of(const struct places *places, const char *name)
{
    const struct place *found = bsearch(name, places->items, places->n, sizeof(*places->items), compare_name);

    return found != NULL ? found->at : places->n;
}

static size_t place_of_id(const struct exec_step *step, struct id id)
{
    size_t i = 0;

    while (i < step->n_bricks && !id_equal(step->bricks[i].brick->id, id)) {
        i++;
    }
    return i;
}

__attribute__((format(printf, 3, 4))) static int refuse(struct exec_result *result, bool permanent, const char *fmt,
                                                        ...)
{
    va_list args;

    result->code = E_REMOTE;
    result->permanent = permanent;
    va_start(args, fmt);
    text_vprint(result->message, sizeof(result->message), fmt, args);
    va_end(args);
    return E_REMOTE;
}

/* What was said of a brick of the set: where it is named more than once, the worst of it. */
struct told {
    bool named, connected, known;
    uint64_t entries; /* as far as they are known */
};

/* Of the set that the brick at this place is in: as many as it is wide. `at` is one of the volume's. */
static struct told *told_of_set(const struct places *places, size_t at, uint32_t width, const struct heal_brick *bricks,
                                size_t n)
{
    struct told *set = mem_calloc(width, sizeof(*set));

    for (size_t i = 0; i < n; i++) {
        size_t place = place_of(places, bricks[i].name);
        bool known = bricks[i].entries != HEAL_UNKNOWN;
        struct told *told;

        if (place == places->n || place / width != at / width) {
            continue; /* another set, or a volume that changes at this moment */
        }
        told = &set[place % width];
        told->connected = bricks[i].connected && (told->connected || !told->named);
        told->known = known && (told->known || !told->named);
        told->entries = known && bricks[i].entries > told->entries ? bricks[i].entries : told->entries;
        told->named = true;
    }
    return set;
}

int heal_check(const struct exec_step *step, const struct heal_brick *bricks, size_t n, struct exec_result *result)
{
    struct id old = step->old_brick.brick->id;
    size_t at = place_of_id(step, old);
    uint32_t width = store_volume_width(step->volume), required = peers_required(step->volume), online = 0;
    CLEANUP(places_fini) struct places places = places_of(step);
    CLEANUP(free_ptr) struct told *set = told_of_set(&places, at, width, bricks, n);

    for (size_t i = 0; i < n; i++) {
        if (place_of(&places, bricks[i].name) == step->n_bricks || at == step->n_bricks) {
            return refuse(result, true, "Unable to determine heal status of brick");
        }
    }
    if (set[at % width].entries != 0) {
        (void)refuse(result, true, "Cannot replace brick %s as it is source brick for data to be healed",
                     id_text(old).text);
        return E_BUSY;
    }
    for (size_t i = 0; i < width; i++) {
        online += i != at % width && set[i].connected;
    }
    if (online < required) {
        return refuse(result, true, "Cannot replace brick %s as only %u of %u required peer bricks are online",
                      id_text(old).text, online, required);
    }
    return 0;
}

/* Bricks that the new one must have healed from: what they do not have, nobody has any more once the old one is gone.
 */
static uint32_t sources_required(const struct store_volume *volume)
{
    return volume->durability == STORE_DISPERSE ? volume->disperse_data : 1;
}

/* Has it data? An arbiter has names only. */
static bool is_source(const struct exec_step *step, size_t place)
{
    return place < step->n_bricks && step->bricks[place].brick->type != STORE_BRICK_ARBITER;
}

int heal_done(const struct exec_step *step, const struct heal_brick *bricks, size_t n, struct exec_result *result)
{
    size_t at = place_of_id(step, step->new_brick.brick->id);
    uint32_t width = store_volume_width(step->volume), sources = 0, required = sources_required(step->volume);
    CLEANUP(places_fini) struct places places = places_of(step);
    CLEANUP(free_ptr) struct told *set = told_of_set(&places, at, width, bricks, n);
    const struct exec_brick *unsaid = NULL, *away = NULL; /* who is there and says nothing; who is not there */
    const struct exec_brick *missed;
    uint64_t left = 0;

    if (at == step->n_bricks || !set[at % width].connected || !set[at % width].known) {
        return refuse(result, false, "brick %s of volume %s is not online yet", id_text(step->new_brick.brick->id).text,
                      step->volume->name);
    }
    for (size_t i = 0; i < width; i++) {
        size_t place = at - at % width + i;

        left += set[i].entries;
        if (place == at || place >= step->n_bricks) {
            continue;
        }
        if (set[i].connected && !set[i].known) {
            unsaid = &step->bricks[place];
        } else if (is_source(step, place) && !set[i].connected) {
            away = away != NULL ? away : &step->bricks[place];
        } else {
            sources += is_source(step, place);
        }
    }
    missed = unsaid != NULL ? unsaid : sources < required ? away : NULL;
    if (missed != NULL || sources < required) {
        CLEANUP(free_ptr) char *name = missed != NULL ? step_brick_name(missed) : mem_strdup("another brick");

        return refuse(
            result, false,
            "brick %s of volume %s heals from %u of the %u bricks that it needs: %s %s. The old brick is kept "
            "until then: see that %s and glusterd there run, then: gluster volume start %s force",
            id_text(step->new_brick.brick->id).text, step->volume->name, sources, required, name,
            unsaid != NULL ? "does not say what is left to heal" : "is not connected",
            missed != NULL ? missed->storage_host : "its node", step->volume->name);
    }
    if (left > 0) {
        return refuse(result, false, "volume %s is healing: %llu entries are left", step->volume->name,
                      (unsigned long long)left);
    }
    return 0;
}
