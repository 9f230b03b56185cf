/* Pretended Gluster volumes: bricks, snapshots, clones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/heal.h"
#include "daemon/executor/mock_priv.h"
#include "store/base/check.h"
#include "store/base/mem.h"

/* Clusters are Gluster pools: each has names of its own. */
static char *volume_text(const struct exec_step *step, const char *name)
{
    return mem_printf("volume %s %s", id_text(step->volume->cluster).text, name);
}

static struct fact *find_volume(struct mock_world *world, const struct exec_step *step, const char *name)
{
    CLEANUP(free_ptr) char *text = volume_text(step, name);

    return mock_find(&world->facts, text);
}

/* The brick on its node. Where nothing is known of it, as after another member has made it, it is taken for granted,
 * unless the world is strict. */
static struct fact *find_brick(struct mock_world *world, const struct exec_brick *brick)
{
    const struct fact *host = mock_find(&world->hosts, brick->storage_host);
    char *text = mock_brick_text(host != NULL ? host->other : brick->storage_host, brick->brick);
    struct fact *fact = mock_find(&world->facts, text);

    if (fact != NULL || world->strict) {
        free(text);
        return fact;
    }
    return mock_add(&world->facts, text);
}

static bool has_part(const struct fact *volume, const struct fact *brick)
{
    for (size_t i = 0; i < volume->n_parts; i++) {
        if (volume->parts[i] == brick) {
            return true;
        }
    }
    return false;
}

static bool has_all(struct mock_world *world, const struct fact *volume, const struct exec_step *step)
{
    for (size_t i = 0; i < step->n_bricks; i++) {
        struct fact *brick = find_brick(world, &step->bricks[i]);

        if (brick == NULL || !has_part(volume, brick)) {
            return false;
        }
    }
    return true;
}

/* All bricks of the step, or none. */
static bool add_parts(struct mock_world *world, struct fact *volume, const struct exec_step *step,
                      struct exec_result *result)
{
    for (size_t i = 0; i < step->n_bricks; i++) {
        const struct fact *brick = find_brick(world, &step->bricks[i]);

        if (brick == NULL || brick->value != 0) {
            mock_fail(result, brick == NULL ? "a brick does not exist" : "a brick is already part of a volume", true);
            return false;
        }
    }
    volume->parts = mem_realloc_array(volume->parts, volume->n_parts + step->n_bricks, sizeof(struct fact *));
    for (size_t i = 0; i < step->n_bricks; i++) {
        struct fact *brick = find_brick(world, &step->bricks[i]);

        brick->value = 1;
        volume->parts[volume->n_parts++] = brick;
    }
    return true;
}

static void drop_volume(struct mock_world *world, struct fact *volume)
{
    for (size_t i = 0; i < volume->n_parts; i++) {
        volume->parts[i]->value = 0;
    }
    (void)mock_drop(&world->facts, mem_strdup(volume->text));
}

static char *kind_text(const struct store_volume *volume)
{
    return mem_printf("%d %u %u %u", (int)volume->durability, volume->replica, volume->disperse_data,
                      volume->redundancy);
}

static void volume_create(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    struct fact *volume = find_volume(world, step, step->volume->name);

    if (volume != NULL) {
        if (!has_all(world, volume, step)) {
            mock_fail(result, "the volume exists with other bricks", true);
        }
        return;
    }
    volume = mock_add(&world->facts, volume_text(step, step->volume->name));
    volume->other = kind_text(step->volume);
    if (!add_parts(world, volume, step, result)) {
        drop_volume(world, volume);
    }
}

static size_t count_snapshots(struct mock_world *world, const struct exec_step *step)
{
    CLEANUP(free_ptr)
    char *prefix = mem_printf("snapshot %s %s ", id_text(step->volume->cluster).text, step->volume->name);
    const struct fact *fact = mock_next(&world->facts, prefix);
    size_t n = 0;

    while (fact != NULL && strncmp(fact->text, prefix, strlen(prefix)) == 0) {
        n++;
        fact = mock_after(fact);
    }
    return n;
}

static void volume_delete(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    struct fact *volume = find_volume(world, step, step->volume->name);
    size_t n = count_snapshots(world, step);

    if (volume != NULL && n > 0) {
        CLEANUP(free_ptr)
        char *text = mem_printf("Unable to delete volume %s because it contains %zu snapshots", step->volume->name, n);

        mock_fail(result, text, true);
    } else if (volume != NULL) {
        drop_volume(world, volume);
    }
}

/* ---- more bricks ---- */

static void volume_expand(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    struct fact *volume = find_volume(world, step, step->volume->name);

    if (volume == NULL && world->strict) {
        mock_fail(result, "the volume does not exist", true);
        return;
    }
    volume = mock_add(&world->facts, volume_text(step, step->volume->name));
    if (!has_all(world, volume, step)) {
        (void)add_parts(world, volume, step, result);
    }
}

/* ---- a brick for another ---- */

/* Every brick is there and has nothing to heal. */
static int check_heal(const struct exec_step *step, struct exec_result *result)
{
    struct heal_brick *bricks = mem_calloc(step->n_bricks, sizeof(*bricks));
    char **names = mem_calloc(step->n_bricks, sizeof(*names));
    int rc;

    for (size_t i = 0; i < step->n_bricks; i++) {
        CLEANUP(free_ptr) char *path = store_brick_path(step->bricks[i].brick);

        names[i] = mem_printf("%s:%s", step->bricks[i].storage_host, path);
        bricks[i] = (struct heal_brick){.name = names[i], .connected = true};
    }
    rc = step->kind == EXEC_HEAL_WAIT ? heal_done(step, bricks, step->n_bricks, result)
                                      : heal_check(step, bricks, step->n_bricks, result);
    for (size_t i = 0; i < step->n_bricks; i++) {
        free(names[i]);
    }
    free(names);
    free(bricks);
    return rc;
}

/* The volume, if Gluster has the brick in it. */
static bool has_brick(struct mock_world *world, const struct exec_step *step, const struct exec_brick *brick)
{
    const struct fact *volume = find_volume(world, step, step->volume->name);
    const struct fact *fact = volume != NULL ? find_brick(world, brick) : NULL;

    return fact != NULL && has_part(volume, fact);
}

/* As for bricks: what another member has made is taken for granted. */
static void take_for_granted(struct mock_world *world, const struct exec_step *step)
{
    struct fact *volume = mock_add(&world->facts, volume_text(step, step->volume->name));
    struct fact *old = find_brick(world, &step->old_brick);

    if (!has_part(volume, old)) {
        volume->parts = mem_realloc_array(volume->parts, volume->n_parts + 1, sizeof(struct fact *));
        volume->parts[volume->n_parts++] = old;
        old->value = 1;
    }
}

static void brick_replace(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    struct fact *volume, *old, *new;

    if (has_brick(world, step, &step->new_brick)) {
        return;
    }
    if (!world->strict) {
        take_for_granted(world, step);
    }
    new = find_brick(world, &step->new_brick);
    if (new == NULL || !has_brick(world, step, &step->old_brick)) {
        mock_fail(result, new == NULL ? "the new brick does not exist" : "no such brick in the volume", false);
        return;
    }
    if (!step->skip_heal && check_heal(step, result) != 0) {
        return;
    }
    volume = find_volume(world, step, step->volume->name);
    old = find_brick(world, &step->old_brick);
    for (size_t i = 0; i < volume->n_parts; i++) {
        if (volume->parts[i] == old) {
            volume->parts[i] = new;
        }
    }
    old->value = 0;
    new->value = 1;
}

static void brick_unreplaced(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    if (has_brick(world, step, &step->new_brick)) {
        mock_fail(result, "the volume has the new brick", true);
    }
}

/* ---- clones ---- */

/* The volume's own id stands for the one that Gluster would give it. */
static void tell(const struct exec_step *step, struct exec_result *result)
{
    struct id_text id = id_text(step->volume->id);
    const char *hex = id.text;

    result->volume.present = true;
    (void)snprintf(result->volume.uuid, sizeof(result->volume.uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
                   hex + 12, hex + 16, hex + 20);
    for (size_t i = 0; i < step->n_bricks; i++) {
        CLEANUP(free_ptr)
        char *text = mem_printf("%s:/run/gluster/snaps/%s/brick%zu/brick", step->bricks[i].storage_host, hex, i + 1);

        store_strs_add(&result->volume.bricks, text);
    }
}

static void volume_look(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    const struct fact *volume = find_volume(world, step, step->volume->name);

    if (volume != NULL && has_all(world, volume, step)) {
        tell(step, result);
    }
    result->volume.there = volume != NULL;
}

/* One after another, in their order. */
static bool in_order(struct mock_world *world, const struct fact *volume, const struct exec_step *step)
{
    const struct fact *first = find_brick(world, &step->bricks[0]);
    size_t at = 0;

    while (at < volume->n_parts && volume->parts[at] != first) {
        at++;
    }
    for (size_t i = 0; i < step->n_bricks; i++) {
        if (at + i >= volume->n_parts || volume->parts[at + i] != find_brick(world, &step->bricks[i])) {
            return false;
        }
    }
    return true;
}

static void volume_check(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    CLEANUP(free_ptr) char *kind = kind_text(step->volume);
    const struct fact *volume = find_volume(world, step, step->volume->name);

    if (volume == NULL) {
        if (world->strict) {
            mock_fail(result, "the volume is not there", false);
            result->code = E_BUSY;
        }
    } else if (!in_order(world, volume, step) || (volume->other != NULL && strcmp(volume->other, kind) != 0)) {
        mock_fail(result, "the volume is another one than was asked for", true);
    }
}

static char *snapshot_text(const struct exec_step *step)
{
    CLEANUP(free_ptr) char *name = exec_snapshot_name(step->op_id);

    return mem_printf("snapshot %s %s %s", id_text(step->volume->cluster).text, step->source, name);
}

/* Snapshot bricks are made and mounted by Gluster itself, on all nodes at once. */
static void volume_clone(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    struct fact *volume = find_volume(world, step, step->volume->name);

    if (find_volume(world, step, step->source) == NULL && world->strict) {
        mock_fail(result, "the volume to be cloned does not exist", true);
        return;
    }
    if (volume == NULL) {
        (void)mock_add(&world->facts, snapshot_text(step));
        for (size_t i = 0; i < step->n_bricks; i++) {
            const struct fact *host = mock_find(&world->hosts, step->bricks[i].storage_host);

            (void)mock_add(&world->facts, mock_brick_text(host != NULL ? host->other : step->bricks[i].storage_host,
                                                          step->bricks[i].brick));
        }
        volume = mock_add(&world->facts, volume_text(step, step->volume->name));
        volume->other = kind_text(step->volume);
        (void)add_parts(world, volume, step, result);
    }
    if (result->code == 0 && has_all(world, volume, step)) {
        tell(step, result);
    } else if (result->code == 0) {
        CLEANUP(free_ptr) char *text = mem_printf("Volume with name:%s already exists", step->volume->name);

        mock_fail(result, text, true);
    }
}

void mock_gluster_apply(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    switch (step->kind) {
    case EXEC_VOLUME_CREATE:
        volume_create(world, step, result);
        break;
    case EXEC_VOLUME_DELETE:
        volume_delete(world, step, result);
        break;
    case EXEC_VOLUME_EXPAND:
        volume_expand(world, step, result);
        break;
    case EXEC_VOLUME_LOOK:
        volume_look(world, step, result);
        break;
    case EXEC_VOLUME_CHECK:
        volume_check(world, step, result);
        break;
    case EXEC_HEAL_CHECK:
    case EXEC_HEAL_WAIT:
        (void)check_heal(step, result);
        break;
    case EXEC_BRICK_REPLACE:
        brick_replace(world, step, result);
        break;
    case EXEC_BRICK_UNREPLACED:
        brick_unreplaced(world, step, result);
        break;
    case EXEC_VOLUME_CLONE:
        volume_clone(world, step, result);
        break;
    case EXEC_CLONE_START:
        if (find_volume(world, step, step->volume->name) == NULL && world->strict) {
            mock_fail(result, "the volume does not exist", true);
            break;
        }
        (void)mock_drop(&world->facts, snapshot_text(step));
        break;
    case EXEC_SNAPSHOT_DELETE:
        (void)mock_drop(&world->facts, snapshot_text(step));
        break;
    case EXEC_REBALANCE_START:
    case EXEC_REBALANCE_STATUS:
        break; /* over at once */
    default:
        CHECK_MSG(false, "step %d is none of a Gluster volume", (int)step->kind);
    }
}
