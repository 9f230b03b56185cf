/* Where Gluster has put the bricks of a clone. It makes and mounts them itself: path and LV are not ours to choose.
 * Each node is believed of its own bricks, and of no others: what is learnt is what will be removed there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/operations/engine_priv.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define UUID_LEN 36

bool engine_is_learnt(const struct store_volume *volume)
{
    return volume->n_bricks > 0 && volume->bricks[0].path[0] != '\0';
}

/* Without dashes: the beginning of the LVs' names. False: it is none. */
static bool flat_uuid(const char *uuid, char ret_flat[ID_TEXT_LEN + 1])
{
    size_t n = 0;

    if (strlen(uuid) != UUID_LEN) {
        return false;
    }
    for (size_t i = 0; i < UUID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (uuid[i] != '-') {
                return false;
            }
        } else if (strchr("0123456789abcdef", uuid[i]) == NULL) {
            return false;
        } else {
            ret_flat[n++] = uuid[i];
        }
    }
    ret_flat[n] = '\0';
    return true;
}

static bool names_node(const struct store_node *node, const char *host, size_t len)
{
    for (size_t i = 0; i < node->storage.n; i++) {
        if (strlen(node->storage.items[i]) == len && memcmp(node->storage.items[i], host, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Gluster counts the LVs of a volume on each node. */
static unsigned count_before(const struct store *store, const struct store_volume *volume, size_t at)
{
    struct id node = store_device(store, volume->bricks[at].device)->node;
    unsigned n = 0;

    for (size_t i = 0; i < at; i++) {
        n += id_equal(store_device(store, volume->bricks[i].device)->node, node);
    }
    return n;
}

/* The bricks of the node that was looked at, as it has them. A node that lies gets its own bricks into disorder. */
static int learn_from(const struct store *store, const struct store_volume *volume, const struct engine_step *look,
                      struct store_volume *ret_volume, struct err *reterr)
{
    const struct store_node *node = store_node(store, look->node);
    const struct store_strs *told = &look->info.bricks;
    char flat[ID_TEXT_LEN + 1];

    if (!look->info.present) {
        return err_set(reterr, E_INVALID, "this node does not have the clone");
    }
    if (node == NULL || told->n != volume->n_bricks || !flat_uuid(look->info.uuid, flat)) {
        return err_set(reterr, E_INVALID, "the volume that Gluster has under this name is not the clone");
    }
    for (size_t i = 0; i < told->n; i++) {
        const char *path = strstr(told->items[i], ":/");
        struct store_brick *brick = &ret_volume->bricks[i];

        if (!id_equal(store_device(store, volume->bricks[i].device)->node, look->node)) {
            continue;
        }
        if (path == NULL || !names_node(node, told->items[i], (size_t)(path - told->items[i]))) {
            return err_set(reterr, E_INVALID, "Gluster has put a brick of the clone on another node: %s",
                           told->items[i]);
        }
        free(brick->path);
        free(brick->lv);
        brick->path = mem_strdup(path + 1);
        brick->lv = mem_printf("%s_%u", flat, count_before(store, volume, i));
        if (store_place_taken(store, volume, ret_volume, i)) {
            return err_set(reterr, E_INVALID, "Gluster has put a brick of the clone where another one is: %s",
                           told->items[i]);
        }
        if (!store_is_clone_place(brick->lv, brick->path)) {
            return err_set(reterr, E_INVALID, "Gluster has put a brick of the clone where it puts none: %s",
                           told->items[i]);
        }
    }
    return 0;
}

/* The clone's bricks, without places. */
static struct store_volume unplaced(const struct store_volume *volume)
{
    struct store_volume bare = {.id = volume->id, .name = mem_strdup("")};

    bare.bricks = mem_calloc(volume->n_bricks, sizeof(*bare.bricks));
    for (bare.n_bricks = 0; bare.n_bricks < volume->n_bricks; bare.n_bricks++) {
        bare.bricks[bare.n_bricks] = (struct store_brick){.id = volume->bricks[bare.n_bricks].id,
                                                          .volume = volume->id,
                                                          .pool = mem_strdup(""),
                                                          .lv = mem_strdup(""),
                                                          .path = mem_strdup("")};
    }
    return bare;
}

static bool is_look(const struct engine *engine, const struct engine_step *step)
{
    return engine->type == STORE_OP_CLONE_VOLUME && step->kind == EXEC_VOLUME_LOOK;
}

int engine_learnt(const struct engine *engine, const struct store *store, struct store_volume *ret_volume,
                  struct err *reterr)
{
    const struct store_operation *op = store_operation(store, engine->op_id);
    const struct store_volume *volume = op != NULL ? store_volume(store, op->target) : NULL;
    int rc = 0;

    if (volume == NULL) {
        return err_set(reterr, E_INVALID, "the clone is not in the database any more");
    }
    *ret_volume = unplaced(volume);
    for (size_t i = 0; i < engine->n_steps && rc == 0; i++) {
        if (is_look(engine, &engine->steps[i])) {
            rc = learn_from(store, volume, &engine->steps[i], ret_volume, reterr);
        }
    }
    if (rc != 0) {
        store_volume_fini(ret_volume);
    }
    return rc;
}

/* In an undo, a node that is silent is not waited for where no other one has the clone. */
static bool is_given_up(const struct engine *engine, const struct engine_step *look)
{
    return engine->phase == STORE_OP_UNDO && look->state == ENGINE_WAITING && look->failed &&
           exec_is_unreachable(look->code) && look->tries >= ENGINE_LEAVE_TRIES;
}

bool engine_looked(const struct engine *engine)
{
    size_t n_done = 0, n_silent = 0;
    bool present = false;

    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *step = &engine->steps[i];

        if (is_look(engine, step)) {
            bool silent = is_given_up(engine, step);

            if (step->state != ENGINE_DONE && !silent) {
                return false;
            }
            n_done += !silent;
            n_silent += silent;
            present = present || step->info.present;
        }
    }
    if (n_done == 0) {
        return false;
    }
    return engine->phase == STORE_OP_FORWARD ? n_silent == 0 : present || n_silent > 0;
}

static void drop_info(struct engine_step *look)
{
    store_strs_fini(&look->info.bricks);
    look->info = (struct exec_volume_info){.present = false};
}

/* It is somebody else's, or there is none. */
static void forget_looks(struct engine *engine)
{
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        if (is_look(engine, step)) {
            drop_info(step);
            step->state = ENGINE_DONE;
        }
    }
}

/* Who does not have it differs from the others, or one of the others does: the text says from whom. */
static void tell_unfit(const struct engine *engine, const struct store *store, const struct engine_step *unfit,
                       const char *what, char *text, size_t size)
{
    const struct store_node *has = NULL;
    size_t n = 0, n_present = 0;

    for (size_t i = 0; i < engine->n_steps; i++) {
        const struct engine_step *step = &engine->steps[i];

        n += is_look(engine, step);
        if (is_look(engine, step) && step->info.present) {
            n_present++;
            has = store_node(store, step->node);
        }
    }
    if (unfit->info.present || has == NULL) {
        text_put(text, size, what);
    } else if (n_present == 1) {
        text_print(text, size, "%s; of %zu nodes only %s says that it has it", what, n, has->storage.items[0]);
    } else {
        text_print(text, size, "%s; %zu of %zu nodes say that they have it", what, n_present, n);
    }
}

/* What was said once is not held against the others for ever: all are asked again, at the same time, and nothing of
 * what they said before is kept. */
static void ask_all_again(struct engine *engine, const struct store *store, const struct err *errs, uint64_t now_ms)
{
    uint64_t retry_ms = now_ms;

    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];
        struct exec_result unfit = {.code = E_REMOTE, .permanent = step->info.present};

        if (errs[i].code != 0 && step->state == ENGINE_DONE) { /* it is the reason to wait, or to undo */
            tell_unfit(engine, store, step, errs[i].message, unfit.message, sizeof(unfit.message));
            engine_step_failed(engine, step, &unfit, now_ms);
        }
        if (errs[i].code != 0 && step->retry_ms > retry_ms) {
            retry_ms = step->retry_ms;
        }
    }
    for (size_t i = 0; i < engine->n_steps; i++) {
        struct engine_step *step = &engine->steps[i];

        if (!is_look(engine, step)) {
            continue;
        }
        drop_info(step);
        step->retry_ms = retry_ms;
        if (errs[i].code == 0) {
            step->state = ENGINE_WAITING;
            step->failed = true; /* as all of them together */
            step->tries = 0;
            free(step->error);
            step->error = NULL;
        }
    }
}

bool engine_judge_looks(struct engine *engine, const struct store *store, uint64_t now_ms)
{
    const struct store_volume *volume = store_volume(store, store_operation(store, engine->op_id)->target);
    CLEANUP(free_ptr) struct err *errs = mem_calloc(engine->n_steps, sizeof(*errs));
    struct store_volume told = unplaced(volume);
    size_t n = 0, n_fit = 0;

    for (size_t i = 0; i < engine->n_steps; i++) {
        if (is_look(engine, &engine->steps[i])) {
            n_fit += learn_from(store, volume, &engine->steps[i], &told, &errs[i]) == 0;
            n++;
        }
    }
    store_volume_fini(&told);
    if (n_fit == n) {
        return true;
    }
    if (engine->phase == STORE_OP_UNDO && n_fit == 0) {
        forget_looks(engine);
        return false;
    }
    ask_all_again(engine, store, errs, now_ms);
    return false;
}
