#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/mock_priv.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

static int fact_cmp(struct fact *a, struct fact *b)
{
    return strcmp(a->text, b->text);
}

RB_PROTOTYPE(mock_fact_tree, fact, link, fact_cmp)
RB_GENERATE(mock_fact_tree, fact, link, fact_cmp)

struct mock_world *mock_world_new(uint64_t device_kib, bool devices_once)
{
    struct mock_world *world = mem_calloc(1, sizeof(*world));

    RB_INIT(&world->facts);
    RB_INIT(&world->fences);
    RB_INIT(&world->hosts);
    world->device_kib = device_kib;
    world->devices_once = devices_once;
    return world;
}

static void fact_free(struct mock_fact_tree *tree, struct fact *fact)
{
    RB_REMOVE(mock_fact_tree, tree, fact);
    free(fact->text);
    free(fact->other);
    free(fact->parts);
    free(fact);
}

static void clear(struct mock_fact_tree *tree)
{
    struct fact *fact;

    while ((fact = RB_MIN(mock_fact_tree, tree)) != NULL) {
        fact_free(tree, fact);
    }
}

void mock_world_free(struct mock_world *world)
{
    if (world != NULL) {
        clear(&world->facts);
        clear(&world->fences);
        clear(&world->hosts);
        free(world);
    }
}

void mock_world_be_strict(struct mock_world *world)
{
    world->strict = true;
}

struct fact *mock_find(const struct mock_fact_tree *tree, const char *text)
{
    struct fact key = {.text = (char *)(uintptr_t)text};

    return RB_FIND(mock_fact_tree, (struct mock_fact_tree *)(uintptr_t)tree, &key);
}

struct fact *mock_next(struct mock_fact_tree *tree, const char *text)
{
    struct fact key = {.text = (char *)(uintptr_t)text};

    return RB_NFIND(mock_fact_tree, tree, &key);
}

struct fact *mock_after(const struct fact *fact)
{
    return RB_NEXT(mock_fact_tree, NULL, (struct fact *)(uintptr_t)fact);
}

struct fact *mock_add(struct mock_fact_tree *tree, char *text)
{
    struct fact *fact = mock_find(tree, text);

    if (fact != NULL) {
        free(text);
        return fact;
    }
    fact = mem_calloc(1, sizeof(*fact));
    fact->text = text;
    RB_INSERT(mock_fact_tree, tree, fact);
    return fact;
}

bool mock_drop(struct mock_fact_tree *tree, char *text)
{
    struct fact *fact = mock_find(tree, text);

    if (fact != NULL) {
        fact_free(tree, fact);
    }
    free(text);
    return fact != NULL;
}

void mock_fail(struct exec_result *result, const char *text, bool permanent)
{
    result->code = E_REMOTE;
    result->permanent = permanent;
    text_put(result->message, sizeof(result->message), text);
}

char *mock_brick_text(const char *host, const struct store_brick *brick)
{
    return mem_printf("brick %s %s", host, id_text(brick->id).text);
}

static void brick_create(struct mock_world *world, const struct exec_step *step)
{
    struct fact *host = mock_add(&world->hosts, mem_strdup(step->bricks[0].storage_host));

    free(host->other);
    host->other = mem_strdup(step->host);
    (void)mock_add(&world->facts, mock_brick_text(step->host, step->bricks[0].brick));
}

static void brick_destroy(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    CLEANUP(free_ptr) char *text = mock_brick_text(step->host, step->bricks[0].brick);
    const struct fact *brick = mock_find(&world->facts, text);

    if (brick != NULL && brick->value != 0) {
        mock_fail(result, "target is busy", false); /* its process holds the mount */
        return;
    }
    (void)mock_drop(&world->facts, TAKE_PTR(text));
}

static void device_look(const struct mock_world *world, struct exec_result *result)
{
    result->device.total_kib = world->device_kib;
    result->device.extent_kib = 4096;
}

/* Who has the device of this name; NULL: nobody. */
static char *name_fact(const struct exec_step *step)
{
    return mem_printf("device %s %s", step->host, step->device->name);
}

static void device_setup(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    struct id_text own = id_text(step->device->id);
    CLEANUP(free_ptr) char *name = name_fact(step);
    struct fact *owner = mock_find(&world->facts, name);
    CLEANUP(free_ptr) char *text = NULL;
    const char *id;

    if (world->devices_once && owner != NULL && strcmp(owner->other, own.text) != 0) {
        id = owner->other;
        text =
            step->device->destroy_data
                ? mem_printf("Device already in use (ID: %s)", id)
                : mem_printf("Initializing device %s failed (aleady contains Physical Volume %.8s-%.4s-%.4s-%.4s-%s):"
                             "   Can't initialize physical volume \"%s\" of volume group \"vg_%s\" without -ff\n",
                             step->device->name, id, id + 8, id + 12, id + 16, id + 20, step->device->name, id);
        mock_fail(result, text, true);
        return;
    }
    if (owner == NULL) {
        mock_add(&world->facts, TAKE_PTR(name))->other = mem_strdup(own.text);
    }
    (void)mock_add(&world->facts, mem_printf("vg %s %s", step->host, id_text(step->device->id).text));
    device_look(world, result);
}

/* Pretended disks are lost when they are to be replaced. */
static void device_renew(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    (void)mock_add(&world->facts, mem_printf("vg %s %s", step->host, id_text(step->device->id).text));
    device_look(world, result);
}

static void device_teardown(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    CLEANUP(free_ptr) char *vg = mem_printf("vg %s %s", step->host, id_text(step->device->id).text);

    CLEANUP(free_ptr) char *name = name_fact(step);
    const struct fact *owner = mock_find(&world->facts, name);

    (void)result;
    (void)mock_drop(&world->facts, TAKE_PTR(vg));
    if (owner != NULL && strcmp(owner->other, id_text(step->device->id).text) == 0) {
        (void)mock_drop(&world->facts, TAKE_PTR(name));
    }
}

/* Names, user and password are those of Heketi's mock. */
static void block_info(const struct exec_step *step, const struct fact *fact, struct exec_block_info *info)
{
    info->present = fact != NULL;
    if (fact == NULL) {
        return;
    }
    info->size_gib = info->usable_gib = (uint32_t)fact->value;
    (void)snprintf(info->iqn, sizeof(info->iqn), "fakeIQN");
    (void)snprintf(info->user, sizeof(info->user), "%s", step->block->auth ? "heketi-user" : "");
    (void)snprintf(info->password, sizeof(info->password), "%s", step->block->auth ? "secret" : "");
    for (const char *host = fact->other; *host != '\0'; host += strcspn(host, " ") + 1) {
        CLEANUP(free_ptr) char *name = mem_printf("%.*s", (int)strcspn(host, " "), host);

        store_strs_add(&info->hosts, name);
    }
}

static char *join(const struct store_strs *hosts)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;

    for (size_t i = 0; i < hosts->n; i++) {
        buf_printf(&text, "%s ", hosts->items[i]);
    }
    return buf_take(&text);
}

static void mock_block(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    CLEANUP(free_ptr) char *text = mem_printf("block %s/%s", step->volume->name, step->block->name);
    struct fact *fact = mock_find(&world->facts, text);

    switch (step->kind) {
    case EXEC_BLOCK_CREATE:
        if (fact == NULL) {
            fact = mock_add(&world->facts, mem_strdup(text));
            fact->value = step->block->size_gib;
            fact->other = join(step->hosts);
        }
        break;
    case EXEC_BLOCK_EXPAND:
        if (fact == NULL) {
            mock_fail(result, "block volume doesn't exist", false);
            return;
        }
        fact->value = step->block->new_gib;
        break;
    case EXEC_BLOCK_DELETE:
        (void)mock_drop(&world->facts, TAKE_PTR(text));
        return;
    default:
        break;
    }
    block_info(step, fact, &result->block);
}

void mock_world_apply(struct mock_world *world, const struct exec_step *step, struct exec_result *result)
{
    struct fact *fence = mock_add(&world->fences, mem_strdup(step->host));

    memset(result, 0, sizeof(*result));
    if (fence->value > step->term) {
        mock_fail(result, "a newer term has taken over", false);
        result->code = E_FENCED;
        return;
    }
    fence->value = step->term;
    switch (step->kind) {
    case EXEC_INVENTORY: /* mock_database.c */
    case EXEC_GLUSTERD_CHECK:
    case EXEC_BRICK_SYNC:
    case EXEC_FENCE:
    case EXEC_PEER_FORGET: /* there is one pool in this world, the same for all */
    case EXEC_NODE_RENEW:
    case EXEC_DEVICE_LOST:
    case EXEC_BRICK_RESET:
        break;
    case EXEC_PEER_PROBE:
        (void)mock_add(&world->facts, mem_printf("peer %s", step->peer));
        break;
    case EXEC_PEER_DETACH:
        (void)mock_drop(&world->facts, mem_printf("peer %s", step->peer));
        break;
    case EXEC_DEVICE_SETUP:
        device_setup(world, step, result);
        break;
    case EXEC_DEVICE_RENEW:
        device_renew(world, step, result);
        break;
    case EXEC_DEVICE_LOOK:
        device_look(world, result);
        break;
    case EXEC_DEVICE_TEARDOWN:
        device_teardown(world, step, result);
        break;
    case EXEC_BRICK_CREATE:
        brick_create(world, step);
        break;
    case EXEC_BRICK_DESTROY:
        brick_destroy(world, step, result);
        break;
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
    case EXEC_VOLUME_EXPAND:
    case EXEC_VOLUME_LOOK:
    case EXEC_VOLUME_CLONE:
    case EXEC_CLONE_START:
    case EXEC_SNAPSHOT_DELETE:
    case EXEC_VOLUME_CHECK:
    case EXEC_REBALANCE_START:
    case EXEC_REBALANCE_STATUS:
    case EXEC_HEAL_CHECK:
    case EXEC_HEAL_WAIT:
    case EXEC_BRICK_REPLACE:
    case EXEC_BRICK_UNREPLACED:
        mock_gluster_apply(world, step, result);
        break;
    case EXEC_BLOCK_CREATE:
    case EXEC_BLOCK_EXPAND:
    case EXEC_BLOCK_LOOK:
    case EXEC_BLOCK_DELETE:
        mock_block(world, step, result);
        break;
    }
}

size_t mock_world_count(const struct mock_world *world, const char *prefix)
{
    struct fact *fact;
    size_t n = 0;

    RB_FOREACH (fact, mock_fact_tree, (struct mock_fact_tree *)(uintptr_t)&world->facts) {
        n += strncmp(fact->text, prefix, strlen(prefix)) == 0;
    }
    return n;
}

bool mock_world_has(const struct mock_world *world, const char *description)
{
    return mock_find(&world->facts, description) != NULL;
}

uint64_t mock_world_value(const struct mock_world *world, const char *description)
{
    const struct fact *fact = mock_find(&world->facts, description);

    return fact != NULL ? fact->value : 0;
}

void mock_world_visit(const struct mock_world *world, void (*visit)(void *user, const char *description), void *user)
{
    struct fact *fact;

    RB_FOREACH (fact, mock_fact_tree, (struct mock_fact_tree *)(uintptr_t)&world->facts) {
        visit(user, fact->text);
    }
}
