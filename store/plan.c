/* The planner: a request becomes a command. Every plan is asked of apply's own checks before it is handed out, so a
 * refusal has one text, whether it comes before or after the log. */
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"

void store_plan_env_init(struct store_plan_env *env)
{
    *env = (struct store_plan_env){.brick_min_kib = STORE_KIB_PER_GIB,
                                   .brick_max_kib = 4096 * STORE_KIB_PER_GIB,
                                   .bricks_per_volume_max = 32,
                                   .volumes_per_cluster_max = 1000,
                                   .average_file_size_kib = 64,
                                   .pre_options = "",
                                   .post_options = "",
                                   .block_options = "group gluster-block",
                                   .oldest_client = "",
                                   .block_size_gib = 1024};
}

struct id plan_random_id(const struct store_plan_env *env)
{
    struct id id = ID_NONE;

    while (id_is_none(id)) {
        env->random(env->user, id.bytes, sizeof(id.bytes));
    }
    return id;
}

static void begin(struct store_cmd *cmd, const struct store_plan_env *env, enum store_op_type type)
{
    cmd->type = STORE_CMD_OP_BEGIN;
    cmd->op_type = type;
    cmd->op_id = plan_random_id(env);
}

static enum store_code plan_node_add(const struct store_request *request, const struct store_plan_env *env,
                                     struct store_cmd *cmd)
{
    begin(cmd, env, STORE_OP_NODE_ADD);
    cmd->node.id = plan_random_id(env);
    cmd->node.cluster = request->cluster;
    cmd->node.zone = request->zone;
    store_strs_copy(&cmd->node.manage, &request->manage);
    store_strs_copy(&cmd->node.storage, &request->storage);
    store_tags_copy(&cmd->node.tags, &request->tags);
    return STORE_OK;
}

static enum store_code plan_device_add(const struct store_request *request, const struct store_plan_env *env,
                                       struct store_cmd *cmd)
{
    begin(cmd, env, STORE_OP_DEVICE_ADD);
    cmd->device.id = plan_random_id(env);
    cmd->device.node = request->node;
    free(cmd->device.name);
    cmd->device.name = mem_strdup(request->device_name);
    store_tags_copy(&cmd->device.tags, &request->tags);
    cmd->device.destroy_data = request->destroy_data;
    return STORE_OK;
}

static bool named(const struct store_tags *tags, const char *name)
{
    return store_tags_get(tags, name) != NULL;
}

/* The tags after the change; the base makes apply notice a change that came between. */
static enum store_code plan_tags(const struct store_request *request, const struct store_tags *old,
                                 struct store_cmd *cmd, struct store_result *result)
{
    if (old == NULL) {
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    cmd->type = STORE_CMD_TAGS;
    cmd->target = request->target;
    if (request->tag_change == STORE_TAGS_SET) {
        store_tags_copy(&cmd->tags, &request->tags);
        return STORE_OK;
    }
    cmd->base = fingerprint_tags(old);
    for (size_t i = 0; i < old->n; i++) {
        if (request->tag_change == STORE_TAGS_UPDATE || !named(&request->tags, old->items[i].name)) {
            store_tags_set(&cmd->tags, old->items[i].name, old->items[i].value);
        }
    }
    for (size_t i = 0; request->tag_change == STORE_TAGS_UPDATE && i < request->tags.n; i++) {
        store_tags_set(&cmd->tags, request->tags.items[i].name, request->tags.items[i].value);
    }
    return STORE_OK;
}

static enum store_code plan_state(const struct store *store, const struct store_request *request,
                                  const struct store_plan_env *env, bool exists, struct store_cmd *cmd,
                                  struct store_result *result)
{
    bool is_node = request->type == STORE_REQ_NODE_STATE;

    if (!exists) { /* a node's id where a device's is expected, or the reverse */
        return refuse(result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    if (state_moves_bricks(store, request->target, request->state)) {
        begin(cmd, env, is_node ? STORE_OP_NODE_REMOVE : STORE_OP_REMOVE_DEVICE);
        cmd->skip_heal = request->skip_heal;
        return STORE_OK;
    }
    cmd->type = STORE_CMD_SET_STATE;
    cmd->op_id = plan_random_id(env);
    cmd->target = request->target;
    cmd->state = request->state;
    return STORE_OK;
}

/* Operations on what the path names, which need nothing but that. */
static enum store_code plan_target(const struct store_request *request, const struct store_plan_env *env,
                                   struct store_cmd *cmd, enum store_op_type type)
{
    begin(cmd, env, type);
    cmd->force = request->force;
    cmd->skip_heal = request->skip_heal;
    return STORE_OK;
}

static void add_renewal(struct store_cmd *cmd, struct id device, const char *name)
{
    cmd->renewals = mem_realloc_array(cmd->renewals, cmd->n_renewals + 1, sizeof(*cmd->renewals));
    cmd->renewals[cmd->n_renewals++] = (struct store_renewal){device, mem_strdup(name)};
}

static enum store_code plan_replace(const struct store_request *request, const struct store_plan_env *env,
                                    struct store_cmd *cmd)
{
    bool node = request->type == STORE_REQ_NODE_REPLACE;

    begin(cmd, env, node ? STORE_OP_NODE_REPLACE : STORE_OP_DEVICE_REPLACE);
    cmd->force = request->destroy_data;
    cmd->lost = request->lost;
    if (node) {
        store_strs_copy(&cmd->node.manage, &request->manage);
        for (size_t i = 0; i < request->n_renewals; i++) {
            add_renewal(cmd, request->renewals[i].device, request->renewals[i].name);
        }
    } else {
        add_renewal(cmd, request->target, request->device_name);
    }
    return STORE_OK;
}

static enum store_op_type target_op(enum store_request_type type)
{
    switch (type) {
    case STORE_REQ_NODE_DELETE:
        return STORE_OP_NODE_DELETE;
    case STORE_REQ_DEVICE_DELETE:
        return STORE_OP_DEVICE_DELETE;
    case STORE_REQ_DEVICE_RESYNC:
        return STORE_OP_DEVICE_RESYNC;
    case STORE_REQ_BRICK_EVICT:
        return STORE_OP_EVICT_BRICK;
    default:
        return STORE_OP_DELETE_BLOCK;
    }
}

static enum store_code plan_volume_request(const struct store *store, const struct store_request *request,
                                           const struct store_plan_env *env, struct store_cmd *cmd,
                                           struct store_result *result)
{
    switch (request->type) {
    case STORE_REQ_VOLUME_CREATE:
        begin(cmd, env, STORE_OP_CREATE_VOLUME);
        cmd->target = ID_NONE;
        return plan_volume_create(store, request, env, cmd, result);
    case STORE_REQ_VOLUME_DELETE:
        return plan_target(request, env, cmd, STORE_OP_DELETE_VOLUME);
    case STORE_REQ_VOLUME_EXPAND:
        begin(cmd, env, STORE_OP_EXPAND_VOLUME);
        return plan_volume_expand(store, request, env, cmd, result);
    case STORE_REQ_VOLUME_CLONE:
        begin(cmd, env, STORE_OP_CLONE_VOLUME);
        return plan_volume_clone(store, request, env, cmd, result);
    default:
        cmd->type = STORE_CMD_RESTRICT;
        cmd->op_id = plan_random_id(env);
        cmd->restriction = request->restriction;
        return STORE_OK;
    }
}

static enum store_code plan_block_request(const struct store *store, const struct store_request *request,
                                          const struct store_plan_env *env, struct store_cmd *cmd,
                                          struct store_result *result)
{
    if (request->type == STORE_REQ_BLOCK_CREATE) {
        begin(cmd, env, STORE_OP_CREATE_BLOCK);
        cmd->target = ID_NONE;
        return plan_block_create(store, request, env, cmd, result);
    }
    begin(cmd, env, STORE_OP_EXPAND_BLOCK);
    cmd->block.new_gib = request->new_gib;
    return STORE_OK;
}

static enum store_code plan_request(const struct store *store, const struct store_request *request,
                                    const struct store_plan_env *env, struct store_cmd *cmd,
                                    struct store_result *result)
{
    const struct node_entry *node = find_node(store, request->target);
    const struct device_entry *device = find_device(store, request->target);

    cmd->target = request->target;
    switch (request->type) {
    case STORE_REQ_CLUSTER_CREATE:
    case STORE_REQ_CLUSTER_FLAGS:
        cmd->type = request->type == STORE_REQ_CLUSTER_CREATE ? STORE_CMD_CLUSTER_CREATE : STORE_CMD_CLUSTER_FLAGS;
        cmd->cluster = (struct store_cluster){request->target, request->file, request->block};
        cmd->target = ID_NONE;
        if (request->type == STORE_REQ_CLUSTER_CREATE) {
            cmd->cluster.id = plan_random_id(env);
        }
        return STORE_OK;
    case STORE_REQ_CLUSTER_DELETE:
    case STORE_REQ_TOLD:
        cmd->type = request->type == STORE_REQ_TOLD ? STORE_CMD_TOLD : STORE_CMD_CLUSTER_DELETE;
        return STORE_OK;
    case STORE_REQ_NODE_ADD:
        cmd->target = ID_NONE;
        return plan_node_add(request, env, cmd);
    case STORE_REQ_NODE_STATE:
        return plan_state(store, request, env, node != NULL, cmd, result);
    case STORE_REQ_DEVICE_STATE:
        return plan_state(store, request, env, device != NULL, cmd, result);
    case STORE_REQ_NODE_TAGS:
        return plan_tags(request, node != NULL ? &node->rec.tags : NULL, cmd, result);
    case STORE_REQ_DEVICE_TAGS:
        return plan_tags(request, device != NULL ? &device->rec.tags : NULL, cmd, result);
    case STORE_REQ_DEVICE_ADD:
        cmd->target = ID_NONE;
        return plan_device_add(request, env, cmd);
    case STORE_REQ_NODE_DELETE:
    case STORE_REQ_DEVICE_DELETE:
    case STORE_REQ_DEVICE_RESYNC:
    case STORE_REQ_BRICK_EVICT:
    case STORE_REQ_BLOCK_DELETE:
        return plan_target(request, env, cmd, target_op(request->type));
    case STORE_REQ_NODE_REPLACE:
    case STORE_REQ_DEVICE_REPLACE:
        return plan_replace(request, env, cmd);
    case STORE_REQ_MODE:
    case STORE_REQ_LOG_LEVEL:
        cmd->type = STORE_CMD_SETTINGS;
        cmd->target = ID_NONE;
        cmd->settings.mode = request->mode;
        cmd->settings.log_level = request->log_level;
        return STORE_OK;
    case STORE_REQ_CLEANUP:
        cmd->type = STORE_CMD_JOB;
        cmd->target = ID_NONE;
        cmd->op_id = plan_random_id(env);
        return STORE_OK;
    case STORE_REQ_BLOCK_CREATE:
    case STORE_REQ_BLOCK_EXPAND:
        return plan_block_request(store, request, env, cmd, result);
    case STORE_REQ_VOLUME_CREATE:
    case STORE_REQ_VOLUME_DELETE:
    case STORE_REQ_VOLUME_EXPAND:
    case STORE_REQ_VOLUME_CLONE:
    case STORE_REQ_VOLUME_RESTRICT:
        return plan_volume_request(store, request, env, cmd, result);
    }
    return refuse(result, STORE_BAD_REQUEST, "Unknown request");
}

/* Commands that remember a request key. */
static bool takes_key(enum store_request_type type)
{
    switch (type) {
    case STORE_REQ_CLUSTER_CREATE:
    case STORE_REQ_NODE_ADD:
    case STORE_REQ_NODE_DELETE:
    case STORE_REQ_DEVICE_ADD:
    case STORE_REQ_DEVICE_DELETE:
    case STORE_REQ_DEVICE_RESYNC:
    case STORE_REQ_NODE_REPLACE:
    case STORE_REQ_DEVICE_REPLACE:
    case STORE_REQ_VOLUME_CREATE:
    case STORE_REQ_VOLUME_DELETE:
    case STORE_REQ_BLOCK_CREATE:
    case STORE_REQ_BLOCK_EXPAND:
    case STORE_REQ_BLOCK_DELETE:
    case STORE_REQ_VOLUME_EXPAND:
    case STORE_REQ_VOLUME_CLONE:
    case STORE_REQ_BRICK_EVICT:
        return true;
    default:
        return false;
    }
}

enum store_code store_plan(const struct store *store, const struct store_request *request,
                           const struct store_plan_env *env, struct store_cmd *ret_cmd, struct store_result *ret_result)
{
    enum store_code code;

    memset(ret_result, 0, sizeof(*ret_result));
    store_cmd_init(ret_cmd, STORE_CMD_NOOP);
    ret_cmd->time_ms = env->now_ms;
    if (takes_key(request->type)) {
        free(ret_cmd->key);
        ret_cmd->key = mem_strdup(request->key);
        ret_cmd->key_made = request->key_made;
        if (request->key[0] != '\0' || request->type == STORE_REQ_VOLUME_CREATE ||
            request->type == STORE_REQ_VOLUME_CLONE || request->type == STORE_REQ_BLOCK_CREATE) {
            ret_cmd->fingerprint = fingerprint_request(request);
        }
    }
    code = check_key(store, ret_cmd, ret_result);
    code = code == STORE_OK ? plan_request(store, request, env, ret_cmd, ret_result) : code;
    code = code == STORE_OK ? apply_check(store, ret_cmd, ret_result) : code;
    code = code == STORE_OK ? check_made_bytes(store, ret_cmd, ret_result) : code;
    ret_result->code = code;
    if (code != STORE_OK) {
        store_cmd_fini(ret_cmd);
    }
    return code;
}

static enum store_code plan_volume_again(const struct store *store, const struct op_entry *op,
                                         const struct store_plan_env *env, struct store_cmd *cmd,
                                         struct store_result *result)
{
    const struct volume_entry *entry = op_volume(store, &op->rec);
    bool expand = op->rec.type == STORE_OP_EXPAND_VOLUME;
    struct store_volume volume; /* flat copy; its bricks are new ones */
    enum plan_outcome outcome =
        plan_more_bricks(store, env, entry, op->rec.id, expand ? op->rec.size_gib : entry->rec.size_gib, &volume);

    if (outcome != PLAN_PLACED) {
        return refuse(result, STORE_NO_ALLOCATION, "Failed to allocate %s: %s",
                      expand ? "volume expansion" : "new volume",
                      expand ? plan_outcome_text(outcome) : plan_create_text(outcome));
    }
    cmd->volume.id = volume.id;
    cmd->volume.bricks = volume.bricks;
    cmd->volume.n_bricks = volume.n_bricks;
    return STORE_OK;
}

static bool makes_bricks(const struct op_entry *op)
{
    return op->rec.type == STORE_OP_CREATE_VOLUME || op->rec.type == STORE_OP_CREATE_BLOCK ||
           op->rec.type == STORE_OP_EXPAND_VOLUME;
}

enum store_code store_plan_again(const struct store *store, struct id op_id, const struct store_plan_env *env,
                                 struct store_cmd *ret_cmd, struct store_result *ret_result)
{
    const struct op_entry *op = find_op(store, op_id);
    enum store_code code;

    memset(ret_result, 0, sizeof(*ret_result));
    if (op == NULL ||
        (op->rec.type == STORE_OP_EVICT_BRICK ? find_brick(store, op->rec.target) == NULL
                                              : !makes_bricks(op) || op_volume(store, &op->rec) == NULL)) {
        return refuse(ret_result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    store_cmd_init(ret_cmd, STORE_CMD_OP_REPLAN);
    ret_cmd->op_id = op_id;
    ret_cmd->time_ms = env->now_ms;
    code = makes_bricks(op) ? plan_volume_again(store, op, env, ret_cmd, ret_result)
                            : plan_replacement(store, op, env, ret_cmd, ret_result);
    code = code == STORE_OK ? apply_check(store, ret_cmd, ret_result) : code;
    if (code != STORE_OK) {
        store_cmd_fini(ret_cmd);
    }
    return code;
}

enum store_code store_plan_part(const struct store *store, struct id op_id, const struct store_plan_env *env,
                                struct store_cmd *ret_cmd, struct store_result *ret_result)
{
    const struct op_entry *op = find_op(store, op_id);
    struct id next = op != NULL && store_op_has_parts(op->rec.type) ? remove_next(store, op) : ID_NONE;
    enum store_code code;

    memset(ret_result, 0, sizeof(*ret_result));
    if (op == NULL || id_is_none(next)) {
        return refuse(ret_result, STORE_NOT_FOUND, TEXT_ID_NOT_FOUND);
    }
    store_cmd_init(ret_cmd, STORE_CMD_NOOP);
    begin(ret_cmd, env,
          op->rec.type == STORE_OP_NODE_REPLACE  ? STORE_OP_DEVICE_REPLACE
          : op->rec.type == STORE_OP_NODE_REMOVE ? STORE_OP_REMOVE_DEVICE
                                                 : STORE_OP_EVICT_BRICK);
    if (op->rec.type == STORE_OP_NODE_REPLACE) {
        add_renewal(ret_cmd, next, op->rec.renewals[0].name);
        ret_cmd->force = op->rec.force;
        ret_cmd->lost = op->rec.lost;
    }
    ret_cmd->time_ms = env->now_ms;
    ret_cmd->target = next;
    ret_cmd->parent = op_id;
    ret_cmd->skip_heal = op->rec.skip_heal;
    code = apply_check(store, ret_cmd, ret_result);
    if (code != STORE_OK) {
        store_cmd_fini(ret_cmd);
    }
    return code;
}

bool store_op_parts_left(const struct store *store, struct id op_id)
{
    const struct op_entry *op = find_op(store, op_id);

    return op != NULL && store_op_has_parts(op->rec.type) && !id_is_none(remove_next(store, op));
}
