#include "daemon/executor/heal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/step.h"
#include "store/base/mem.h"
#include "store/base/text.h"

static uint32_t set_width(const struct store_volume *volume)
{
    switch (volume->durability) {
    case STORE_REPLICATE:
        return volume->replica;
    case STORE_DISPERSE:
        return volume->disperse_data + volume->redundancy;
    case STORE_NONE:
        break;
    }
    return 1;
}

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

int heal_check(const struct exec_step *step, const struct heal_brick *bricks, size_t n, struct exec_result *result)
{
    struct id old = step->old_brick.brick->id;
    size_t at = place_of_id(step, old);
    uint32_t width = set_width(step->volume), required = peers_required(step->volume), online = 0;
    CLEANUP(places_fini) struct places places = places_of(step);

    for (size_t i = 0; i < n; i++) {
        size_t place = place_of(&places, bricks[i].name);

        if (place == step->n_bricks || at == step->n_bricks) {
            return refuse(result, true, "Unable to determine heal status of brick");
        }
        if (place == at && bricks[i].entries != 0 && bricks[i].entries != HEAL_UNKNOWN) {
            (void)refuse(result, true, "Cannot replace brick %s as it is source brick for data to be healed",
                         id_text(old).text);
            return E_BUSY;
        }
        online += place != at && place / width == at / width && bricks[i].connected;
    }
    if (online < required) {
        return refuse(result, true, "Cannot replace brick %s as only %u of %u required peer bricks are online",
                      id_text(old).text, online, required);
    }
    return 0;
}

int heal_done(const struct exec_step *step, const struct heal_brick *bricks, size_t n, struct exec_result *result)
{
    size_t at = place_of_id(step, step->new_brick.brick->id);
    uint32_t width = set_width(step->volume);
    CLEANUP(places_fini) struct places places = places_of(step);
    uint64_t left = 0;
    bool seen = false, known = true;

    for (size_t i = 0; i < n; i++) {
        size_t place = place_of(&places, bricks[i].name);

        if (place == step->n_bricks || place / width != at / width) {
            continue; /* another set, or a volume that changes at this moment */
        }
        seen = seen || (place == at && bricks[i].connected);
        known = known && (bricks[i].entries != HEAL_UNKNOWN || !bricks[i].connected);
        left += bricks[i].entries != HEAL_UNKNOWN ? bricks[i].entries : 0;
    }
    if (!seen || !known) {
        return refuse(result, false, "brick %s of volume %s is not online yet", id_text(step->new_brick.brick->id).text,
                      step->volume->name);
    }
    if (left > 0) {
        return refuse(result, false, "volume %s is healing: %llu entries are left", step->volume->name,
                      (unsigned long long)left);
    }
    return 0;
}
