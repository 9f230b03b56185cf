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
    free(fact->detail);
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

/* Takes detail. */
static void describe(struct fact *fact, char *detail)
{
    free(fact->detail);
    fact->detail = detail;
}

void mock_describe_brick(struct fact *fact, const struct exec_brick *item)
{
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(item->brick);
    CLEANUP(free_ptr) char *mount = store_brick_mount(item->brick);
    CLEANUP(free_ptr) char *path = store_brick_path(item->brick);

    describe(fact, mem_printf("vg_%s %s %s %s %s:%s", id_text(item->brick->device).text, lv, item->brick->pool, mount,
                              item->storage_host, path));
}

void mock_describe_volume(struct fact *fact, const struct store_volume *volume)
{
    describe(fact, mem_printf("%s %s", id_text(volume->cluster).text, volume->name));
}

static void brick_create(struct mock_world *world, const struct exec_step *step)
{
    struct fact *host = mock_add(&world->hosts, mem_strdup(step->bricks[0].storage_host));

    free(host->other);
    host->other = mem_strdup(step->host);
    mock_describe_brick(mock_add(&world->facts, mock_brick_text(step->host, step->bricks[0].brick)), &step->bricks[0]);
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

    if (world->devices_once && owner != NULL && strcmp(owner->detail, own.text) != 0) {
        id = owner->detail;
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
        describe(mock_add(&world->facts, TAKE_PTR(name)), mem_strdup(own.text));
    }
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
    if (owner != NULL && strcmp(owner->detail, id_text(step->device->id).text) == 0) {
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
    store_strs_copy(&info->hosts, step->hosts->n > 0 ? step->hosts : &step->block->hosts);
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

/* ---- inventories ---- */

static void add_lv(struct exec_inventory *inventory, const char *group, const char *name, const char *pool)
{
    inventory->lvs = mem_realloc_array(inventory->lvs, inventory->n_lvs + 1, sizeof(*inventory->lvs));
    inventory->lvs[inventory->n_lvs++] =
        (struct exec_lv){mem_strdup(group), mem_strdup(name), mem_strdup(pool), STORE_KIB_PER_GIB};
}

static void list_brick(struct exec_inventory *inventory, const char *detail)
{
    char group[64], lv[256], pool[256], mount[1024];

    if (sscanf(detail, "%63s %255s %255s %1023s", group, lv, pool, mount) == 4) { /* and where Gluster has it */
        add_lv(inventory, group, lv, pool);
        add_lv(inventory, group, pool, "");
        store_strs_add(&inventory->mounts, mount);
        store_strs_add(&inventory->fstab, mount);
    }
}

/* The volume's detail is "CLUSTER NAME", the last word of its bricks' ones is "HOST:PATH". */
static void list_volume(struct exec_inventory *inventory, const struct fact *fact, struct id cluster)
{
    struct exec_gluster_volume *volume;
    struct id_text text = id_text(cluster);

    if (strncmp(fact->detail, text.text, strlen(text.text)) != 0) {
        return; /* of another pool */
    }
    inventory->volumes = mem_realloc_array(inventory->volumes, inventory->n_volumes + 1, sizeof(*inventory->volumes));
    volume = &inventory->volumes[inventory->n_volumes++];
    *volume = (struct exec_gluster_volume){
        .name = mem_strdup(fact->detail + strlen(text.text) + 1), .id = mem_strdup(""), .started = true};
    for (size_t i = 0; i < fact->n_parts; i++) {
        if (fact->parts[i]->detail != NULL) {
            store_strs_add(&volume->bricks, strrchr(fact->parts[i]->detail, ' ') + 1);
        }
    }
}

static struct exec_inventory *inventory_of(const struct mock_world *world, const struct exec_step *step)
{
    struct exec_inventory *inventory = mem_calloc(1, sizeof(*inventory));
    CLEANUP(free_ptr) char *vg = mem_printf("vg %s ", step->host);
    CLEANUP(free_ptr) char *brick = mem_printf("brick %s ", step->host);
    struct fact *fact;

    inventory->refs = 1;
    RB_FOREACH (fact, mock_fact_tree, (struct mock_fact_tree *)(uintptr_t)&world->facts) {
        if (strncmp(fact->text, vg, strlen(vg)) == 0) {
            CLEANUP(free_ptr) char *group = mem_printf("vg_%s", fact->text + strlen(vg));

            store_strs_add(&inventory->groups, group);
        } else if (fact->detail != NULL && strncmp(fact->text, brick, strlen(brick)) == 0) {
            list_brick(inventory, fact->detail);
        } else if (fact->detail != NULL && strncmp(fact->text, "volume ", 7) == 0) {
            list_volume(inventory, fact, step->cluster);
        }
    }
    return inventory; /* who is whose peer, this world does not know */
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
    case EXEC_INVENTORY:
        result->inventory = inventory_of(world, step);
        break;
    case EXEC_GLUSTERD_CHECK:
    case EXEC_BRICK_SYNC:
    case EXEC_FENCE:
    case EXEC_PEER_FORGET: /* there is one pool in this world, the same for all */
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
