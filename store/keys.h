/* The numbers of the keys in all encodings of the store (commands, records, requests). One enum per map.
 *
 * A number is never reused: a field that goes away leaves a comment behind. New fields take the next free number and
 * are written only from the feature level on at which every member knows them.
 */
#ifndef HECATE_STORE_KEYS_H
#define HECATE_STORE_KEYS_H

enum key_tag {
    KEY_TAG_NAME = 1,
    KEY_TAG_VALUE = 2,
};

enum key_cluster {
    KEY_CLUSTER_ID = 1,
    KEY_CLUSTER_FILE = 2,
    KEY_CLUSTER_BLOCK = 3,
};

enum key_node {
    KEY_NODE_ID = 1,
    KEY_NODE_CLUSTER = 2,
    KEY_NODE_ZONE = 3,
    KEY_NODE_MANAGE = 4,
    KEY_NODE_STORAGE = 5,
    KEY_NODE_TAGS = 6,
    KEY_NODE_STATE = 7,
    KEY_NODE_PENDING = 8,
};

enum key_device {
    KEY_DEVICE_ID = 1,
    KEY_DEVICE_NODE = 2,
    KEY_DEVICE_NAME = 3,
    KEY_DEVICE_PATHS = 4,
    KEY_DEVICE_PV_UUID = 5,
    KEY_DEVICE_TOTAL = 6,
    KEY_DEVICE_EXTENT = 7,
    KEY_DEVICE_TAGS = 8,
    KEY_DEVICE_STATE = 9,
    KEY_DEVICE_PENDING = 10,
    KEY_DEVICE_DESTROY = 11,
};

enum key_brick { /* the volume is the one around it */
                 KEY_BRICK_ID = 1,
                 KEY_BRICK_DEVICE = 2,
                 KEY_BRICK_SET = 3,
                 KEY_BRICK_POSITION = 4,
                 KEY_BRICK_SIZE = 5,
                 KEY_BRICK_POOL_SIZE = 6,
                 KEY_BRICK_META_SIZE = 7,
                 KEY_BRICK_POOL = 8,
                 KEY_BRICK_LV = 9,
                 KEY_BRICK_PATH = 10,
                 KEY_BRICK_TYPE = 11,
                 KEY_BRICK_PENDING = 12,
};

enum key_volume {
    KEY_VOLUME_ID = 1,
    KEY_VOLUME_CLUSTER = 2,
    KEY_VOLUME_NAME = 3,
    KEY_VOLUME_SIZE = 4,
    KEY_VOLUME_DURABILITY = 5,
    KEY_VOLUME_REPLICA = 6,
    KEY_VOLUME_DATA = 7,
    KEY_VOLUME_REDUNDANCY = 8,
    KEY_VOLUME_GID = 9,
    KEY_VOLUME_OPTIONS = 10,
    KEY_VOLUME_SNAPSHOT = 11,
    KEY_VOLUME_FACTOR = 12,
    KEY_VOLUME_BLOCK = 13,
    KEY_VOLUME_PENDING = 14,
    KEY_VOLUME_BRICKS = 15,
    KEY_VOLUME_CREATED_BY = 16,
    KEY_VOLUME_FINGERPRINT = 17,
    KEY_VOLUME_RESTRICTION = 45,
    KEY_VOLUME_RESERVED = 55,
    KEY_VOLUME_CLUSTERS = 60,
    KEY_VOLUME_UNTOLD = 61,
};

enum key_block_volume {
    KEY_BLOCK_ID = 1,
    KEY_BLOCK_HOSTING = 2,
    KEY_BLOCK_NAME = 3,
    KEY_BLOCK_SIZE = 4,
    KEY_BLOCK_USABLE = 5,
    KEY_BLOCK_NEW_SIZE = 6,
    KEY_BLOCK_HA_COUNT = 7,
    KEY_BLOCK_AUTH = 8,
    KEY_BLOCK_IQN = 9,
    KEY_BLOCK_USER = 10,
    KEY_BLOCK_PASSWORD = 11,
    KEY_BLOCK_HOSTS = 12,
    KEY_BLOCK_PENDING = 13,
    KEY_BLOCK_CREATED_BY = 14,
    KEY_BLOCK_FINGERPRINT = 15,
    KEY_BLOCK_CLUSTERS = 16,
};

enum key_parked {
    KEY_PARKED_NODE = 1,
    KEY_PARKED_TEXT = 2,
};

enum key_renewal {
    KEY_RENEWAL_DEVICE = 1,
    KEY_RENEWAL_NAME = 2,
};

enum key_operation {
    KEY_OP_ID = 1,
    KEY_OP_TYPE = 2,
    KEY_OP_PHASE = 3,
    KEY_OP_TARGET = 4,
    KEY_OP_CREATED = 5,
    KEY_OP_ATTEMPT = 6,
    KEY_OP_REASON = 7,
    KEY_OP_FORCE = 8,
    KEY_OP_PARKED = 9,
    KEY_OP_ABANDONED = 10,
    KEY_OP_BEGIN_INDEX = 11,
    KEY_OP_SOURCE = 45,
    KEY_OP_SIZE = 46,
    KEY_OP_REPLACEMENT = 50,
    KEY_OP_SKIP_HEAL = 51,
    KEY_OP_PARENT = 52,
    KEY_OP_CHILD = 53,
    KEY_OP_ANSWERS = 54,
    KEY_OP_RENEWALS = 55,
    KEY_OP_LOST = 56,
    KEY_OP_RESTORED = 57,
};

enum key_job {
    KEY_JOB_ID = 1,
    KEY_JOB_FAILED = 2,
    KEY_JOB_ERROR = 3,
    KEY_JOB_RESOURCE = 4,
    KEY_JOB_RESOURCE_ID = 5,
    KEY_JOB_TYPE = 6,
    KEY_JOB_ENDED = 7,
};

enum key_settings {
    KEY_SETTINGS_ID = 1,
    KEY_SETTINGS_MODE = 2,
    KEY_SETTINGS_LOG_LEVEL = 3,
    KEY_SETTINGS_LOAD = 4,
    KEY_SETTINGS_LOAD_PART = 5,
    KEY_SETTINGS_LOADED = 6,
    KEY_SETTINGS_LEVEL = 7,
    KEY_SETTINGS_HOLD = 8,
};

enum key_load {
    KEY_LOAD_PART = 1,
    KEY_LOAD_LAST = 2,
    KEY_LOAD_CLUSTERS = 3,
    KEY_LOAD_NODES = 4,
    KEY_LOAD_DEVICES = 5,
    KEY_LOAD_VOLUMES = 6,
    KEY_LOAD_OPERATIONS = 7,
    KEY_LOAD_BLOCKS = 8,
};

enum key_request_key { /* a remembered Idempotency-Key */
                       KEY_RKEY_ID = 1,
                       KEY_RKEY_KEY = 2,
                       KEY_RKEY_FINGERPRINT = 3,
                       KEY_RKEY_OP = 4,
                       KEY_RKEY_OBJECT = 5,
                       KEY_RKEY_TIME = 6,
};

enum key_cmd {
    KEY_CMD_VERSION = 0,
    KEY_CMD_TYPE = 1,
    KEY_CMD_TIME = 2,
    KEY_CMD_KEY = 3,
    KEY_CMD_OP_ID = 4,
    KEY_CMD_OP_TYPE = 5,
    KEY_CMD_TARGET = 6,
    KEY_CMD_STATE = 7,
    KEY_CMD_FAILED = 8,
    KEY_CMD_FORCE = 9,
    KEY_CMD_TEXT = 10,
    KEY_CMD_CLUSTER = 11,
    KEY_CMD_NODE = 12,
    KEY_CMD_DEVICE = 13,
    KEY_CMD_VOLUME = 14,
    KEY_CMD_TAGS = 15,
    KEY_CMD_PARKED = 16,
    KEY_CMD_FINGERPRINT = 17,
    KEY_CMD_BASE = 18,
    KEY_CMD_FOLLOW = 19,
    KEY_CMD_SKIP_HEAL = 50,
    KEY_CMD_PARENT = 51,
    KEY_CMD_BLOCK = 55,
    KEY_CMD_SETTINGS = 60,
    KEY_CMD_RESTRICTION = 45,
    KEY_CMD_REBALANCE = 46,
    KEY_CMD_LOAD = 61,
    KEY_CMD_KEY_MADE = 62,
    KEY_CMD_RENEWALS = 56,
    KEY_CMD_LOST = 57,
};

enum key_request { /* only hashed (fingerprints), yet just as unchangeable */
                   KEY_REQ_TYPE = 1,
                   KEY_REQ_TARGET = 2,
                   KEY_REQ_FILE = 3,
                   KEY_REQ_BLOCK = 4,
                   KEY_REQ_CLUSTER = 5,
                   KEY_REQ_ZONE = 6,
                   KEY_REQ_MANAGE = 7,
                   KEY_REQ_STORAGE = 8,
                   KEY_REQ_TAGS = 9,
                   KEY_REQ_TAG_CHANGE = 10,
                   KEY_REQ_STATE = 11,
                   KEY_REQ_NODE = 12,
                   KEY_REQ_DEVICE_NAME = 13,
                   KEY_REQ_DESTROY = 14,
                   KEY_REQ_FORCE = 15,
                   KEY_REQ_VOLUME = 16,
                   KEY_REQ_SKIP_HEAL = 50,
                   KEY_REQ_BLOCK_VOLUME = 55,
                   KEY_REQ_NEW_SIZE = 56,
                   KEY_REQ_MODE = 60,
                   KEY_REQ_LOG_LEVEL = 61,
                   KEY_REQ_RESTRICTION = 45,
                   KEY_REQ_RENEWALS = 57,
                   KEY_REQ_LOST = 58,
};

enum key_block_request {
    KEY_BREQ_SIZE = 1,
    KEY_BREQ_NAME = 2,
    KEY_BREQ_CLUSTERS = 3,
    KEY_BREQ_HA_COUNT = 4,
    KEY_BREQ_AUTH = 5,
};

enum key_volume_request {
    KEY_VREQ_SIZE = 1,
    KEY_VREQ_NAME = 2,
    KEY_VREQ_CLUSTERS = 3,
    KEY_VREQ_DURABILITY = 4,
    KEY_VREQ_REPLICA = 5,
    KEY_VREQ_DATA = 6,
    KEY_VREQ_REDUNDANCY = 7,
    KEY_VREQ_GID = 8,
    KEY_VREQ_OPTIONS = 9,
    KEY_VREQ_SNAPSHOT = 10,
    KEY_VREQ_FACTOR = 11,
    KEY_VREQ_BLOCK = 12,
    KEY_VREQ_OLDEST_CLIENT = 40,
};

#endif
