/* What is on a node, as a value. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/executor.h"
#include "store/base/check.h"

#define LARGE_BYTES ((size_t)1 << 20)

struct exec_inventory *exec_inventory_ref(struct exec_inventory *inventory)
{
    inventory->refs++;
    return inventory;
}

bool exec_is_snapshot_lv(const char *name)
{
    return strspn(name, "0123456789abcdef") == EXEC_SNAPSHOT_NAME_LEN && name[EXEC_SNAPSHOT_NAME_LEN] == '_';
}

static void *free_all(void *argument)
{
    struct exec_inventory *inventory = argument;

    store_strs_fini(&inventory->groups);
    store_strs_fini(&inventory->mounts);
    store_strs_fini(&inventory->fstab);
    store_strs_fini(&inventory->snapshots);
    for (size_t i = 0; i < inventory->n_lvs; i++) {
        free(inventory->lvs[i].group);
        free(inventory->lvs[i].name);
        free(inventory->lvs[i].pool);
    }
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        free(inventory->volumes[i].name);
        free(inventory->volumes[i].id);
        store_strs_fini(&inventory->volumes[i].bricks);
    }
    for (size_t i = 0; i < inventory->n_peers; i++) {
        store_strs_fini(&inventory->peers[i].names);
    }
    free(inventory->lvs);
    free(inventory->volumes);
    free(inventory->peers);
    free(inventory);
    return NULL;
}

static bool is_last(struct exec_inventory *inventory)
{
    CHECK(inventory->refs > 0);
    return --inventory->refs == 0;
}

void exec_inventory_free_here(struct exec_inventory *inventory)
{
    if (is_last(inventory)) {
        (void)free_all(inventory);
    }
}

void exec_inventory_free(struct exec_inventory *inventory)
{
    pthread_t thread;

    if (inventory == NULL || !is_last(inventory)) {
        return;
    }
    if (inventory->bytes > LARGE_BYTES && pthread_create(&thread, NULL, free_all, inventory) == 0) {
        (void)pthread_detach(thread); /* nobody waits for it */
    } else {
        (void)free_all(inventory);
    }
}
