#include "daemon/examine.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/order.h"
#include "store/base/check.h"
#include "store/base/mem.h"

/* ---- findings ---- */

bool examine_has(const struct examine_findings *findings, const struct examine_finding *finding)
{
    for (size_t i = 0; i < findings->n; i++) {
        if (id_equal(findings->items[i].node, finding->node) && strcmp(findings->items[i].text, finding->text) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes text and remedy. */
static void add(struct examine_findings *findings, const char *code, struct id node, char *text, char *remedy)
{
    struct examine_finding finding = {code, node, text, remedy};

    if (examine_has(findings, &finding)) {
        free(text);
        free(remedy);
        return;
    }
    findings->items = mem_realloc_array(findings->items, findings->n + 1, sizeof(*findings->items));
    findings->items[findings->n++] = finding;
}

void examine_findings_fini(struct examine_findings *findings)
{
    for (size_t i = 0; i < findings->n; i++) {
        free(findings->items[i].text);
        free(findings->items[i].remedy);
    }
    free(findings->items);
    *findings = (struct examine_findings){NULL, 0};
}

/* ---- sets of names ---- */

struct set {
    char **items; /* owned */
    size_t n;
};

static int order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Takes text. */
static void set_add(struct set *set, char *text)
{
    set->items = mem_realloc_array(set->items, set->n + 1, sizeof(*set->items));
    set->items[set->n++] = text;
}

static void set_sort(struct set *set)
{
    if (set->n > 0) {
        qsort(set->items, set->n, sizeof(*set->items), order);
    }
}

static bool set_has(const struct set *set, const char *text)
{
    return set->n > 0 && bsearch(&text, set->items, set->n, sizeof(*set->items), order) != NULL;
}

static void set_fini(struct set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        free(set->items[i]);
    }
    free(set->items);
}

static struct set set_of(const struct store_strs *strs)
{
    struct set set = {NULL, 0};

    for (size_t i = 0; i < strs->n; i++) {
        set_add(&set, mem_strdup(strs->items[i]));
    }
    set_sort(&set);
    return set;
}

/* ---- what should be on a node ---- */

enum { GROUPS, LVS, MOUNTS, KINDS };

struct expected { /* must be there; may be there */
    struct set must[KINDS], may[KINDS];
};

static void expect(struct expected *expected, int kind, bool must, char *text)
{
    set_add(must ? &expected->must[kind] : &expected->may[kind], text);
}

static void expect_brick(struct expected *expected, const struct store_brick *brick, bool must)
{
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(brick);
    struct id_text group = id_text(brick->device);

    expect(expected, LVS, must, mem_printf("vg_%s/%s", group.text, lv));
    expect(expected, LVS, must, mem_printf("vg_%s/%s", group.text, brick->pool));
    /* A brick with a path of its own (a clone) is mounted by Gluster, elsewhere. */
    if (*brick->path == '\0') {
        expect(expected, MOUNTS, must, store_brick_mount(brick));
    }
}

static void expect_device(struct expected *expected, const struct store *store, const struct store_device *device)
{
    const struct store_brick *brick = NULL;

    expect(expected, GROUPS, id_is_none(device->pending), mem_printf("vg_%s", id_text(device->id).text));
    while ((brick = store_device_brick_next(store, device->id, brick)) != NULL) {
        expect_brick(expected, brick, id_is_none(brick->pending));
    }
}

static void expect_node(struct expected *expected, const struct store *store, const struct store_node *node)
{
    const struct store_device *device = NULL;
    const struct store_operation *op = NULL;

    while ((device = store_node_device_next(store, node->id, device)) != NULL) {
        expect_device(expected, store, device);
    }
    while ((op = store_operation_next(store, op)) != NULL) { /* what a clean-up is about to remove */
        for (size_t i = 0; i < op->n_abandoned; i++) {
            device = store_device(store, op->abandoned[i].device);
            if (device != NULL && id_equal(device->node, node->id)) {
                expect_brick(expected, &op->abandoned[i], false);
            }
        }
    }
    for (int kind = 0; kind < KINDS; kind++) {
        set_sort(&expected->must[kind]);
        set_sort(&expected->may[kind]);
    }
}

/* ---- groups, logical volumes, mounts ---- */

static bool is_being_cloned(const struct store *store)
{
    const struct store_operation *op = NULL;

    while ((op = store_operation_next(store, op)) != NULL) {
        if (op->type == STORE_OP_CLONE_VOLUME) {
            return true;
        }
    }
    return false;
}

/* Gluster mounts the bricks of snapshots and clones below a folder of the name that their LVs begin with. */
static bool is_brick_of_any(const struct exec_inventory *inventory, const char *folder)
{
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        for (size_t j = 0; j < inventory->volumes[i].bricks.n; j++) {
            if (strstr(inventory->volumes[i].bricks.items[j], folder) != NULL) {
                return true;
            }
        }
    }
    return false;
}

/* An LV that Gluster made for a snapshot or a clone: does it still know what for? While a clone is being made, an LV
 * may be neither of a snapshot any more nor of a volume yet. */
static bool is_known_snapshot(const struct store *store, const struct exec_inventory *inventory, const char *lv)
{
    CLEANUP(free_ptr) char *name = mem_strndup(lv, EXEC_SNAPSHOT_NAME_LEN);
    CLEANUP(free_ptr) char *folder = mem_printf("/snaps/%s/", name);

    for (size_t i = 0; i < inventory->snapshots.n; i++) {
        if (strcmp(inventory->snapshots.items[i], name) == 0) {
            return true;
        }
    }
    return !inventory->snapshots_known || is_brick_of_any(inventory, folder) || is_being_cloned(store);
}

static void add_leftover_lv(const struct store *store, const struct store_node *node,
                            const struct exec_inventory *inventory, const char *name, struct examine_findings *findings)
{
    const char *lv = strchr(name, '/') + 1;

    if (!exec_is_snapshot_lv(lv)) {
        add(findings, "leftover-lv", node->id,
            mem_printf("logical volume %s on node %s belongs to no brick", name, node->manage.items[0]),
            mem_printf("lvremove %s, if you do not need what is on it", name));
    } else if (!is_known_snapshot(store, inventory, lv)) {
        add(findings, "leftover-snapshot", node->id,
            mem_printf("logical volume %s on node %s was made for a snapshot that Gluster does not have", name,
                       node->manage.items[0]),
            mem_printf("lvremove %s, if you do not need what is on it", name));
    }
}

static void compare_lvs(const struct expected *expected, const struct store *store, const struct store_node *node,
                        const struct exec_inventory *inventory, struct examine_findings *findings)
{
    struct set there = {NULL, 0};

    for (size_t i = 0; i < inventory->n_lvs; i++) {
        set_add(&there, mem_printf("%s/%s", inventory->lvs[i].group, inventory->lvs[i].name));
    }
    set_sort(&there);
    for (size_t i = 0; i < expected->must[LVS].n; i++) {
        const char *name = expected->must[LVS].items[i];

        if (!set_has(&there, name)) {
            add(findings, "missing-lv", node->id,
                mem_printf("logical volume %s is not on node %s", name, node->manage.items[0]),
                mem_printf(
                    "the brick is lost: look at the device (vgs, lvs -a %.35s); replace the brick by evicting it",
                    name));
        }
    }
    for (size_t i = 0; i < there.n; i++) {
        const char *name = there.items[i];

        if (!set_has(&expected->must[LVS], name) && !set_has(&expected->may[LVS], name)) {
            add_leftover_lv(store, node, inventory, name, findings);
        }
    }
    set_fini(&there);
}

static void compare_groups(const struct expected *expected, const struct store_node *node,
                           const struct exec_inventory *inventory, struct examine_findings *findings)
{
    struct set there = set_of(&inventory->groups);

    for (size_t i = 0; i < expected->must[GROUPS].n; i++) {
        if (!set_has(&there, expected->must[GROUPS].items[i])) {
            add(findings, "missing-group", node->id,
                mem_printf("volume group %s is not on node %s", expected->must[GROUPS].items[i], node->manage.items[0]),
                mem_strdup("look at the device: is it there, does pvs show it?"));
        }
    }
    for (size_t i = 0; i < there.n; i++) {
        const char *name = there.items[i];

        if (strlen(name) == 3 + ID_TEXT_LEN && !set_has(&expected->must[GROUPS], name) &&
            !set_has(&expected->may[GROUPS], name)) {
            add(findings, "leftover-group", node->id,
                mem_printf("volume group %s on node %s is no device of it", name, node->manage.items[0]),
                mem_printf("vgremove %s, if nothing in it is needed (lvs %s)", name, name));
        }
    }
    set_fini(&there);
}

static void compare_mounts(const struct expected *expected, const struct store_node *node,
                           const struct store_strs *there_list, bool table, struct examine_findings *findings)
{
    struct set there = set_of(there_list);
    const char *where = table ? "in the table of mounts" : "mounted";

    for (size_t i = 0; i < expected->must[MOUNTS].n; i++) {
        const char *path = expected->must[MOUNTS].items[i];

        if (!set_has(&there, path)) {
            add(findings, table ? "missing-fstab" : "missing-mount", node->id,
                mem_printf("brick %s is not %s on node %s", path, where, node->manage.items[0]),
                table ? mem_printf("add the line for %s to the table, like those of other bricks; or it is not mounted "
                                   "after the next start",
                                   path)
                      : mem_printf("mount %s; then gluster volume start VOLUME force", path));
        }
    }
    for (size_t i = 0; i < there.n; i++) {
        const char *path = there.items[i];

        if (!set_has(&expected->must[MOUNTS], path) && !set_has(&expected->may[MOUNTS], path)) {
            add(findings, table ? "leftover-fstab" : "leftover-mount", node->id,
                mem_printf("%s is %s on node %s, but is no brick", path, where, node->manage.items[0]),
                table ? mem_printf("remove the line of %s from the table", path)
                      : mem_printf("umount %s, if nothing uses it", path));
        }
    }
    set_fini(&there);
}

/* ---- Gluster ---- */

static const struct exec_gluster_volume *find_volume(const struct exec_inventory *inventory, const char *name)
{
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        if (strcmp(inventory->volumes[i].name, name) == 0) {
            return &inventory->volumes[i];
        }
    }
    return NULL;
}

static bool same_bricks(const struct store *store, const struct store_volume *volume,
                        const struct exec_gluster_volume *there)
{
    bool same = there->bricks.n == volume->n_bricks;

    for (size_t i = 0; same && i < volume->n_bricks; i++) {
        CLEANUP(free_ptr) char *name = order_brick_name(store, &volume->bricks[i]);

        same = strcmp(name, there->bricks.items[i]) == 0;
    }
    return same;
}

static void compare_volumes(const struct store *store, const struct store_node *node,
                            const struct exec_inventory *inventory, struct examine_findings *findings)
{
    const struct store_volume *volume = NULL;

    while ((volume = store_cluster_volume_next(store, node->cluster, volume)) != NULL) {
        const struct exec_gluster_volume *there = find_volume(inventory, volume->name);

        if (!id_is_none(volume->pending)) {
            continue;
        }
        if (there == NULL) {
            add(findings, "missing-volume", ID_NONE,
                mem_printf("Gluster does not know volume %s (%s)", volume->name, id_text(volume->id).text),
                mem_printf("if it was deleted by hand: hecate volume delete %s", id_text(volume->id).text));
        } else if (!same_bricks(store, volume, there)) {
            add(findings, "bricks-differ", ID_NONE,
                mem_printf("Gluster lists other bricks of volume %s, or another order", volume->name),
                mem_printf("compare gluster volume info %s with hecate volume info %s", volume->name,
                           id_text(volume->id).text));
        } else if (!there->started) {
            add(findings, "volume-stopped", ID_NONE, mem_printf("volume %s is not started", volume->name),
                mem_printf("gluster volume start %s", volume->name));
        }
    }
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        if (store_volume_by_name(store, node->cluster, inventory->volumes[i].name) == NULL) {
            add(findings, "foreign-volume", ID_NONE,
                mem_printf("Gluster volume %s of cluster %s is not in the database", inventory->volumes[i].name,
                           id_text(node->cluster).text),
                mem_printf("gluster volume stop %s && gluster volume delete %s, if it is not needed",
                           inventory->volumes[i].name, inventory->volumes[i].name));
        }
    }
}

static const struct exec_peer *find_peer(const struct exec_inventory *inventory, const struct store_node *node)
{
    for (size_t i = 0; i < inventory->n_peers; i++) {
        for (size_t j = 0; j < inventory->peers[i].names.n; j++) {
            for (size_t k = 0; k < node->storage.n + node->manage.n; k++) {
                const char *name =
                    k < node->storage.n ? node->storage.items[k] : node->manage.items[k - node->storage.n];

                if (strcmp(inventory->peers[i].names.items[j], name) == 0) {
                    return &inventory->peers[i];
                }
            }
        }
    }
    return NULL;
}

static void compare_peers(const struct store *store, const struct store_node *node,
                          const struct exec_inventory *inventory, struct examine_findings *findings)
{
    const struct store_node *other = NULL;
    size_t n_known = 0;

    while ((other = store_cluster_node_next(store, node->cluster, other)) != NULL) {
        const struct exec_peer *peer = find_peer(inventory, other);

        n_known += peer != NULL;
        if (id_equal(other->id, node->id) || !id_is_none(other->pending)) {
            continue;
        }
        if (peer == NULL) {
            add(findings, "missing-peer", node->id,
                mem_printf("node %s does not know its peer %s", node->manage.items[0], other->storage.items[0]),
                mem_printf("gluster peer probe %s", other->storage.items[0]));
        } else if (!peer->connected) {
            add(findings, "peer-disconnected", node->id,
                mem_printf("node %s has no connection to its peer %s", node->manage.items[0], other->storage.items[0]),
                mem_printf("look at glusterd on %s and at the network between the two", other->storage.items[0]));
        }
    }
    for (size_t i = 0; n_known < inventory->n_peers && i < inventory->n_peers; i++) {
        bool known = false;

        other = NULL;
        while (!known && (other = store_cluster_node_next(store, node->cluster, other)) != NULL) {
            known = find_peer(inventory, other) == &inventory->peers[i];
        }
        if (!known) {
            add(findings, "foreign-peer", node->id,
                mem_printf("%s is a peer of node %s, but no node of its cluster", inventory->peers[i].names.items[0],
                           node->manage.items[0]),
                mem_printf("add it as a node, or gluster peer detach %s (force, if it knows nothing of this pool)",
                           inventory->peers[i].names.items[0]));
        }
    }
}

/* ---- the whole ---- */

void examine_node(const struct store *store, const struct store_node *node, const struct exec_inventory *inventory,
                  struct examine_findings *findings)
{
    struct expected expected = {0};

    expect_node(&expected, store, node);
    compare_groups(&expected, node, inventory, findings);
    compare_lvs(&expected, store, node, inventory, findings);
    compare_mounts(&expected, node, &inventory->mounts, false, findings);
    compare_mounts(&expected, node, &inventory->fstab, true, findings);
    compare_volumes(store, node, inventory, findings);
    if (inventory->peers_known) {
        compare_peers(store, node, inventory, findings);
    }
    for (int kind = 0; kind < KINDS; kind++) {
        set_fini(&expected.must[kind]);
        set_fini(&expected.may[kind]);
    }
}

bool examine_names_match(const struct store *store, struct id cluster, const struct exec_inventory *inventory)
{
    const struct store_volume *volume = NULL;
    size_t n = 0;

    while ((volume = store_cluster_volume_next(store, cluster, volume)) != NULL) {
        if (find_volume(inventory, volume->name) == NULL) {
            return false;
        }
        n++;
    }
    return n == inventory->n_volumes;
}
