#include "daemon/executor/gluster_xml.h"

#include <stdlib.h>

#include "daemon/executor/xml.h"

#define FIELD(path, kind, type, member)                 \
    {                                                   \
        path, kind, offsetof(type, member), 0, 0, false \
    }
#define NEEDED(path, kind, type, member)               \
    {                                                  \
        path, kind, offsetof(type, member), 0, 0, true \
    }
#define LIST(path, type, array, n)                                                                   \
    {                                                                                                \
        path, XML_LIST, offsetof(type, array), offsetof(type, n), sizeof(*((type *)0)->array), false \
    }

/* In every answer. */
#define OP(type)                                                                                                  \
    NEEDED("cliOutput/opRet", XML_NUMBER, type, op.ret), FIELD("cliOutput/opErrno", XML_NUMBER, type, op.number), \
        FIELD("cliOutput/opErrstr", XML_TEXT, type, op.text)

struct answer { /* of which only the outcome matters */
    struct gluster_op op;
};

static const struct xml_rule op_rules[] = {OP(struct answer)};

static const struct xml_rule created_rules[] = {
    OP(struct gluster_created),
    FIELD("cliOutput/volCreate/volume/id", XML_TEXT, struct gluster_created, id),
};

#define VOLUMES "cliOutput/volInfo/volumes/volume"
static const struct xml_rule volumes_rules[] = {
    OP(struct gluster_volumes),
    LIST(VOLUMES, struct gluster_volumes, items, n),
    NEEDED(VOLUMES "/name", XML_TEXT, struct gluster_volume, name),
    NEEDED(VOLUMES "/id", XML_TEXT, struct gluster_volume, id),
    NEEDED(VOLUMES "/status", XML_NUMBER, struct gluster_volume, status),
    FIELD(VOLUMES "/statusStr", XML_TEXT, struct gluster_volume, status_text),
    FIELD(VOLUMES "/type", XML_NUMBER, struct gluster_volume, type),
    FIELD(VOLUMES "/typeStr", XML_TEXT, struct gluster_volume, type_text),
    FIELD(VOLUMES "/replicaCount", XML_NUMBER, struct gluster_volume, replica),
    FIELD(VOLUMES "/arbiterCount", XML_NUMBER, struct gluster_volume, arbiter),
    FIELD(VOLUMES "/disperseCount", XML_NUMBER, struct gluster_volume, disperse),
    FIELD(VOLUMES "/redundancyCount", XML_NUMBER, struct gluster_volume, redundancy),
    LIST(VOLUMES "/bricks/brick", struct gluster_volume, bricks, n_bricks),
    NEEDED(VOLUMES "/bricks/brick/name", XML_TEXT, struct gluster_brick, name),
    FIELD(VOLUMES "/bricks/brick/hostUuid", XML_TEXT, struct gluster_brick, host_uuid),
    FIELD(VOLUMES "/bricks/brick/isArbiter", XML_FLAG, struct gluster_brick, arbiter),
    LIST(VOLUMES "/options/option", struct gluster_volume, options, n_options),
    NEEDED(VOLUMES "/options/option/name", XML_TEXT, struct gluster_option, name),
    NEEDED(VOLUMES "/options/option/value", XML_TEXT, struct gluster_option, value),
};

static const struct xml_rule listing_rules[] = {
    OP(struct gluster_listing),
    LIST(VOLUMES, struct gluster_listing, items, n),
    NEEDED(VOLUMES "/name", XML_TEXT, struct exec_gluster_volume, name),
    NEEDED(VOLUMES "/id", XML_TEXT, struct exec_gluster_volume, id),
    NEEDED(VOLUMES "/status", XML_IS_1, struct exec_gluster_volume, started),
    LIST(VOLUMES "/bricks/brick", struct exec_gluster_volume, bricks.items, bricks.n),
    {VOLUMES "/bricks/brick/name", XML_TEXT, 0, 0, 0, true}, /* an item is the text alone */
};

static const struct xml_rule volume_list_rules[] = {
    OP(struct gluster_names),
    LIST("cliOutput/volList/volume", struct gluster_names, items, n),
    NEEDED("cliOutput/volList/volume/.", XML_TEXT, struct gluster_name, name),
};

static const struct xml_rule snapshot_list_rules[] = {
    OP(struct gluster_names),
    LIST("cliOutput/snapList/snapshot", struct gluster_names, items, n),
    NEEDED("cliOutput/snapList/snapshot/.", XML_TEXT, struct gluster_name, name),
};

#define PEERS "cliOutput/peerStatus/peer"
static const struct xml_rule peers_rules[] = {
    OP(struct gluster_peers),
    LIST(PEERS, struct gluster_peers, items, n),
    NEEDED(PEERS "/uuid", XML_TEXT, struct gluster_peer, uuid),
    NEEDED(PEERS "/hostname", XML_TEXT, struct gluster_peer, host),
    NEEDED(PEERS "/connected", XML_FLAG, struct gluster_peer, connected),
    FIELD(PEERS "/state", XML_NUMBER, struct gluster_peer, state),
    FIELD(PEERS "/stateStr", XML_TEXT, struct gluster_peer, state_text),
    LIST(PEERS "/hostnames/hostname", struct gluster_peer, hosts, n_hosts),
    NEEDED(PEERS "/hostnames/hostname/.", XML_TEXT, struct gluster_name, name),
};

#define STATES "cliOutput/volStatus/volumes/volume"
static const struct xml_rule states_rules[] = {
    OP(struct gluster_states),
    LIST(STATES, struct gluster_states, items, n),
    NEEDED(STATES "/volName", XML_TEXT, struct gluster_volume_state, name),
    LIST(STATES "/node", struct gluster_volume_state, bricks, n_bricks),
    NEEDED(STATES "/node/hostname", XML_TEXT, struct gluster_brick_state, host),
    NEEDED(STATES "/node/path", XML_TEXT, struct gluster_brick_state, path),
    FIELD(STATES "/node/peerid", XML_TEXT, struct gluster_brick_state, host_uuid),
    NEEDED(STATES "/node/status", XML_FLAG, struct gluster_brick_state, online),
    FIELD(STATES "/node/pid", XML_COUNT, struct gluster_brick_state, pid),
    FIELD(STATES "/node/sizeTotal", XML_COUNT, struct gluster_brick_state, size_total),
    FIELD(STATES "/node/sizeFree", XML_COUNT, struct gluster_brick_state, size_free),
    FIELD(STATES "/node/device", XML_TEXT, struct gluster_brick_state, device),
    FIELD(STATES "/node/fsName", XML_TEXT, struct gluster_brick_state, file_system),
};

#define HEALS "cliOutput/healInfo/bricks/brick"
/* The summary of a brick that does not answer has no number: Gluster puts it into the status. */
#define HEAL(entries_path)                                                  \
    OP(struct gluster_heals), LIST(HEALS, struct gluster_heals, items, n),  \
        FIELD(HEALS "@hostUuid", XML_TEXT, struct gluster_heal, host_uuid), \
        NEEDED(HEALS "/name", XML_TEXT, struct gluster_heal, name),         \
        FIELD(HEALS "/status", XML_TEXT, struct gluster_heal, status),      \
        FIELD(HEALS entries_path, XML_COUNT, struct gluster_heal, entries)

static const struct xml_rule heals_rules[] = {HEAL("/numberOfEntries")};
static const struct xml_rule heal_summary_rules[] = {HEAL("/totalNumberOfEntries")};

#define MOVES(root)                                                                         \
    OP(struct gluster_moves), FIELD(root "/task-id", XML_TEXT, struct gluster_moves, task), \
        LIST(root "/node", struct gluster_moves, items, n),                                 \
        FIELD(root "/node/nodeName", XML_TEXT, struct gluster_move, host),                  \
        FIELD(root "/node/id", XML_TEXT, struct gluster_move, host_uuid),                   \
        FIELD(root "/node/files", XML_COUNT, struct gluster_move, moved.files),             \
        FIELD(root "/node/size", XML_COUNT, struct gluster_move, moved.bytes),              \
        FIELD(root "/node/failures", XML_COUNT, struct gluster_move, moved.failures),       \
        FIELD(root "/node/skipped", XML_COUNT, struct gluster_move, moved.skipped),         \
        NEEDED(root "/node/status", XML_NUMBER, struct gluster_move, moved.status),         \
        FIELD(root "/node/statusStr", XML_TEXT, struct gluster_move, moved.status_text),    \
        FIELD(root "/aggregate/files", XML_COUNT, struct gluster_moves, total.files),       \
        FIELD(root "/aggregate/size", XML_COUNT, struct gluster_moves, total.bytes),        \
        FIELD(root "/aggregate/failures", XML_COUNT, struct gluster_moves, total.failures), \
        FIELD(root "/aggregate/skipped", XML_COUNT, struct gluster_moves, total.skipped),   \
        FIELD(root "/aggregate/status", XML_NUMBER, struct gluster_moves, total.status),    \
        FIELD(root "/aggregate/statusStr", XML_TEXT, struct gluster_moves, total.status_text)

static const struct xml_rule rebalance_rules[] = {MOVES("cliOutput/volRebalance")};
static const struct xml_rule remove_brick_rules[] = {MOVES("cliOutput/volRemoveBrick")};

#define SNAPSHOTS "cliOutput/snapInfo/snapshots/snapshot"
static const struct xml_rule snapshots_rules[] = {
    OP(struct gluster_snapshots),
    LIST(SNAPSHOTS, struct gluster_snapshots, items, n),
    NEEDED(SNAPSHOTS "/name", XML_TEXT, struct gluster_snapshot, name),
    FIELD(SNAPSHOTS "/uuid", XML_TEXT, struct gluster_snapshot, uuid),
    LIST(SNAPSHOTS "/snapVolume", struct gluster_snapshot, volumes, n_volumes),
    NEEDED(SNAPSHOTS "/snapVolume/name", XML_TEXT, struct gluster_snapshot_volume, volume),
    FIELD(SNAPSHOTS "/snapVolume/status", XML_TEXT, struct gluster_snapshot_volume, status),
    FIELD(SNAPSHOTS "/snapVolume/originVolume/name", XML_TEXT, struct gluster_snapshot_volume, origin),
};

static const struct xml_rule snapshot_listing_rules[] = {
    OP(struct gluster_snapshot_listing),
    LIST(SNAPSHOTS "/snapVolume", struct gluster_snapshot_listing, names.items, names.n),
    {SNAPSHOTS "/snapVolume/name", XML_TEXT, 0, 0, 0, true}, /* an item is the text alone */
};

/* ---- readers ---- */

#define RULES(name) name##_rules, sizeof(name##_rules) / sizeof(*name##_rules)

#define READER(name, type)                                                                     \
    int gluster_xml_##name(const char *text, size_t len, struct type *ret, struct err *reterr) \
    {                                                                                          \
        return xml_read(RULES(name), text, len, ret, sizeof(*ret), reterr);                    \
    }

READER(created, gluster_created)
READER(volumes, gluster_volumes)
READER(volume_list, gluster_names)
READER(snapshot_list, gluster_names)
READER(peers, gluster_peers)
READER(states, gluster_states)
READER(heals, gluster_heals)
READER(heal_summary, gluster_heals)
READER(rebalance, gluster_moves)
READER(remove_brick, gluster_moves)
READER(snapshots, gluster_snapshots)

int gluster_xml_op(const char *text, size_t len, struct gluster_op *ret, struct err *reterr)
{
    struct answer answer;
    int rc = xml_read(RULES(op), text, len, &answer, sizeof(answer), reterr);

    *ret = answer.op;
    return rc;
}

struct xml_stream *gluster_xml_stream_listing(struct gluster_listing *ret, size_t kept_max)
{
    return xml_stream_new(RULES(listing), kept_max, ret, sizeof(*ret));
}

struct xml_stream *gluster_xml_stream_snapshots(struct gluster_snapshot_listing *ret, size_t kept_max)
{
    return xml_stream_new(RULES(snapshot_listing), kept_max, ret, sizeof(*ret));
}

void gluster_op_fini(struct gluster_op *op)
{
    free(op->text);
    op->text = NULL;
}

#define FINI(type, name)                                \
    void type##_fini(struct type *answer)               \
    {                                                   \
        xml_free(RULES(name), answer, sizeof(*answer)); \
    }

/* Readers of the same struct differ in where things are found, not in what is freed. */
FINI(gluster_names, volume_list)
FINI(gluster_peers, peers)
FINI(gluster_created, created)
FINI(gluster_volumes, volumes)
FINI(gluster_listing, listing)
FINI(gluster_snapshot_listing, snapshot_listing)
FINI(gluster_states, states)
FINI(gluster_heals, heals)
FINI(gluster_moves, rebalance)
FINI(gluster_snapshots, snapshots)
