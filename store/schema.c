/* The tables behind codec_priv.h: which field of which struct has which key. */
#include "store/codec_priv.h"
#include "store/command.h"
#include "store/keys.h"
#include "store/record_priv.h"
#include "store/request.h"
#include "store/types.h"

#define TEXT_MAX 1048576 /* bytes of one text; a whole command is limited besides */
#define ITEMS_MAX 4096
#define LOAD_ITEMS_MAX 65536

#define SCALAR(type, member, key, kind)                   \
    {                                                     \
        (key), (kind), 0, offsetof(type, member), 0, NULL \
    }
#define ENUM(type, member, key, max)                          \
    {                                                         \
        (key), F_ENUM, (max), offsetof(type, member), 0, NULL \
    }
#define STR(type, member, key)                                  \
    {                                                           \
        (key), F_STR, TEXT_MAX, offsetof(type, member), 0, NULL \
    }
#define STRS(type, member, key)                                   \
    {                                                             \
        (key), F_STRS, ITEMS_MAX, offsetof(type, member), 0, NULL \
    }
/* NOLINTBEGIN(bugprone-macro-parentheses): members of structs */
#define LIST(type, member, count, key, max, sub)                                   \
    {                                                                              \
        (key), F_LIST, (max), offsetof(type, member), offsetof(type, count), (sub) \
    }
#define TAGS(type, member, key) LIST(type, member.items, member.n, key, ITEMS_MAX, &schema_tag)
/* NOLINTEND(bugprone-macro-parentheses) */
#define STRUCT(type, member, key, sub)                       \
    {                                                        \
        (key), F_STRUCT, 0, offsetof(type, member), 0, (sub) \
    }
#define SCHEMA(type, text, table)                                         \
    {                                                                     \
        (text), sizeof(type), (table), sizeof(table) / sizeof((table)[0]) \
    }

_Static_assert(sizeof(enum store_state) == sizeof(uint32_t), "the codec reads enums as 32 bits");

static const struct field tag_fields[] = {
    STR(struct store_tag, name, KEY_TAG_NAME),
    STR(struct store_tag, value, KEY_TAG_VALUE),
};
static const struct schema schema_tag = SCHEMA(struct store_tag, "tag", tag_fields);

static const struct field tags_fields[] = {
    LIST(struct store_tags, items, n, 1, ITEMS_MAX, &schema_tag),
};
const struct schema schema_tags = SCHEMA(struct store_tags, "tags", tags_fields);

static const struct field cluster_fields[] = {
    SCALAR(struct store_cluster, id, KEY_CLUSTER_ID, F_ID),
    SCALAR(struct store_cluster, file, KEY_CLUSTER_FILE, F_BOOL),
    SCALAR(struct store_cluster, block, KEY_CLUSTER_BLOCK, F_BOOL),
};
const struct schema schema_cluster = SCHEMA(struct store_cluster, "cluster", cluster_fields);

static const struct field node_fields[] = {
    SCALAR(struct store_node, id, KEY_NODE_ID, F_ID),
    SCALAR(struct store_node, cluster, KEY_NODE_CLUSTER, F_ID),
    SCALAR(struct store_node, zone, KEY_NODE_ZONE, F_U32),
    STRS(struct store_node, manage, KEY_NODE_MANAGE),
    STRS(struct store_node, storage, KEY_NODE_STORAGE),
    TAGS(struct store_node, tags, KEY_NODE_TAGS),
    ENUM(struct store_node, state, KEY_NODE_STATE, STORE_STATE_FAILED),
    SCALAR(struct store_node, pending, KEY_NODE_PENDING, F_ID),
};
const struct schema schema_node = SCHEMA(struct store_node, "node", node_fields);

static const struct field device_fields[] = {
    SCALAR(struct store_device, id, KEY_DEVICE_ID, F_ID),
    SCALAR(struct store_device, node, KEY_DEVICE_NODE, F_ID),
    STR(struct store_device, name, KEY_DEVICE_NAME),
    STRS(struct store_device, paths, KEY_DEVICE_PATHS),
    STR(struct store_device, pv_uuid, KEY_DEVICE_PV_UUID),
    SCALAR(struct store_device, total_kib, KEY_DEVICE_TOTAL, F_U64),
    SCALAR(struct store_device, extent_kib, KEY_DEVICE_EXTENT, F_U64),
    TAGS(struct store_device, tags, KEY_DEVICE_TAGS),
    ENUM(struct store_device, state, KEY_DEVICE_STATE, STORE_STATE_FAILED),
    SCALAR(struct store_device, pending, KEY_DEVICE_PENDING, F_ID),
    SCALAR(struct store_device, destroy_data, KEY_DEVICE_DESTROY, F_BOOL),
};
const struct schema schema_device = SCHEMA(struct store_device, "device", device_fields);

static const struct field brick_fields[] = {
    SCALAR(struct store_brick, id, KEY_BRICK_ID, F_ID),
    SCALAR(struct store_brick, device, KEY_BRICK_DEVICE, F_ID),
    SCALAR(struct store_brick, set, KEY_BRICK_SET, F_U32),
    SCALAR(struct store_brick, position, KEY_BRICK_POSITION, F_U32),
    SCALAR(struct store_brick, size_kib, KEY_BRICK_SIZE, F_U64),
    SCALAR(struct store_brick, pool_kib, KEY_BRICK_POOL_SIZE, F_U64),
    SCALAR(struct store_brick, meta_kib, KEY_BRICK_META_SIZE, F_U64),
    STR(struct store_brick, pool, KEY_BRICK_POOL),
    STR(struct store_brick, lv, KEY_BRICK_LV),
    STR(struct store_brick, path, KEY_BRICK_PATH),
    ENUM(struct store_brick, type, KEY_BRICK_TYPE, STORE_BRICK_ARBITER),
    SCALAR(struct store_brick, pending, KEY_BRICK_PENDING, F_ID),
};
static const struct schema schema_brick = SCHEMA(struct store_brick, "brick", brick_fields);

static const struct field volume_fields[] = {
    SCALAR(struct store_volume, id, KEY_VOLUME_ID, F_ID),
    SCALAR(struct store_volume, cluster, KEY_VOLUME_CLUSTER, F_ID),
    STR(struct store_volume, name, KEY_VOLUME_NAME),
    SCALAR(struct store_volume, size_gib, KEY_VOLUME_SIZE, F_U32),
    ENUM(struct store_volume, durability, KEY_VOLUME_DURABILITY, STORE_DISPERSE),
    SCALAR(struct store_volume, replica, KEY_VOLUME_REPLICA, F_U32),
    SCALAR(struct store_volume, disperse_data, KEY_VOLUME_DATA, F_U32),
    SCALAR(struct store_volume, redundancy, KEY_VOLUME_REDUNDANCY, F_U32),
    SCALAR(struct store_volume, gid, KEY_VOLUME_GID, F_I64),
    STRS(struct store_volume, options, KEY_VOLUME_OPTIONS),
    SCALAR(struct store_volume, snapshot_enable, KEY_VOLUME_SNAPSHOT, F_BOOL),
    SCALAR(struct store_volume, snapshot_factor, KEY_VOLUME_FACTOR, F_F32),
    SCALAR(struct store_volume, block, KEY_VOLUME_BLOCK, F_BOOL),
    SCALAR(struct store_volume, pending, KEY_VOLUME_PENDING, F_ID),
    LIST(struct store_volume, bricks, n_bricks, KEY_VOLUME_BRICKS, STORE_BRICKS_MAX, &schema_brick),
    SCALAR(struct store_volume, created_by, KEY_VOLUME_CREATED_BY, F_ID),
    SCALAR(struct store_volume, fingerprint, KEY_VOLUME_FINGERPRINT, F_ID),
    ENUM(struct store_volume, restriction, KEY_VOLUME_RESTRICTION, STORE_LOCKED_BY_UPDATE),
    SCALAR(struct store_volume, reserved_gib, KEY_VOLUME_RESERVED, F_U32),
    {KEY_VOLUME_CLUSTERS, F_IDS, ITEMS_MAX, offsetof(struct store_volume, clusters),
     offsetof(struct store_volume, n_clusters), NULL},
    SCALAR(struct store_volume, untold, KEY_VOLUME_UNTOLD, F_BOOL),
};
const struct schema schema_volume = SCHEMA(struct store_volume, "volume", volume_fields);

static const struct field block_volume_fields[] = {
    SCALAR(struct store_block_volume, id, KEY_BLOCK_ID, F_ID),
    SCALAR(struct store_block_volume, hosting, KEY_BLOCK_HOSTING, F_ID),
    STR(struct store_block_volume, name, KEY_BLOCK_NAME),
    SCALAR(struct store_block_volume, size_gib, KEY_BLOCK_SIZE, F_U32),
    SCALAR(struct store_block_volume, usable_gib, KEY_BLOCK_USABLE, F_U32),
    SCALAR(struct store_block_volume, new_gib, KEY_BLOCK_NEW_SIZE, F_U32),
    SCALAR(struct store_block_volume, ha_count, KEY_BLOCK_HA_COUNT, F_U32),
    SCALAR(struct store_block_volume, auth, KEY_BLOCK_AUTH, F_BOOL),
    STR(struct store_block_volume, iqn, KEY_BLOCK_IQN),
    STR(struct store_block_volume, user, KEY_BLOCK_USER),
    STR(struct store_block_volume, password, KEY_BLOCK_PASSWORD),
    STRS(struct store_block_volume, hosts, KEY_BLOCK_HOSTS),
    SCALAR(struct store_block_volume, pending, KEY_BLOCK_PENDING, F_ID),
    SCALAR(struct store_block_volume, created_by, KEY_BLOCK_CREATED_BY, F_ID),
    SCALAR(struct store_block_volume, fingerprint, KEY_BLOCK_FINGERPRINT, F_ID),
    {KEY_BLOCK_CLUSTERS, F_IDS, ITEMS_MAX, offsetof(struct store_block_volume, clusters),
     offsetof(struct store_block_volume, n_clusters), NULL},
};
const struct schema schema_block_volume = SCHEMA(struct store_block_volume, "block volume", block_volume_fields);

static const struct field parked_fields[] = {
    SCALAR(struct store_parked, node, KEY_PARKED_NODE, F_ID),
    STR(struct store_parked, text, KEY_PARKED_TEXT),
};
static const struct schema schema_parked = SCHEMA(struct store_parked, "parked", parked_fields);

static const struct field renewal_fields[] = {
    SCALAR(struct store_renewal, device, KEY_RENEWAL_DEVICE, F_ID),
    STR(struct store_renewal, name, KEY_RENEWAL_NAME),
};
static const struct schema schema_renewal = SCHEMA(struct store_renewal, "renewal", renewal_fields);

static const struct field operation_fields[] = {
    SCALAR(struct store_operation, id, KEY_OP_ID, F_ID),
    ENUM(struct store_operation, type, KEY_OP_TYPE, STORE_OP_REBALANCE),
    ENUM(struct store_operation, phase, KEY_OP_PHASE, STORE_OP_COMMITTED),
    SCALAR(struct store_operation, target, KEY_OP_TARGET, F_ID),
    SCALAR(struct store_operation, created_ms, KEY_OP_CREATED, F_I64),
    SCALAR(struct store_operation, attempt, KEY_OP_ATTEMPT, F_U32),
    STR(struct store_operation, reason, KEY_OP_REASON),
    SCALAR(struct store_operation, force, KEY_OP_FORCE, F_BOOL),
    LIST(struct store_operation, parked, n_parked, KEY_OP_PARKED, ITEMS_MAX, &schema_parked),
    LIST(struct store_operation, abandoned, n_abandoned, KEY_OP_ABANDONED, STORE_ABANDONED_MAX, &schema_brick),
    SCALAR(struct store_operation, begin_index, KEY_OP_BEGIN_INDEX, F_U64),
    SCALAR(struct store_operation, source, KEY_OP_SOURCE, F_ID),
    SCALAR(struct store_operation, size_gib, KEY_OP_SIZE, F_U32),
    SCALAR(struct store_operation, replacement, KEY_OP_REPLACEMENT, F_ID),
    SCALAR(struct store_operation, skip_heal, KEY_OP_SKIP_HEAL, F_BOOL),
    SCALAR(struct store_operation, parent, KEY_OP_PARENT, F_ID),
    SCALAR(struct store_operation, child, KEY_OP_CHILD, F_ID),
    SCALAR(struct store_operation, answers, KEY_OP_ANSWERS, F_ID),
    LIST(struct store_operation, renewals, n_renewals, KEY_OP_RENEWALS, ITEMS_MAX, &schema_renewal),
    SCALAR(struct store_operation, lost, KEY_OP_LOST, F_BOOL),
    SCALAR(struct store_operation, restored, KEY_OP_RESTORED, F_BOOL),
};
const struct schema schema_operation = SCHEMA(struct store_operation, "operation", operation_fields);

static const struct field job_fields[] = {
    SCALAR(struct store_job, id, KEY_JOB_ID, F_ID),
    SCALAR(struct store_job, failed, KEY_JOB_FAILED, F_BOOL),
    STR(struct store_job, error, KEY_JOB_ERROR),
    ENUM(struct store_job, resource, KEY_JOB_RESOURCE, STORE_RES_BLOCK_VOLUME),
    SCALAR(struct store_job, resource_id, KEY_JOB_RESOURCE_ID, F_ID),
    ENUM(struct store_job, type, KEY_JOB_TYPE, STORE_OP_REBALANCE),
    SCALAR(struct store_job, ended_ms, KEY_JOB_ENDED, F_I64),
};
const struct schema schema_job = SCHEMA(struct store_job, "job", job_fields);

static const struct field settings_fields[] = {
    SCALAR(struct store_settings, id, KEY_SETTINGS_ID, F_ID),
    ENUM(struct store_settings, mode, KEY_SETTINGS_MODE, STORE_MODE_LOCAL_CLIENT),
    SCALAR(struct store_settings, log_level, KEY_SETTINGS_LOG_LEVEL, F_U32),
    SCALAR(struct store_settings, load, KEY_SETTINGS_LOAD, F_ID),
    SCALAR(struct store_settings, load_part, KEY_SETTINGS_LOAD_PART, F_U32),
    SCALAR(struct store_settings, loaded, KEY_SETTINGS_LOADED, F_ID),
    SCALAR(struct store_settings, feature_level, KEY_SETTINGS_LEVEL, F_U32),
    ENUM(struct store_settings, hold, KEY_SETTINGS_HOLD, STORE_HOLD_ON),
};
const struct schema schema_settings = SCHEMA(struct store_settings, "settings", settings_fields);

static const struct field request_key_fields[] = {
    SCALAR(struct store_request_key, id, KEY_RKEY_ID, F_ID),
    STR(struct store_request_key, key, KEY_RKEY_KEY),
    SCALAR(struct store_request_key, fingerprint, KEY_RKEY_FINGERPRINT, F_ID),
    SCALAR(struct store_request_key, op_id, KEY_RKEY_OP, F_ID),
    SCALAR(struct store_request_key, object, KEY_RKEY_OBJECT, F_ID),
    SCALAR(struct store_request_key, time_ms, KEY_RKEY_TIME, F_I64),
};
const struct schema schema_request_key = SCHEMA(struct store_request_key, "request key", request_key_fields);

#define LOAD_LIST(member, key, sub) LIST(struct store_load, member, n_##member, key, LOAD_ITEMS_MAX, &(sub))

static const struct field load_fields[] = {
    SCALAR(struct store_load, part, KEY_LOAD_PART, F_U32),
    SCALAR(struct store_load, last, KEY_LOAD_LAST, F_BOOL),
    LOAD_LIST(clusters, KEY_LOAD_CLUSTERS, schema_cluster),
    LOAD_LIST(nodes, KEY_LOAD_NODES, schema_node),
    LOAD_LIST(devices, KEY_LOAD_DEVICES, schema_device),
    LOAD_LIST(volumes, KEY_LOAD_VOLUMES, schema_volume),
    LOAD_LIST(operations, KEY_LOAD_OPERATIONS, schema_operation),
    LOAD_LIST(blocks, KEY_LOAD_BLOCKS, schema_block_volume),
};
static const struct schema schema_load = SCHEMA(struct store_load, "load", load_fields);

static const struct field cmd_fields[] = {
    ENUM(struct store_cmd, type, KEY_CMD_TYPE, STORE_CMD_LAST),
    SCALAR(struct store_cmd, time_ms, KEY_CMD_TIME, F_I64),
    STR(struct store_cmd, key, KEY_CMD_KEY),
    SCALAR(struct store_cmd, op_id, KEY_CMD_OP_ID, F_ID),
    ENUM(struct store_cmd, op_type, KEY_CMD_OP_TYPE, STORE_OP_NODE_REPLACE),
    SCALAR(struct store_cmd, target, KEY_CMD_TARGET, F_ID),
    ENUM(struct store_cmd, state, KEY_CMD_STATE, STORE_STATE_FAILED),
    SCALAR(struct store_cmd, failed, KEY_CMD_FAILED, F_BOOL),
    SCALAR(struct store_cmd, force, KEY_CMD_FORCE, F_BOOL),
    STR(struct store_cmd, text, KEY_CMD_TEXT),
    STRUCT(struct store_cmd, cluster, KEY_CMD_CLUSTER, &schema_cluster),
    STRUCT(struct store_cmd, node, KEY_CMD_NODE, &schema_node),
    STRUCT(struct store_cmd, device, KEY_CMD_DEVICE, &schema_device),
    STRUCT(struct store_cmd, volume, KEY_CMD_VOLUME, &schema_volume),
    TAGS(struct store_cmd, tags, KEY_CMD_TAGS),
    LIST(struct store_cmd, parked, n_parked, KEY_CMD_PARKED, ITEMS_MAX, &schema_parked),
    SCALAR(struct store_cmd, fingerprint, KEY_CMD_FINGERPRINT, F_ID),
    SCALAR(struct store_cmd, base, KEY_CMD_BASE, F_ID),
    SCALAR(struct store_cmd, follow_id, KEY_CMD_FOLLOW, F_ID),
    ENUM(struct store_cmd, restriction, KEY_CMD_RESTRICTION, STORE_LOCKED_BY_UPDATE),
    SCALAR(struct store_cmd, rebalance_id, KEY_CMD_REBALANCE, F_ID),
    SCALAR(struct store_cmd, skip_heal, KEY_CMD_SKIP_HEAL, F_BOOL),
    SCALAR(struct store_cmd, parent, KEY_CMD_PARENT, F_ID),
    STRUCT(struct store_cmd, block, KEY_CMD_BLOCK, &schema_block_volume),
    STRUCT(struct store_cmd, settings, KEY_CMD_SETTINGS, &schema_settings),
    STRUCT(struct store_cmd, load, KEY_CMD_LOAD, &schema_load),
    SCALAR(struct store_cmd, key_made, KEY_CMD_KEY_MADE, F_BOOL),
    LIST(struct store_cmd, renewals, n_renewals, KEY_CMD_RENEWALS, ITEMS_MAX, &schema_renewal),
    SCALAR(struct store_cmd, lost, KEY_CMD_LOST, F_BOOL),
};
const struct schema schema_cmd = SCHEMA(struct store_cmd, "command", cmd_fields);

static const struct field volume_request_fields[] = {
    SCALAR(struct store_volume_request, size_gib, KEY_VREQ_SIZE, F_U32),
    STR(struct store_volume_request, name, KEY_VREQ_NAME),
    {KEY_VREQ_CLUSTERS, F_IDS, ITEMS_MAX, offsetof(struct store_volume_request, clusters),
     offsetof(struct store_volume_request, n_clusters), NULL},
    ENUM(struct store_volume_request, durability, KEY_VREQ_DURABILITY, STORE_DISPERSE),
    SCALAR(struct store_volume_request, replica, KEY_VREQ_REPLICA, F_U32),
    SCALAR(struct store_volume_request, disperse_data, KEY_VREQ_DATA, F_U32),
    SCALAR(struct store_volume_request, redundancy, KEY_VREQ_REDUNDANCY, F_U32),
    SCALAR(struct store_volume_request, gid, KEY_VREQ_GID, F_I64),
    STRS(struct store_volume_request, options, KEY_VREQ_OPTIONS),
    SCALAR(struct store_volume_request, snapshot_enable, KEY_VREQ_SNAPSHOT, F_BOOL),
    SCALAR(struct store_volume_request, snapshot_factor, KEY_VREQ_FACTOR, F_F32),
    SCALAR(struct store_volume_request, block, KEY_VREQ_BLOCK, F_BOOL),
    STR(struct store_volume_request, oldest_client, KEY_VREQ_OLDEST_CLIENT),
};
static const struct schema schema_volume_request =
    SCHEMA(struct store_volume_request, "volume request", volume_request_fields);

static const struct field block_request_fields[] = {
    SCALAR(struct store_block_request, size_gib, KEY_BREQ_SIZE, F_U32),
    STR(struct store_block_request, name, KEY_BREQ_NAME),
    {KEY_BREQ_CLUSTERS, F_IDS, ITEMS_MAX, offsetof(struct store_block_request, clusters),
     offsetof(struct store_block_request, n_clusters), NULL},
    SCALAR(struct store_block_request, ha_count, KEY_BREQ_HA_COUNT, F_U32),
    SCALAR(struct store_block_request, auth, KEY_BREQ_AUTH, F_BOOL),
};
static const struct schema schema_block_request =
    SCHEMA(struct store_block_request, "block volume request", block_request_fields);

/* Without `key` and `key_made`: the fingerprint is of what was asked, not of the name it was asked under. */
static const struct field request_fields[] = {
    ENUM(struct store_request, type, KEY_REQ_TYPE, STORE_REQ_LAST),
    SCALAR(struct store_request, target, KEY_REQ_TARGET, F_ID),
    SCALAR(struct store_request, file, KEY_REQ_FILE, F_BOOL),
    SCALAR(struct store_request, block, KEY_REQ_BLOCK, F_BOOL),
    SCALAR(struct store_request, cluster, KEY_REQ_CLUSTER, F_ID),
    SCALAR(struct store_request, zone, KEY_REQ_ZONE, F_U32),
    STRS(struct store_request, manage, KEY_REQ_MANAGE),
    STRS(struct store_request, storage, KEY_REQ_STORAGE),
    TAGS(struct store_request, tags, KEY_REQ_TAGS),
    ENUM(struct store_request, tag_change, KEY_REQ_TAG_CHANGE, STORE_TAGS_DELETE),
    ENUM(struct store_request, state, KEY_REQ_STATE, STORE_STATE_FAILED),
    SCALAR(struct store_request, node, KEY_REQ_NODE, F_ID),
    STR(struct store_request, device_name, KEY_REQ_DEVICE_NAME),
    SCALAR(struct store_request, destroy_data, KEY_REQ_DESTROY, F_BOOL),
    SCALAR(struct store_request, force, KEY_REQ_FORCE, F_BOOL),
    STRUCT(struct store_request, volume, KEY_REQ_VOLUME, &schema_volume_request),
    ENUM(struct store_request, restriction, KEY_REQ_RESTRICTION, STORE_LOCKED_BY_UPDATE),
    SCALAR(struct store_request, skip_heal, KEY_REQ_SKIP_HEAL, F_BOOL),
    STRUCT(struct store_request, block_volume, KEY_REQ_BLOCK_VOLUME, &schema_block_request),
    SCALAR(struct store_request, new_gib, KEY_REQ_NEW_SIZE, F_U32),
    ENUM(struct store_request, mode, KEY_REQ_MODE, STORE_MODE_LOCAL_CLIENT),
    SCALAR(struct store_request, log_level, KEY_REQ_LOG_LEVEL, F_U32),
    LIST(struct store_request, renewals, n_renewals, KEY_REQ_RENEWALS, ITEMS_MAX, &schema_renewal),
    SCALAR(struct store_request, lost, KEY_REQ_LOST, F_BOOL),
};
const struct schema schema_request = SCHEMA(struct store_request, "request", request_fields);
