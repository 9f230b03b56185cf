/* What is on a node: files -> LVM -> Gluster's volumes -> its snapshots, if there are LVs of any -> its peers. Nothing
 * is changed. */
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/gluster.h"
#include "daemon/executor/lvm_json.h"
#include "store/base/mem.h"

/* Lines "KIND VALUE". Everything below the folder of mounts, and every group whose name begins like ours. */
static const char files[] =
    "mine=$base/mounts/\n"
    "groups=$(L vgs --noheadings -o vg_name) || exit 1\n"
    "for vg in $groups; do case $vg in vg_*) echo \"group $vg\" ;; esac; done\n"
    "while read -r device where rest; do case $where in \"$mine\"*) echo \"mount $where\" ;; esac; done "
    "</proc/self/mounts\n"
    "[ ! -e \"$FSTAB\" ] || while read -r device where rest; do\n"
    "    case $device in '#'*) continue ;; esac\n"
    "    case $where in \"$mine\"*) echo \"fstab $where\" ;; esac\n"
    "done <\"$FSTAB\"\n"
    "exit 0\n";

static bool is_cut(struct step_talk *talk, const struct step_reply *reply)
{
    if (reply->cut) {
        step_fail(talk, E_REMOTE, true, "the node has more than can be listed");
    }
    return reply->cut;
}

/* ---- peers ---- */

static void peers_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct exec_inventory *inventory = talk->result.inventory;
    struct gluster_peers peers;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (gluster_xml_peers(reply->out, reply->out_len, &peers, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    inventory->peers = mem_calloc(peers.n + 1, sizeof(*inventory->peers));
    for (size_t i = 0; i < peers.n; i++) {
        struct exec_peer *peer = &inventory->peers[inventory->n_peers++];

        peer->connected = peers.items[i].connected;
        store_strs_add(&peer->names, peers.items[i].host);
        for (size_t j = 0; j < peers.items[i].n_hosts; j++) {
            store_strs_add(&peer->names, peers.items[i].hosts[j].name);
        }
    }
    if (peers.op.ret != 0) {
        gluster_refused(talk, &peers.op);
    } else {
        inventory->peers_known = true;
        step_done(talk);
    }
    gluster_peers_fini(&peers);
}

/* ---- Gluster's snapshots ---- */

static void snapshots_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct exec_inventory *inventory = talk->result.inventory;
    struct gluster_snapshots snapshots;
    struct err err = ERR_INIT;
    enum gluster_meaning meaning;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (gluster_xml_snapshots(reply->out, reply->out_len, &snapshots, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    for (size_t i = 0; i < snapshots.n; i++) {
        for (size_t j = 0; j < snapshots.items[i].n_volumes; j++) {
            store_strs_add(&inventory->snapshots, snapshots.items[i].volumes[j].volume);
        }
    }
    meaning = gluster_meaning(&snapshots.op);
    if (meaning != GLUSTER_DONE && meaning != GLUSTER_ABSENT) {
        gluster_refused(talk, &snapshots.op);
    } else {
        inventory->snapshots_known = true;
        gluster_ask(talk, peers_heard, 0, GLUSTER_WORDS("peer", "status"));
    }
    gluster_snapshots_fini(&snapshots);
}

static bool has_snapshots(const struct exec_inventory *inventory)
{
    for (size_t i = 0; i < inventory->n_lvs; i++) {
        if (exec_is_snapshot_lv(inventory->lvs[i].name)) {
            return true;
        }
    }
    return false;
}

/* ---- Gluster's volumes ---- */

static void volumes_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct exec_inventory *inventory = talk->result.inventory;
    struct gluster_volumes volumes;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (gluster_xml_volumes(reply->out, reply->out_len, &volumes, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    inventory->volumes = mem_calloc(volumes.n + 1, sizeof(*inventory->volumes));
    for (size_t i = 0; i < volumes.n; i++) {
        struct exec_gluster_volume *volume = &inventory->volumes[inventory->n_volumes++];

        volume->name = mem_strdup(volumes.items[i].name);
        volume->id = mem_strdup(volumes.items[i].id);
        volume->started = volumes.items[i].status == GLUSTER_STARTED;
        for (size_t j = 0; j < volumes.items[i].n_bricks; j++) {
            store_strs_add(&volume->bricks, volumes.items[i].bricks[j].name);
        }
    }
    if (volumes.op.ret != 0) {
        gluster_refused(talk, &volumes.op);
    } else if (has_snapshots(inventory)) {
        gluster_ask(talk, snapshots_heard, 0, GLUSTER_WORDS("snapshot", "info"));
    } else {
        gluster_ask(talk, peers_heard, 0, GLUSTER_WORDS("peer", "status"));
    }
    gluster_volumes_fini(&volumes);
}

/* ---- LVM ---- */

static void lvs_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct exec_inventory *inventory = talk->result.inventory;
    struct lvm_volumes lvs;
    struct err err = ERR_INIT;

    if (step_failed(talk, reply) || is_cut(talk, reply)) {
        return;
    }
    if (lvm_json_volumes(reply->out, reply->out_len, &lvs, &err) != 0) {
        step_fail(talk, E_REMOTE, false, "%s", err.message);
        return;
    }
    inventory->lvs = mem_calloc(lvs.n + 1, sizeof(*inventory->lvs));
    for (size_t i = 0; i < lvs.n; i++) {
        struct exec_lv *lv = &inventory->lvs[inventory->n_lvs];

        if (strncmp(lvs.items[i].group, "vg_", 3) == 0) {
            *lv = (struct exec_lv){mem_strdup(lvs.items[i].group), mem_strdup(lvs.items[i].name),
                                   mem_strdup(lvs.items[i].pool), lvs.items[i].bytes / 1024};
            inventory->n_lvs++;
        }
    }
    lvm_volumes_fini(&lvs);
    gluster_ask(talk, volumes_heard, 0, GLUSTER_WORDS("volume", "info"));
}

/* ---- files ---- */

static void take_line(struct exec_inventory *inventory, const char *line, size_t len)
{
    const struct {
        const char *word;
        struct store_strs *list;
    } kinds[] = {{"group ", &inventory->groups}, {"mount ", &inventory->mounts}, {"fstab ", &inventory->fstab}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        size_t n = strlen(kinds[i].word);

        if (len > n && memcmp(line, kinds[i].word, n) == 0) {
            CLEANUP(free_ptr) char *value = mem_strndup(line + n, len - n);

            store_strs_add(kinds[i].list, value);
        }
    }
}

static void files_heard(struct step_talk *talk, const struct step_reply *reply)
{
    const char *line = reply->out, *end;
    struct buf *script;

    if (step_failed(talk, reply) || is_cut(talk, reply)) {
        return;
    }
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        take_line(talk->result.inventory, line, (size_t)(end - line));
    }
    script = step_call(talk, lvs_heard);
    buf_append_str(script, "L lvs --reportformat json --units b --nosuffix "
                           "-o vg_name,lv_name,pool_lv,origin,lv_tags,lv_size\n");
}

void step_inventory(struct step_talk *talk)
{
    struct buf *script = step_call(talk, files_heard);

    talk->result.inventory = mem_calloc(1, sizeof(*talk->result.inventory));
    talk->result.inventory->refs = 1;
    script_set(script, "FSTAB", talk->config->fstab);
    buf_append_str(script, files);
}
