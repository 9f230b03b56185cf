/* Single findings are told apart by hashes; what is kept of them beyond that are numbers and a few examples. */
#include "daemon/findings.h"

#include <bsd/sys/tree.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/words.h"

/* ---- what is said of each kind ---- */

/* {s} subject, {h} the node's name, {a} also, {w} where, {n} how many, {e} examples. `many` and `many_remedy` are for
 * more than one. */
static const struct {
    const char *code, *one, *remedy, *many, *many_remedy;
} says[FINDING_KINDS] = {
    [FINDING_MISSING_GROUP] =
        {"missing-group", "volume group {s} is not on node {h}",
         "look at the device: is it there, does pvs show it? If it is lost: hecate device replace "
         "{a}",
         "{n} volume groups are not on node {h}: {e}",
         "look at the node's devices: are they there, does pvs show them? If they are lost, for each: "
         "hecate device replace ID; if the node was reinstalled: hecate node replace NODE"},
    [FINDING_MISSING_LV] = {"missing-lv", "logical volume {s} is not on node {h}",
                            "the brick is lost: look at the device (vgs, lvs -a {a}); replace the brick by evicting it",
                            "{n} logical volumes are not on node {h}: {e}",
                            "look at the devices (pvs, vgs, lvs -a {a}); if one is lost, remove it, which makes its "
                            "bricks again elsewhere: hecate device remove DEVICE; or rebuild it where it was: hecate "
                            "device replace DEVICE"},
    [FINDING_MISSING_MOUNT] = {"missing-mount", "brick {s} is not mounted on node {h}",
                               "mount {s}; then gluster volume start VOLUME force",
                               "{n} bricks are not mounted on node {h}: {e}",
                               "mount -a; then gluster volume start VOLUME force"},
    [FINDING_MISSING_FSTAB] =
        {"missing-fstab", "brick {s} is not in the table of mounts on node {h}",
         "add the line for {s} to the table, like those of other bricks; or it is not mounted "
         "after the next start",
         "{n} bricks are not in the table of mounts on node {h}: {e}",
         "add their lines to the table, like those of other bricks; or they are not mounted after "
         "the next start"},
    [FINDING_MISSING_VOLUME] = {"missing-volume", "Gluster does not know volume {s} ({a})",
                                "if it was deleted by hand: hecate volume delete {a}",
                                "Gluster does not know {n} volumes of cluster {w}: {e}",
                                "look at gluster volume list there; for each that was deleted by hand: hecate volume "
                                "delete ID"},
    [FINDING_UNSEEN_VOLUME] = {"unseen-volume",
                               "no node of cluster {w} that answered knows volume {s} ({a}), but not all were asked",
                               "see that all nodes can be looked at; do not delete it before: another one may have it",
                               "no node of cluster {w} that answered knows {n} volumes, but not all were asked: {e}",
                               "see that all nodes can be looked at; do not delete them before: another one may have "
                               "them"},
    [FINDING_NODES_DISAGREE] =
        {"nodes-disagree", "the nodes of cluster {w} do not agree about volume {s}: {a}",
         "look at glusterd on the nodes that are named (gluster peer status, gluster volume "
         "info {s}); delete nothing while they do not agree. A node that was reinstalled: hecate "
         "node replace NODE",
         "the nodes of cluster {w} do not agree about {n} volumes: {e}; of the first: {a}",
         "look at glusterd on the nodes that are named (gluster peer status, gluster volume "
         "info NAME); delete nothing while they do not agree. A node that was reinstalled: hecate "
         "node replace NODE"},
    [FINDING_VOLUME_STOPPED] = {"volume-stopped", "volume {s} is not started", "gluster volume start {s}",
                                "{n} volumes of cluster {w} are not started: {e}",
                                "for each: gluster volume start NAME"},
    [FINDING_BRICKS_DIFFER] = {"bricks-differ", "Gluster lists other bricks of volume {s}, or another order",
                               "compare gluster volume info {s} with hecate volume info {a}",
                               "Gluster lists other bricks of {n} volumes of cluster {w}, or another order: {e}",
                               "for each, compare gluster volume info NAME with hecate volume info ID"},
    [FINDING_MISSING_PEER] = {"missing-peer", "node {h} does not know its peer {s}",
                              "gluster peer probe {s}; or, if {h} was reinstalled, hecate node replace {a}",
                              "node {h} does not know {n} of its peers: {e}",
                              "for each: gluster peer probe NAME; or, if {h} was reinstalled, hecate node replace {a}"},
    [FINDING_PEER_DISCONNECTED] = {"peer-disconnected", "node {h} has no connection to its peer {s}",
                                   "look at glusterd on {s} and at the network between the two",
                                   "node {h} has no connection to {n} of its peers: {e}",
                                   "look at glusterd on {h} and at its network"},
    [FINDING_LEFTOVER_GROUP] = {"leftover-group", "volume group {s} on node {h} is no device of it",
                                "vgremove {s}, if nothing in it is needed (lvs {s})",
                                "{n} volume groups on node {h} are no devices of it: {e}",
                                "for each, vgremove NAME, if nothing in it is needed (lvs NAME)"},
    [FINDING_LEFTOVER_LV] = {"leftover-lv", "logical volume {s} on node {h} belongs to no brick",
                             "lvremove {s}, if you do not need what is on it",
                             "{n} logical volumes on node {h} belong to no brick: {e}",
                             "for each, lvremove NAME, if you do not need what is on it"},
    [FINDING_LEFTOVER_SNAPSHOT] = {"leftover-snapshot",
                                   "logical volume {s} on node {h} was made for a snapshot that Gluster does not have",
                                   "lvremove {s}, if you do not need what is on it",
                                   "{n} logical volumes on node {h} were made for snapshots that Gluster does not "
                                   "have: {e}",
                                   "for each, lvremove NAME, if you do not need what is on it"},
    [FINDING_LEFTOVER_MOUNT] = {"leftover-mount", "{s} is mounted on node {h}, but is no brick",
                                "umount {s}, if nothing uses it",
                                "{n} file systems are mounted on node {h}, but are no bricks: {e}",
                                "umount each, if nothing uses it"},
    [FINDING_LEFTOVER_FSTAB] = {"leftover-fstab", "{s} is in the table of mounts on node {h}, but is no brick",
                                "remove the line of {s} from the table",
                                "{n} lines in the table of mounts on node {h} are of no bricks: {e}",
                                "remove the lines from the table"},
    [FINDING_FOREIGN_VOLUME] =
        {"foreign-volume", "Gluster volume {s} of cluster {w} is not in the database",
         "see what it is (gluster volume info {s}) and who has it mounted; take it away by hand only if nobody needs "
         "it",
         "{n} Gluster volumes of cluster {w} are not in the database: {e}",
         "for each, see what it is (gluster volume info NAME) and who has it mounted; take it away by hand only if "
         "nobody needs it"},
    [FINDING_FOREIGN_PEER] = {"foreign-peer", "{s} is a peer of the nodes of cluster {w}, but none of them",
                              "add it as a node, or gluster peer detach {s} (force, if it knows nothing of this pool)",
                              "{n} peers of the nodes of cluster {w} are none of them: {e}",
                              "add them as nodes, or for each gluster peer detach NAME (force, if it knows nothing of "
                              "this pool)"},
    [FINDING_PEERS_DISAGREE] = {"peers-disagree", "the nodes of cluster {w} do not agree about peer {s}: {a}",
                                "look at glusterd on the nodes that are named (gluster peer status); detach nothing "
                                "while they do not agree",
                                "the nodes of cluster {w} do not agree about {n} peers: {e}; of the first: {a}",
                                "look at glusterd on the nodes that are named (gluster peer status); detach nothing "
                                "while they do not agree"},
};

/* ---- single findings: a set of hashes ---- */

struct known {
    uint64_t *slots; /* 0: free */
    size_t n, size;  /* size: a power of 2 */
};

static uint64_t *slot_of(const struct known *known, uint64_t hash)
{
    size_t at = hash & (known->size - 1);

    while (known->slots[at] != 0 && known->slots[at] != hash) {
        at = (at + 1) & (known->size - 1);
    }
    return &known->slots[at];
}

static bool known_has(const struct known *known, uint64_t hash)
{
    return known->n > 0 && *slot_of(known, hash) != 0;
}

static void known_add(struct known *known, uint64_t hash)
{
    if (2 * known->n >= known->size) { /* half full, at most */
        struct known larger = {.size = known->size == 0 ? 64 : 2 * known->size, .n = known->n};

        larger.slots = mem_calloc(larger.size, sizeof(*larger.slots));
        for (size_t i = 0; i < known->size; i++) {
            if (known->slots[i] != 0) {
                *slot_of(&larger, known->slots[i]) = known->slots[i];
            }
        }
        free(known->slots);
        *known = larger;
    }
    *slot_of(known, hash) = hash;
    known->n++;
}

/* A node that lies cannot make its findings look like those of others: SHA-256, as far as a slot goes. */
static uint64_t hash_of(const struct finding *finding)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    uint8_t kind = (uint8_t)finding->kind;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    uint64_t hash;

    buf_append(&bytes, &kind, sizeof(kind));
    buf_append(&bytes, finding->node.bytes, sizeof(finding->node.bytes));
    buf_append(&bytes, finding->where.bytes, sizeof(finding->where.bytes));
    buf_append(&bytes, finding->subject, strlen(finding->subject) + 1);
    buf_append(&bytes, finding->also, strlen(finding->also));
    (void)SHA256((const unsigned char *)bytes.data, bytes.len, digest);
    memcpy(&hash, digest, sizeof(hash));
    return hash != 0 ? hash : 1;
}

/* ---- groups: a tree by kind, node and place ---- */

struct group {
    RB_ENTRY(group) link;
    enum finding_kind kind;
    struct id node, where;
    char *host, *also; /* of the first one */
    uint64_t count;
    char *examples[FINDINGS_EXAMPLES_MAX];
    size_t n_examples;
};

static int group_cmp(struct group *a, struct group *b)
{
    int order = (a->kind > b->kind) - (a->kind < b->kind);

    order = order != 0 ? order : id_cmp(&a->node, &b->node);
    return order != 0 ? order : id_cmp(&a->where, &b->where);
}

RB_HEAD(finding_group_tree, group);
RB_PROTOTYPE(finding_group_tree, group, link, group_cmp)
RB_GENERATE(finding_group_tree, group, link, group_cmp)

struct groups {
    struct finding_group_tree tree;
    size_t n;
    uint64_t count, more;
};

struct findings {
    struct known known;
    const struct known *earlier;
    struct groups all, confirmed;
};

/* Names come from nodes: whatever bytes they are, texts made of them are fit for documents and logs. */
static char *word(const char *text)
{
    return text_clean(text, FINDINGS_WORD_MAX);
}

static void group_add(struct groups *groups, const struct finding *finding)
{
    struct group key = {.kind = finding->kind, .node = finding->node, .where = finding->where};
    struct group *group = RB_FIND(finding_group_tree, &groups->tree, &key);

    groups->count++;
    if (group == NULL && groups->n == FINDINGS_GROUPS_MAX) {
        groups->more++;
        return;
    }
    if (group == NULL) {
        group = mem_dup(&key, sizeof(key));
        group->host = word(finding->host);
        group->also = word(finding->also);
        RB_INSERT(finding_group_tree, &groups->tree, group);
        groups->n++;
    }
    if (group->n_examples < FINDINGS_EXAMPLES_MAX) {
        group->examples[group->n_examples++] = word(finding->subject);
    }
    group->count++;
}

static void groups_fini(struct groups *groups)
{
    struct group *group;

    while ((group = RB_MIN(finding_group_tree, &groups->tree)) != NULL) {
        RB_REMOVE(finding_group_tree, &groups->tree, group);
        for (size_t i = 0; i < group->n_examples; i++) {
            free(group->examples[i]);
        }
        free(group->host);
        free(group->also);
        free(group);
    }
}

/* ---- collecting ---- */

struct findings *findings_new(void)
{
    struct findings *findings = mem_calloc(1, sizeof(*findings));

    RB_INIT(&findings->all.tree);
    RB_INIT(&findings->confirmed.tree);
    return findings;
}

void findings_free(struct findings *findings)
{
    if (findings != NULL) {
        groups_fini(&findings->all);
        groups_fini(&findings->confirmed);
        free(findings->known.slots);
        free(findings);
    }
}

void findings_confirm_by(struct findings *findings, const struct findings *earlier)
{
    findings->earlier = earlier != NULL ? &earlier->known : NULL;
}

void findings_add(struct findings *findings, const struct finding *finding)
{
    uint64_t hash = hash_of(finding);

    if (known_has(&findings->known, hash)) {
        return;
    }
    if (findings->known.n == FINDINGS_KNOWN_MAX) { /* whether it was seen before, nobody can tell */
        findings->all.count++;
        findings->all.more++;
        return;
    }
    known_add(&findings->known, hash);
    group_add(&findings->all, finding);
    if (findings->earlier != NULL && known_has(findings->earlier, hash)) {
        group_add(&findings->confirmed, finding);
    }
}

uint64_t findings_count(const struct findings *findings, bool confirmed)
{
    return confirmed ? findings->confirmed.count : findings->all.count;
}

/* ---- telling ---- */

#define BY_HAND "look at it by hand: its name is none that could be given to a command"

static void put_examples(struct buf *buf, const struct findings_group *told)
{
    for (size_t i = 0; i < told->n_examples && i < 3; i++) {
        buf_printf(buf, "%s%s", i > 0 ? ", " : "", told->examples[i]);
    }
    if (told->count > 3) {
        buf_printf(buf, " and %llu more", (unsigned long long)told->count - 3);
    }
}

/* May it stand in a command that somebody gives to a shell as it is? It is no option, needs no quoting, is not cut, and
 * leads nowhere else. */
static bool is_fit(const char *word)
{
    return *word == '\0' || (strlen(word) < FINDINGS_WORD_MAX - 3 && strstr(word, "..") == NULL &&
                             store_is_made_of(word, STORE_LETTERS "/._:+=-", SIZE_MAX));
}

/* Are all names that the template has places for fit for a command? */
static bool all_fit(const char *template, const struct findings_group *told, const struct group *group)
{
    return (strstr(template, "{s}") == NULL || told->n_examples == 0 || is_fit(told->examples[0])) &&
           (strstr(template, "{a}") == NULL || is_fit(group->also));
}

/* The template with what belongs in its places. */
static char *fill(const char *template, const struct findings_group *told, const struct group *group)
{
    struct buf buf = BUF_INIT;

    for (const char *at = template; *at != '\0'; at++) {
        if (*at != '{') {
            buf_append_char(&buf, *at);
            continue;
        }
        switch (at[1]) {
        case 's':
            buf_append_str(&buf, told->n_examples > 0 ? told->examples[0] : "");
            break;
        case 'h':
            buf_append_str(&buf, group->host);
            break;
        case 'a':
            buf_append_str(&buf, group->also);
            break;
        case 'w':
            buf_append_str(&buf, id_text(group->where).text);
            break;
        case 'n':
            buf_printf(&buf, "%llu", (unsigned long long)told->count);
            break;
        default:
            CHECK(at[1] == 'e');
            put_examples(&buf, told);
            break;
        }
        at += 2;
    }
    return buf_take(&buf);
}

/* The devices of one node with findings of one kind that begin with this one: how many groups, to be told as one. */
static size_t run_length(const struct group *first)
{
    size_t n = 1;

    for (const struct group *next = RB_NEXT(finding_group_tree, NULL, (struct group *)(uintptr_t)first);
         next != NULL && next->kind == first->kind && id_equal(next->node, first->node);
         next = RB_NEXT(finding_group_tree, NULL, (struct group *)(uintptr_t)next)) {
        n++;
    }
    return !id_is_none(first->node) && n > FINDINGS_DEVICES_MAX ? n : 1;
}

/* Returns the first group after those that are told. */
static const struct group *tell(const struct group *first, struct findings_group *told)
{
    const struct group *group = first;
    const char *remedy;
    size_t n = run_length(first);

    *told = (struct findings_group){
        .code = says[first->kind].code, .node = first->node, .where = n == 1 ? first->where : ID_NONE};
    for (; n > 0; n--, group = RB_NEXT(finding_group_tree, NULL, (struct group *)(uintptr_t)group)) {
        told->count += group->count;
        for (size_t i = 0; i < group->n_examples && told->n_examples < FINDINGS_EXAMPLES_MAX; i++) {
            told->examples[told->n_examples++] = mem_strdup(group->examples[i]);
        }
    }
    remedy = told->count == 1 ? says[first->kind].remedy : says[first->kind].many_remedy;
    told->text = fill(told->count == 1 ? says[first->kind].one : says[first->kind].many, told, first);
    told->remedy = fill(all_fit(remedy, told, first) ? remedy : BY_HAND, told, first);
    return group;
}

struct findings_list findings_tell(const struct findings *findings, bool confirmed)
{
    const struct groups *groups = confirmed ? &findings->confirmed : &findings->all;
    struct findings_list list = {.count = groups->count, .more = groups->more};
    const struct group *group = RB_MIN(finding_group_tree, (struct finding_group_tree *)(uintptr_t)&groups->tree);

    list.items = mem_calloc(groups->n + 1, sizeof(*list.items));
    while (group != NULL) {
        group = tell(group, &list.items[list.n++]);
    }
    return list;
}

void findings_list_fini(struct findings_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        for (size_t j = 0; j < list->items[i].n_examples; j++) {
            free(list->items[i].examples[j]);
        }
        free(list->items[i].text);
        free(list->items[i].remedy);
    }
    free(list->items);
    *list = (struct findings_list){.items = NULL};
}
