/* New ids: no two objects have one id, of whatever kinds they are. What looks an id up without knowing its kind, and
 * operations that name their target by its id alone, would take the one for the other.
 *
 * The refusal holds at every feature level. Whoever plans draws each new id from 128 random bits, so no log of an
 * honest leader has a command that an older member takes and this one refuses. */
#include "store/store_priv.h"

#define IDS_MAX 4

struct new_ids {
    struct id own[IDS_MAX];
    size_t n;
    const struct store_brick *bricks;
    size_t n_bricks;
};

size_t id_kinds(const struct store *store, struct id id)
{
    return (size_t)(find_cluster(store, id) != NULL) + (find_node(store, id) != NULL) +
           (find_device(store, id) != NULL) + (find_volume(store, id) != NULL) + (find_block(store, id) != NULL) +
           (find_brick(store, id) != NULL) + (find_op(store, id) != NULL) + (find_job(store, id) != NULL) +
           (find_answering(store, id) != NULL);
}

static void add(struct new_ids *ids, struct id id)
{
    if (!id_is_none(id)) {
        ids->own[ids->n++] = id;
    }
}

static void add_bricks(struct new_ids *ids, const struct store_volume *volume)
{
    ids->bricks = volume->bricks;
    ids->n_bricks = volume->n_bricks;
}

static void add_begun(struct new_ids *ids, const struct store_cmd *cmd)
{
    add(ids, cmd->op_id);
    switch (cmd->op_type) {
    case STORE_OP_NODE_ADD:
        add(ids, cmd->node.id);
        break;
    case STORE_OP_DEVICE_ADD:
        add(ids, cmd->device.id);
        break;
    case STORE_OP_CREATE_BLOCK:
        add(ids, cmd->block.id);
        add(ids, cmd->volume.id); /* none: the hosting volume is there */
        if (!id_is_none(cmd->volume.id)) {
            add_bricks(ids, &cmd->volume);
        }
        break;
    case STORE_OP_CREATE_VOLUME:
    case STORE_OP_CLONE_VOLUME:
        add(ids, cmd->volume.id);
        add_bricks(ids, &cmd->volume);
        break;
    case STORE_OP_EXPAND_VOLUME:
        add_bricks(ids, &cmd->volume);
        break;
    default:
        break;
    }
}

static struct new_ids new_ids(const struct store *store, const struct store_cmd *cmd)
{
    struct new_ids ids = {.n = 0};

    switch (cmd->type) {
    case STORE_CMD_CLUSTER_CREATE:
        add(&ids, cmd->cluster.id);
        break;
    case STORE_CMD_OP_BEGIN:
        add_begun(&ids, cmd);
        break;
    case STORE_CMD_OP_REPLAN:
        add_bricks(&ids, &cmd->volume);
        break;
    case STORE_CMD_OP_END:
        add(&ids, cmd->follow_id);
        add(&ids, cmd->rebalance_id);
        break;
    case STORE_CMD_SET_STATE: /* these are done at once: the id is their job's */
    case STORE_CMD_RESTRICT:
    case STORE_CMD_JOB:
    case STORE_CMD_TAKE_OVER:
        add(&ids, cmd->op_id);
        break;
    case STORE_CMD_REPEAT:
        if (find_op(store, cmd->op_id) == NULL && find_job(store, cmd->op_id) == NULL) {
            add(&ids, cmd->op_id);
        }
        break;
    default:
        break;
    }
    return ids;
}

static bool is_own(const struct new_ids *ids, size_t n, struct id id)
{
    for (size_t i = 0; i < n; i++) {
        if (id_equal(ids->own[i], id)) {
            return true;
        }
    }
    return false;
}

enum store_code check_new_ids(const struct store *store, const struct store_cmd *cmd, struct store_result *result)
{
    struct new_ids ids = new_ids(store, cmd);

    for (size_t i = 0; i < ids.n; i++) {
        if (id_kinds(store, ids.own[i]) > 0 || is_own(&ids, i, ids.own[i])) {
            return refuse(result, STORE_CONFLICT, "Id %s is in use", id_text(ids.own[i]).text);
        }
    }
    for (size_t i = 0; i < ids.n_bricks; i++) { /* distinct among themselves: bricks_linkable */
        if (id_kinds(store, ids.bricks[i].id) > 0 || is_own(&ids, ids.n, ids.bricks[i].id)) {
            return refuse(result, STORE_CONFLICT, "Brick id %s is in use", id_text(ids.bricks[i].id).text);
        }
    }
    return STORE_OK;
}

/* ---- the same, of a load ---- */

/* Has nothing else the id, whatever it is? */
static int check_id(const struct store *store, struct id id, struct err *reterr)
{
    return id_kinds(store, id) == 1 ? 0 : err_set(reterr, E_DAMAGED, "id %s: two objects have it", id_text(id).text);
}

int check_loaded_ids(const struct store *store, const struct store_load *load, struct err *reterr)
{
    int rc = 0;

    for (size_t i = 0; i < load->n_clusters && rc == 0; i++) {
        rc = check_id(store, load->clusters[i].id, reterr);
    }
    for (size_t i = 0; i < load->n_nodes && rc == 0; i++) {
        rc = check_id(store, load->nodes[i].id, reterr);
    }
    for (size_t i = 0; i < load->n_devices && rc == 0; i++) {
        rc = check_id(store, load->devices[i].id, reterr);
    }
    for (size_t i = 0; i < load->n_volumes && rc == 0; i++) {
        rc = check_id(store, load->volumes[i].id, reterr);
        for (size_t j = 0; j < load->volumes[i].n_bricks && rc == 0; j++) {
            rc = check_id(store, load->volumes[i].bricks[j].id, reterr);
        }
    }
    for (size_t i = 0; i < load->n_blocks && rc == 0; i++) {
        rc = check_id(store, load->blocks[i].id, reterr);
    }
    for (size_t i = 0; i < load->n_operations && rc == 0; i++) {
        rc = check_id(store, load->operations[i].id, reterr);
        for (size_t j = 0; j < load->operations[i].n_abandoned && rc == 0; j++) {
            rc = check_id(store, load->operations[i].abandoned[j].id, reterr);
        }
    }
    return rc;
}

/* ---- the same, of a whole state ---- */

/* The trees are in the order of the ids: all are walked at once, and equal ones meet. Bricks have an index, which takes
 * no id twice. */
int check_ids(const struct store *store, struct err *reterr)
{
    struct cluster_entry *cluster = TREE_FIRST(&store->clusters, by_id);
    struct node_entry *node = TREE_FIRST(&store->nodes, by_id);
    struct device_entry *device = TREE_FIRST(&store->devices, by_id);
    struct volume_entry *volume = TREE_FIRST(&store->volumes, by_id);
    struct block_entry *block = TREE_FIRST(&store->blocks, by_id);
    struct op_entry *op = TREE_FIRST(&store->ops, by_id);
    struct job_entry *job = TREE_FIRST(&store->jobs, by_id);

    for (;;) {
        const struct id *ids[] = {
            cluster != NULL ? &cluster->rec.id : NULL, node != NULL ? &node->rec.id : NULL,
            device != NULL ? &device->rec.id : NULL,   volume != NULL ? &volume->rec.id : NULL,
            block != NULL ? &block->rec.id : NULL,     op != NULL ? &op->rec.id : NULL,
            job != NULL ? &job->rec.id : NULL,
        };
        const struct id *least = NULL;
        bool twice = false;

        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
            int c = ids[i] == NULL ? 1 : least == NULL ? -1 : id_cmp(ids[i], least);

            twice = c == 0 || (twice && c > 0);
            least = c < 0 ? ids[i] : least;
        }
        if (least == NULL) {
            return 0;
        }
        if (twice || find_brick(store, *least) != NULL) {
            return err_set(reterr, E_DAMAGED, "id %s: two objects have it", id_text(*least).text);
        }
        cluster = least == ids[0] ? RB_NEXT(cluster_tree, NULL, cluster) : cluster;
        node = least == ids[1] ? RB_NEXT(node_tree, NULL, node) : node;
        device = least == ids[2] ? RB_NEXT(device_tree, NULL, device) : device;
        volume = least == ids[3] ? RB_NEXT(volume_tree, NULL, volume) : volume;
        block = least == ids[4] ? RB_NEXT(block_tree, NULL, block) : block;
        op = least == ids[5] ? RB_NEXT(op_tree, NULL, op) : op;
        job = least == ids[6] ? RB_NEXT(job_tree, NULL, job) : job;
    }
}
