#include "daemon/examine.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/examine_names.h"
#include "daemon/examine_pool.h"
#include "store/base/mem.h"

/* ---- findings ---- */

static const char *host_of(const struct store_node *node)
{
    return node->manage.items[0];
}

/* Of a node. */
static void add(struct examine *examine, enum finding_kind kind, const struct store_node *node, struct id device,
                const char *subject, const char *also)
{
    findings_add(examine->findings, &(struct finding){kind, node->id, device, host_of(node), subject, also});
}

/* ---- what should be on a node ---- */

enum { GROUPS, LVS, MOUNTS, KINDS };

struct expected { /* must be there; may be there */
    struct names must[KINDS], may[KINDS];
};

static void expect(struct expected *expected, int kind, bool must, char *text, struct id where)
{
    names_add_own(must ? &expected->must[kind] : &expected->may[kind], text, where);
}

static void expect_brick(struct expected *expected, const struct store_brick *brick, bool must)
{
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(brick);
    struct id_text group = id_text(brick->device);

    expect(expected, LVS, must, mem_printf("vg_%s/%s", group.text, lv), brick->device);
    expect(expected, LVS, must, mem_printf("vg_%s/%s", group.text, brick->pool), brick->device);
    /* A brick with a path of its own (a clone) is mounted by Gluster, elsewhere. */
    if (*brick->path == '\0') {
        expect(expected, MOUNTS, must, store_brick_mount(brick), brick->device);
    }
}

bool examine_volume(struct examine *examine, size_t at, struct store_volume *ret_volume)
{
    bool read = store_view_volume(examine->view, at, ret_volume, NULL) == 0;

    examine->damaged = examine->damaged || !read;
    return read;
}

/* What is on it is being rebuilt. */
static bool is_replaced(const struct store *store, const struct store_device *device)
{
    const struct store_operation *op = store_operation(store, device->pending);

    return op != NULL && op->type == STORE_OP_DEVICE_REPLACE;
}

static void expect_device(struct examine *examine, struct expected *expected, const struct store_device *device)
{
    size_t first, n = store_view_device_bricks(examine->view, device->id, &first);
    bool replaced = is_replaced(examine->store, device);

    expect(expected, GROUPS, id_is_none(device->pending), mem_printf("vg_%s", id_text(device->id).text), ID_NONE);
    for (size_t i = 0; i < n; i++) {
        size_t index, brick = store_view_on_device(examine->view, first + i);
        struct store_volume volume;

        if (examine_volume(examine, store_view_brick_volume(examine->view, brick, &index), &volume)) {
            expect_brick(expected, &volume.bricks[index], !replaced && id_is_none(volume.bricks[index].pending));
            store_volume_fini(&volume);
        }
    }
}

static void expect_node(struct examine *examine, struct expected *expected, const struct store_node *node)
{
    const struct store *store = examine->store;
    const struct store_device *device = NULL;
    const struct store_operation *op = NULL;

    for (int kind = 0; kind < KINDS; kind++) {
        expected->must[kind].comparisons = expected->may[kind].comparisons = &examine->comparisons;
    }
    while ((device = store_node_device_next(store, node->id, device)) != NULL) {
        expect_device(examine, expected, device);
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
        names_sort(&expected->must[kind]);
        names_sort(&expected->may[kind]);
    }
}

static void expected_fini(struct expected *expected)
{
    for (int kind = 0; kind < KINDS; kind++) {
        names_fini(&expected->must[kind]);
        names_fini(&expected->may[kind]);
    }
}

static bool is_expected(const struct expected *expected, int kind, const char *text)
{
    return names_find(&expected->must[kind], text) != NULL || names_find(&expected->may[kind], text) != NULL;
}

static struct names names_of(struct examine *examine, const struct store_strs *strs)
{
    struct names names = {.comparisons = &examine->comparisons};

    for (size_t i = 0; i < strs->n; i++) {
        names_add(&names, strs->items[i], ID_NONE, NULL);
    }
    names_sort(&names);
    return names;
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

/* The snapshots that Gluster has, and the volumes that it made of some: their bricks are mounted below folders of the
 * names that their LVs begin with. */
static struct names known_snapshots(struct examine *examine, const struct exec_inventory *inventory)
{
    static const char below[] = "/snaps/";
    struct names names = {.comparisons = &examine->comparisons};

    for (size_t i = 0; i < inventory->snapshots.n; i++) {
        names_add(&names, inventory->snapshots.items[i], ID_NONE, NULL);
    }
    for (size_t i = 0; i < inventory->n_volumes; i++) {
        for (size_t j = 0; j < inventory->volumes[i].bricks.n; j++) {
            const char *at = inventory->volumes[i].bricks.items[j];

            while ((at = strstr(at, below)) != NULL) {
                at += strlen(below);
                if (strcspn(at, "/") == EXEC_SNAPSHOT_NAME_LEN && at[EXEC_SNAPSHOT_NAME_LEN] == '/') {
                    names_add_own(&names, mem_strndup(at, EXEC_SNAPSHOT_NAME_LEN), ID_NONE);
                }
            }
        }
    }
    names_sort(&names);
    return names;
}

/* "vg_ID/...": the device; ID_NONE: it is no such one. */
static struct id device_of(const char *lv)
{
    struct id device = ID_NONE;

    return strncmp(lv, "vg_", 3) == 0 && strcspn(lv + 3, "/") == ID_TEXT_LEN && id_parse(lv + 3, ID_TEXT_LEN, &device)
               ? device
               : ID_NONE;
}

/* Of the name "GROUP/LV". An LV that Gluster made for a snapshot or a clone: does it still know what for? While a clone
 * is being made, an LV may be neither of a snapshot any more nor of a volume yet. */
static void add_leftover_lv(struct examine *examine, const struct store_node *node,
                            const struct exec_inventory *inventory, const struct names *snapshots, const char *name)
{
    const char *lv = strchr(name, '/') + 1;

    if (!exec_is_snapshot_lv(lv)) {
        add(examine, FINDING_LEFTOVER_LV, node, device_of(name), name, "");
    } else if (inventory->snapshots_known && !examine->cloning) {
        CLEANUP(free_ptr) char *made_for = mem_strndup(lv, EXEC_SNAPSHOT_NAME_LEN);

        if (names_find(snapshots, made_for) == NULL) {
            add(examine, FINDING_LEFTOVER_SNAPSHOT, node, device_of(name), name, "");
        }
    }
}

static void compare_lvs(struct examine *examine, const struct expected *expected, const struct store_node *node,
                        const struct exec_inventory *inventory)
{
    struct names there = {.comparisons = &examine->comparisons};
    struct names snapshots = known_snapshots(examine, inventory);

    for (size_t i = 0; i < inventory->n_lvs; i++) {
        names_add_own(&there, mem_printf("%s/%s", inventory->lvs[i].group, inventory->lvs[i].name), ID_NONE);
    }
    names_sort(&there);
    for (size_t i = 0; i < expected->must[LVS].n; i++) {
        const struct name *name = &expected->must[LVS].items[i];

        if (names_find(&there, name->text) == NULL) {
            CLEANUP(free_ptr) char *group = mem_strndup(name->text, 3 + ID_TEXT_LEN);

            add(examine, FINDING_MISSING_LV, node, name->where, name->text, group);
        }
    }
    for (size_t i = 0; i < there.n; i++) {
        if (!is_expected(expected, LVS, there.items[i].text)) {
            add_leftover_lv(examine, node, inventory, &snapshots, there.items[i].text);
        }
    }
    names_fini(&there);
    names_fini(&snapshots);
}

static void compare_groups(struct examine *examine, const struct expected *expected, const struct store_node *node,
                           const struct exec_inventory *inventory)
{
    struct names there = names_of(examine, &inventory->groups);

    for (size_t i = 0; i < expected->must[GROUPS].n; i++) {
        if (names_find(&there, expected->must[GROUPS].items[i].text) == NULL) {
            add(examine, FINDING_MISSING_GROUP, node, ID_NONE, expected->must[GROUPS].items[i].text,
                expected->must[GROUPS].items[i].text + 3);
        }
    }
    for (size_t i = 0; i < there.n; i++) {
        const char *name = there.items[i].text;

        if (strlen(name) == 3 + ID_TEXT_LEN && !is_expected(expected, GROUPS, name)) {
            add(examine, FINDING_LEFTOVER_GROUP, node, ID_NONE, name, "");
        }
    }
    names_fini(&there);
}

static void compare_mounts(struct examine *examine, const struct expected *expected, const struct store_node *node,
                           const struct store_strs *there_list, bool table)
{
    struct names there = names_of(examine, there_list);

    for (size_t i = 0; i < expected->must[MOUNTS].n; i++) {
        const struct name *name = &expected->must[MOUNTS].items[i];

        if (names_find(&there, name->text) == NULL) {
            add(examine, table ? FINDING_MISSING_FSTAB : FINDING_MISSING_MOUNT, node, name->where, name->text, "");
        }
    }
    for (size_t i = 0; i < there.n; i++) {
        if (!is_expected(expected, MOUNTS, there.items[i].text)) {
            add(examine, table ? FINDING_LEFTOVER_FSTAB : FINDING_LEFTOVER_MOUNT, node, ID_NONE, there.items[i].text,
                "");
        }
    }
    names_fini(&there);
}

/* ---- peers ---- */

static const struct exec_peer *find_peer(const struct names *peers, const struct store_node *node)
{
    const struct store_strs *lists[] = {&node->storage, &node->manage};

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < lists[i]->n; j++) {
            const struct name *name = names_find(peers, lists[i]->items[j]);

            if (name != NULL) {
                return name->thing;
            }
        }
    }
    return NULL;
}

static void compare_peer(struct examine *examine, const struct store_node *node, const struct store_node *other,
                         const struct exec_peer *peer)
{
    if (id_equal(other->id, node->id) || !id_is_none(other->pending)) {
        return;
    }
    if (peer == NULL) {
        add(examine, FINDING_MISSING_PEER, node, ID_NONE, other->storage.items[0], id_text(node->id).text);
    } else if (!peer->connected) {
        add(examine, FINDING_PEER_DISCONNECTED, node, ID_NONE, other->storage.items[0], "");
    }
}

/* Nodes may list the names of a peer in any order: the first in that of the alphabet stands for it. */
static const char *name_of(const struct exec_peer *peer)
{
    const char *first = peer->names.items[0];

    for (size_t i = 1; i < peer->names.n; i++) {
        first = strcmp(peer->names.items[i], first) < 0 ? peer->names.items[i] : first;
    }
    return first;
}

static void compare_peers(struct examine *examine, const struct store_node *node,
                          const struct exec_inventory *inventory)
{
    struct names peers = {.comparisons = &examine->comparisons};
    CLEANUP(free_ptr) bool *known = mem_calloc(inventory->n_peers + 1, sizeof(*known));
    const struct store_node *other = NULL;
    struct names foreign = {.comparisons = &examine->comparisons};
    CLEANUP(store_strs_fini) struct store_strs list = {NULL, 0};

    for (size_t i = 0; i < inventory->n_peers; i++) {
        for (size_t j = 0; j < inventory->peers[i].names.n; j++) {
            names_add(&peers, inventory->peers[i].names.items[j], ID_NONE, &inventory->peers[i]);
        }
    }
    names_sort(&peers);
    while ((other = store_cluster_node_next(examine->store, node->cluster, other)) != NULL) {
        const struct exec_peer *peer = find_peer(&peers, other);

        if (peer != NULL) {
            known[peer - inventory->peers] = true;
        }
        compare_peer(examine, node, other, peer);
    }
    for (size_t i = 0; i < inventory->n_peers; i++) {
        if (!known[i] && inventory->peers[i].names.n > 0) {
            names_add(&foreign, name_of(&inventory->peers[i]), ID_NONE, NULL);
        }
    }
    names_sort(&foreign);
    for (size_t i = 0; i < foreign.n; i++) {
        if (i == 0 || strcmp(foreign.items[i].text, foreign.items[i - 1].text) != 0) {
            store_strs_add(&list, foreign.items[i].text);
        }
    }
    examine_pool_hear_peers(examine, node, &list);
    names_fini(&foreign);
    names_fini(&peers);
}

/* ---- the whole ---- */

void examine_init(struct examine *examine, const struct store_view *view, struct findings *findings)
{
    const struct store *store = store_view_rest(view);

    *examine = (struct examine){.view = view, .store = store, .findings = findings, .cloning = is_being_cloned(store)};
}

void examine_end(struct examine *examine)
{
    examine_pools_tell(examine);
    examine_pools_free(examine);
}

void examine_fini(struct examine *examine)
{
    examine_pools_free(examine);
    for (size_t i = 0; i < examine->n_orders; i++) {
        store_cmd_fini(&examine->orders[i]);
    }
    free(examine->orders);
    *examine = (struct examine){.store = NULL};
}

bool examine_node(struct examine *examine, const struct store_node *node, const struct exec_inventory *inventory)
{
    struct expected expected = {0};
    bool names_match;

    expect_node(examine, &expected, node);
    compare_groups(examine, &expected, node, inventory);
    compare_lvs(examine, &expected, node, inventory);
    compare_mounts(examine, &expected, node, &inventory->mounts, false);
    compare_mounts(examine, &expected, node, &inventory->fstab, true);
    names_match = examine_pool_hear(examine, node, inventory);
    if (inventory->peers_known) {
        compare_peers(examine, node, inventory);
    }
    expected_fini(&expected);
    return names_match;
}
