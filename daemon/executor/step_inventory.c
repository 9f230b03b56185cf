/* What is on a node: files -> LVM -> Gluster's volumes -> its snapshots, if there are LVs of any -> its peers. Nothing
 * is changed.
 *
 * All but the peers may be long (2.6 KB of XML for a volume), so they are read in pieces, as they come: none takes
 * long, and only what is wanted takes memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/gluster.h"
#include "daemon/executor/grow.h"
#include "daemon/executor/xml.h"
#include "store/base/mem.h"

#define LINE_MAX_BYTES 8192
#define HEARD_MAX ((size_t)1 << 30)
#define SKIPPED_MAX ((size_t)1 << 20) /* of what is no XML: it may be a reason in plain words */
#define LINES_MAX ((size_t)524288)    /* of one kind */
#define SNAPSHOTS_KEPT_MAX ((size_t)16 << 20)

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

/* ---- reading in pieces ---- */

struct reading {
    struct exec_inventory *inventory; /* borrowed */
    size_t heard, skipped;
    struct buf line; /* the beginning of one */
    bool (*take)(struct step_talk *talk, const char *line, size_t len);
    struct xml_stream *xml;
    bool damaged; /* its rest is skipped */
    struct gluster_listing listing;
    struct gluster_snapshot_listing snapshots;
};

/* Also when it is only half of it: then it is freed with the inventory. */
static void take_listings(struct reading *reading)
{
    struct exec_inventory *inventory = reading->inventory;
    struct gluster_listing *listing = &reading->listing;

    if (inventory->volumes == NULL) {
        inventory->volumes = TAKE_PTR(listing->items);
        inventory->n_volumes = listing->n;
        listing->n = 0;
    }
    if (inventory->snapshots.items == NULL) {
        inventory->snapshots = reading->snapshots.names;
        reading->snapshots.names = (struct store_strs){NULL, 0};
    }
    gluster_listing_fini(listing);
    gluster_snapshot_listing_fini(&reading->snapshots);
}

static int end_xml(struct reading *reading, struct err *reterr)
{
    struct xml_stream *xml = TAKE_PTR(reading->xml);

    reading->inventory->bytes += xml_stream_kept(xml);
    return xml_stream_end(xml, reterr);
}

static void reading_free(void *argument)
{
    struct reading *reading = argument;

    if (reading->xml != NULL) {
        (void)end_xml(reading, NULL);
    }
    take_listings(reading);
    buf_fini(&reading->line);
    free(reading);
}

static bool is_too_much(struct step_talk *talk, size_t len)
{
    struct reading *reading = talk->reading;
    const struct exec_inventory *inventory = reading->inventory;

    reading->heard += len;
    if (reading->heard > HEARD_MAX || inventory->bytes > EXEC_INVENTORY_BYTES_MAX) {
        (void)err_set(&talk->refused, E_REMOTE, "the node has more to list than can be looked at (%zu MiB)",
                      EXEC_INVENTORY_BYTES_MAX >> 20);
    }
    return talk->refused.code != 0;
}

static bool xml_piece(struct step_talk *talk, const char *data, size_t len)
{
    struct reading *reading = talk->reading;
    struct err err = ERR_INIT;

    if (is_too_much(talk, len)) {
        return false;
    }
    reading->damaged = reading->damaged || xml_stream_piece(reading->xml, data, len, &err) != 0;
    reading->skipped += reading->damaged ? len : 0;
    if (reading->skipped > SKIPPED_MAX) {
        (void)xml_stream_piece(reading->xml, "", 0, &err);
        (void)err_set(&talk->refused, E_REMOTE, "gluster's answer is not what was expected: %.900s", err.message);
    }
    return talk->refused.code == 0;
}

/* The call that was just begun answers in XML. */
static void hear_xml(struct step_talk *talk, struct xml_stream *xml)
{
    struct reading *reading = talk->reading;

    reading->heard = reading->skipped = 0;
    reading->damaged = false;
    reading->xml = xml;
    talk->piece = xml_piece;
}

static bool lines_piece(struct step_talk *talk, const char *data, size_t len)
{
    struct reading *reading = talk->reading;
    const char *end;

    if (is_too_much(talk, len)) {
        return false;
    }
    while (talk->refused.code == 0 && (end = memchr(data, '\n', len)) != NULL) {
        size_t n = (size_t)(end - data);

        if (reading->line.len == 0) {
            (void)reading->take(talk, data, n);
        } else {
            buf_append(&reading->line, data, n);
            (void)reading->take(talk, buf_str(&reading->line), reading->line.len);
            buf_clear(&reading->line);
        }
        data = end + 1;
        len -= n + 1;
    }
    if (talk->refused.code != 0) {
        return false;
    }
    buf_append(&reading->line, data, len);
    if (reading->line.len > LINE_MAX_BYTES) {
        (void)err_set(&talk->refused, E_REMOTE, "the node's list has a line of more than %d bytes", LINE_MAX_BYTES);
    }
    return talk->refused.code == 0;
}

/* The call that was just begun answers in lines. */
static void hear_lines(struct step_talk *talk, bool (*take)(struct step_talk *talk, const char *line, size_t len))
{
    struct reading *reading = talk->reading;

    reading->heard = 0;
    buf_clear(&reading->line);
    reading->take = take;
    talk->piece = lines_piece;
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
    struct reading *reading = talk->reading;
    struct exec_inventory *inventory = reading->inventory;
    enum gluster_meaning meaning;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (end_xml(reading, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return;
    }
    meaning = gluster_meaning(&reading->snapshots.op);
    if (meaning != GLUSTER_DONE && meaning != GLUSTER_ABSENT) {
        gluster_refused(talk, &reading->snapshots.op);
    } else {
        take_listings(reading);
        inventory->snapshots_known = true;
        gluster_ask(talk, peers_heard, 0, GLUSTER_WORDS("peer", "status"));
    }
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
    struct reading *reading = talk->reading;
    struct err err = ERR_INIT;

    if (!gluster_answered(talk, reply)) {
        return;
    }
    if (end_xml(reading, &err) != 0) {
        gluster_garbage(talk, reply, &err);
    } else if (reading->listing.op.ret != 0) {
        gluster_refused(talk, &reading->listing.op);
    } else {
        take_listings(reading);
        if (has_snapshots(reading->inventory)) {
            gluster_ask(talk, snapshots_heard, 0, GLUSTER_WORDS("snapshot", "info"));
            hear_xml(talk, gluster_xml_stream_snapshots(&reading->snapshots, SNAPSHOTS_KEPT_MAX));
        } else {
            gluster_ask(talk, peers_heard, 0, GLUSTER_WORDS("peer", "status"));
        }
    }
}

/* ---- LVM ---- */

static bool is_one_too_many(struct step_talk *talk, size_t n)
{
    if (n >= LINES_MAX) {
        (void)err_set(&talk->refused, E_REMOTE, "the node has more to list than can be looked at (%zu of one kind)",
                      LINES_MAX);
    }
    return n >= LINES_MAX;
}

static void add_lv(struct exec_inventory *inventory, const struct exec_lv *lv)
{
    inventory->lvs = grow(inventory->lvs, inventory->n_lvs, LINES_MAX, sizeof(*inventory->lvs));
    inventory->lvs[inventory->n_lvs++] = *lv;
    inventory->bytes += sizeof(*lv) + strlen(lv->group) + strlen(lv->name) + strlen(lv->pool) + 3 * sizeof(void *) * 2;
}

/* "  GROUP|NAME|POOL|BYTES" */
static bool take_lv(struct step_talk *talk, const char *line, size_t len)
{
    struct reading *reading = talk->reading;
    CLEANUP(free_ptr) char *text = mem_strndup(line, len);
    char *rest = text + strspn(text, " "), *fields[4] = {NULL}, *end = NULL;
    unsigned long long bytes = 0;

    for (size_t i = 0; i < 4 && rest != NULL; i++) {
        fields[i] = strsep(&rest, "|");
    }
    errno = 0;
    if (fields[3] != NULL) {
        bytes = strtoull(fields[3], &end, 10);
    }
    if (rest != NULL || end == NULL || end == fields[3] || *end != '\0' || errno != 0) {
        (void)err_set(&talk->refused, E_REMOTE, "LVM's report: expected GROUP|NAME|POOL|BYTES, not '%.200s'", text);
        return false;
    }
    if (strncmp(fields[0], "vg_", 3) == 0 && !is_one_too_many(talk, reading->inventory->n_lvs)) {
        add_lv(reading->inventory,
               &(struct exec_lv){mem_strdup(fields[0]), mem_strdup(fields[1]), mem_strdup(fields[2]), bytes / 1024});
    }
    return talk->refused.code == 0;
}

static void lvs_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct reading *reading = talk->reading;

    if (step_failed(talk, reply)) {
        return;
    }
    gluster_ask(talk, volumes_heard, 0, GLUSTER_WORDS("volume", "info"));
    hear_xml(talk,
             gluster_xml_stream_listing(&reading->listing,
                                        EXEC_INVENTORY_BYTES_MAX - (reading->inventory->bytes < EXEC_INVENTORY_BYTES_MAX
                                                                        ? reading->inventory->bytes
                                                                        : EXEC_INVENTORY_BYTES_MAX)));
}

/* ---- files ---- */

/* Unlike store_strs_add it does not copy a growing list each time. */
static void add_text(struct store_strs *strs, char *text)
{
    strs->items = grow(strs->items, strs->n, LINES_MAX, sizeof(*strs->items));
    strs->items[strs->n++] = text;
}

static bool take_file(struct step_talk *talk, const char *line, size_t len)
{
    struct exec_inventory *inventory = talk->result.inventory;
    const struct {
        const char *word;
        struct store_strs *list;
    } kinds[] = {{"group ", &inventory->groups}, {"mount ", &inventory->mounts}, {"fstab ", &inventory->fstab}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        size_t n = strlen(kinds[i].word);

        if (len > n && memcmp(line, kinds[i].word, n) == 0 && !is_one_too_many(talk, kinds[i].list->n)) {
            add_text(kinds[i].list, mem_strndup(line + n, len - n));
            inventory->bytes += len + sizeof(char *) * 3;
        }
    }
    return true;
}

static void files_heard(struct step_talk *talk, const struct step_reply *reply)
{
    struct buf *script;

    if (step_failed(talk, reply)) {
        return;
    }
    script = step_call(talk, lvs_heard);
    buf_append_str(script, "L lvs --noheadings --separator '|' --units b --nosuffix "
                           "-o vg_name,lv_name,pool_lv,lv_size\n");
    hear_lines(talk, take_lv);
}

void step_inventory(struct step_talk *talk)
{
    struct buf *script = step_call(talk, files_heard);
    struct reading *reading = mem_calloc(1, sizeof(*reading));

    talk->result.inventory = mem_calloc(1, sizeof(*talk->result.inventory));
    talk->result.inventory->refs = 1;
    reading->inventory = talk->result.inventory;
    talk->reading = reading;
    talk->reading_free = reading_free;
    step_set(talk, "FSTAB", talk->config->fstab);
    buf_append_str(script, files);
    hear_lines(talk, take_file);
}
