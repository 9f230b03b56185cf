#include "daemon/examine_pool.h"

#include <bsd/sys/tree.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/examine_names.h"
#include "daemon/order.h"
#include "store/base/buf.h"
#include "store/base/mem.h"

#define SAID_MAX 3 /* different things said of a volume that are told apart */

enum word { WELL, ABSENT, STOPPED, OTHER_BRICKS };

struct said {
    enum word word;
    uint32_t node, count; /* the one of the lowest id that says so, and how many do */
    uint64_t hash;        /* OTHER_BRICKS: of them */
};

struct heard { /* of one volume of the database */
    struct said said[SAID_MAX];
    unsigned n;       /* 0: an operation is working on it */
    bool more;        /* other things were said, too */
    struct id *order; /* of its bricks, as said[0] has it; NULL: they are the database's, in their order, or others */
};

struct foreign { /* a volume, or a peer, that is not in the database */
    RB_ENTRY(foreign) link;
    uint32_t node, count; /* as above */
    char name[];
};

static int foreign_cmp(struct foreign *a, struct foreign *b)
{
    return strcmp(a->name, b->name);
}

RB_HEAD(foreign_tree, foreign);
RB_PROTOTYPE(foreign_tree, foreign, link, foreign_cmp)
RB_GENERATE(foreign_tree, foreign, link, foreign_cmp)

struct examine_pool {
    struct examine_pool *next;
    struct id cluster;
    size_t n_nodes;                  /* that the pool has */
    const struct store_node **nodes; /* that were heard */
    size_t n;
    struct heard *volumes; /* in the order of the view's list, from there on */
    size_t n_volumes, first;
    struct foreign_tree foreign;
    struct foreign_tree peers; /* by one of their names: the first in the order of the alphabet */
    size_t foreign_bytes;
    bool *peers_heard; /* of which of `nodes` */
    size_t n_peers_heard;
};

/* ---- hearing ---- */

static struct examine_pool *pool_of(struct examine *examine, struct id cluster)
{
    const struct store_node *node = NULL;
    struct examine_pool *pool = examine->pools;

    while (pool != NULL && !id_equal(pool->cluster, cluster)) {
        pool = pool->next;
    }
    if (pool != NULL) {
        return pool;
    }
    pool = mem_calloc(1, sizeof(*pool));
    *pool = (struct examine_pool){.next = examine->pools, .cluster = cluster};
    examine->pools = pool;
    RB_INIT(&pool->foreign);
    RB_INIT(&pool->peers);
    while ((node = store_cluster_node_next(examine->store, cluster, node)) != NULL) {
        pool->n_nodes++;
    }
    pool->nodes = mem_calloc(pool->n_nodes + 1, sizeof(*pool->nodes));
    pool->peers_heard = mem_calloc(pool->n_nodes + 1, sizeof(*pool->peers_heard));
    pool->n_volumes = store_view_cluster_volumes(examine->view, cluster, &pool->first);
    pool->volumes = mem_calloc(pool->n_volumes + 1, sizeof(*pool->volumes));
    return pool;
}

static bool begins(struct examine_pool *pool, const struct store_node *node)
{
    for (size_t i = 0; i < pool->n; i++) {
        if (pool->nodes[i] == node) {
            return false;
        }
    }
    pool->nodes[pool->n++] = node;
    return true;
}

static uint32_t lower(const struct examine_pool *pool, uint32_t a, uint32_t b)
{
    return id_cmp(&pool->nodes[a]->id, &pool->nodes[b]->id) <= 0 ? a : b;
}

static void hear(struct examine_pool *pool, struct heard *heard, enum word word, uint64_t hash)
{
    uint32_t node = (uint32_t)(pool->n - 1);

    for (unsigned i = 0; i < heard->n; i++) {
        struct said *said = &heard->said[i];

        if (said->word == word && said->hash == hash) {
            said->count++;
            said->node = lower(pool, said->node, node);
            return;
        }
    }
    if (heard->n == SAID_MAX) {
        heard->more = true;
        return;
    }
    heard->said[heard->n++] = (struct said){.word = word, .node = node, .count = 1, .hash = hash};
}

static bool same_bricks(struct examine *examine, const struct store_volume *volume,
                        const struct exec_gluster_volume *there)
{
    bool same = there->bricks.n == volume->n_bricks;

    for (size_t i = 0; same && i < volume->n_bricks; i++) {
        CLEANUP(free_ptr) char *name = order_brick_name(examine->store, &volume->bricks[i]);

        examine->comparisons++;
        same = strcmp(name, there->bricks.items[i]) == 0;
    }
    return same;
}

/* A node that lies cannot make its list look like another one: SHA-256, as far as 64 bits go. */
static uint64_t hash_of(const struct store_strs *bricks)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    uint64_t hash;

    for (size_t i = 0; i < bricks->n; i++) {
        buf_append(&bytes, bricks->items[i], strlen(bricks->items[i]) + 1);
    }
    (void)SHA256((const unsigned char *)bytes.data, bytes.len, digest);
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

/* Gluster may have the same bricks in another order: then that is to be learnt. */
static void hear_other_bricks(struct examine *examine, struct examine_pool *pool, struct heard *heard,
                              const struct store_volume *volume, const struct exec_gluster_volume *there)
{
    hear(pool, heard, OTHER_BRICKS, hash_of(&there->bricks));
    if (heard->n == 1 && heard->said[0].count == 1) {
        heard->order = mem_calloc(volume->n_bricks, sizeof(*heard->order));
        if (!order_differs(examine->store, volume, there, heard->order)) {
            free(TAKE_PTR(heard->order));
        }
    }
}

/* An operation adds or moves some of its bricks. */
static bool is_worked_on(const struct store_volume *volume)
{
    bool pending = false;

    for (size_t i = 0; i < volume->n_bricks; i++) {
        pending = pending || !id_is_none(volume->bricks[i].pending);
    }
    return pending;
}

/* False: there is no room for it, so that nobody will know who else has it. */
static bool hear_foreign(struct examine_pool *pool, struct foreign_tree *tree, const char *name, uint32_t node)
{
    size_t size = sizeof(struct foreign) + strlen(name) + 1;
    struct foreign *item = mem_calloc(1, size), *known;
    bool room = true;

    memcpy(item->name, name, strlen(name));
    known = RB_FIND(foreign_tree, tree, item);
    if (known != NULL) {
        known->count++;
        known->node = lower(pool, known->node, node);
    } else if (pool->foreign_bytes + size <= EXAMINE_FOREIGN_BYTES_MAX) {
        pool->foreign_bytes += size;
        item->node = node;
        item->count = 1;
        RB_INSERT(foreign_tree, tree, TAKE_PTR(item));
    } else {
        room = false;
    }
    free(item);
    return room;
}

/* Of the pool. */
static void add(struct examine *examine, const struct examine_pool *pool, enum finding_kind kind, const char *subject,
                const char *also)
{
    findings_add(examine->findings, &(struct finding){kind, ID_NONE, pool->cluster, "", subject, also});
}

void examine_pool_hear_peers(struct examine *examine, const struct store_node *node, const struct store_strs *foreign)
{
    struct examine_pool *pool = pool_of(examine, node->cluster);
    uint32_t at = 0;

    while (at < pool->n && pool->nodes[at] != node) {
        at++;
    }
    if (at == pool->n || pool->peers_heard[at]) {
        return;
    }
    pool->peers_heard[at] = true;
    pool->n_peers_heard++;
    for (size_t i = 0; i < foreign->n; i++) {
        if (!hear_foreign(pool, &pool->peers, foreign->items[i], at)) {
            add(examine, pool, FINDING_PEERS_DISAGREE, foreign->items[i], "it is one of too many");
        }
    }
}

static struct names volumes_there(struct examine *examine, const struct exec_inventory *inventory)
{
    struct names names = {.comparisons = &examine->comparisons};

    for (size_t i = 0; i < inventory->n_volumes; i++) {
        names_add(&names, inventory->volumes[i].name, ID_NONE, &inventory->volumes[i]);
    }
    names_sort(&names);
    return names;
}

/* there NULL: the node has no such volume. */
static void hear_volume(struct examine *examine, struct examine_pool *pool, struct heard *heard,
                        const struct store_volume *volume, const struct exec_gluster_volume *there)
{
    if (!id_is_none(volume->pending)) {
        return;
    }
    if (there == NULL) {
        hear(pool, heard, ABSENT, 0);
    } else if (!is_worked_on(volume) && !same_bricks(examine, volume, there)) {
        hear_other_bricks(examine, pool, heard, volume, there);
    } else {
        hear(pool, heard, there->started ? WELL : STOPPED, 0);
    }
}

bool examine_pool_hear(struct examine *examine, const struct store_node *node, const struct exec_inventory *inventory)
{
    CLEANUP(free_ptr) bool *known = mem_calloc(inventory->n_volumes + 1, sizeof(*known));
    struct examine_pool *pool = pool_of(examine, node->cluster);
    struct names names;
    size_t n_known = 0;

    if (!begins(pool, node)) {
        return false;
    }
    names = volumes_there(examine, inventory);
    for (size_t i = 0; i < pool->n_volumes; i++) {
        const struct exec_gluster_volume *there;
        const struct name *name;
        struct store_volume volume;

        if (examine_volume(examine, store_view_in_cluster(examine->view, pool->first + i), &volume)) {
            name = names_find(&names, volume.name);
            there = name != NULL ? name->thing : NULL;
            if (there != NULL) {
                known[there - inventory->volumes] = true;
                n_known++;
            }
            hear_volume(examine, pool, &pool->volumes[i], &volume, there);
            store_volume_fini(&volume);
        }
    }
    for (size_t i = 0; i < names.n; i++) {
        const struct exec_gluster_volume *there = names.items[i].thing;
        const char *text = names.items[i].text;

        if (!known[there - inventory->volumes] && !hear_foreign(pool, &pool->foreign, text, (uint32_t)(pool->n - 1))) {
            add(examine, pool, FINDING_FOREIGN_VOLUME, text, "");
        }
    }
    names_fini(&names);
    return n_known == pool->n_volumes && n_known == inventory->n_volumes;
}

/* ---- telling ---- */

static const char *host(const struct examine_pool *pool, uint32_t node)
{
    return pool->nodes[node]->manage.items[0];
}

/* The only node that says something else than several others; ID_NONE: there is no such one. */
static struct id odd_one(const struct examine_pool *pool, const struct heard *heard)
{
    const struct said *a = &heard->said[0], *b = &heard->said[1];

    if (heard->n != 2 || heard->more || (a->count == 1) == (b->count == 1)) {
        return ID_NONE;
    }
    return pool->nodes[a->count == 1 ? a->node : b->node]->id;
}

static int by_word(const void *a, const void *b)
{
    const struct said *left = a, *right = b;

    return left->word != right->word ? (left->word > right->word) - (left->word < right->word)
                                     : (left->hash > right->hash) - (left->hash < right->hash);
}

/* The order of the answers must not change the text: the audit recognises by it what it has seen before. */
static void tell_disagreement(struct examine *examine, const struct examine_pool *pool, const struct heard *heard,
                              const char *name)
{
    static const char *const words[] = {[WELL] = "it is as in the database",
                                        [ABSENT] = "there is no such volume",
                                        [STOPPED] = "it is not started",
                                        [OTHER_BRICKS] = "it has other bricks, or another order of them"};
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    struct said sorted[SAID_MAX];

    memcpy(sorted, heard->said, sizeof(sorted));
    qsort(sorted, heard->n, sizeof(*sorted), by_word);
    for (unsigned i = 0; i < heard->n; i++) {
        const struct said *said = &sorted[i];

        buf_printf(&text, "%snode %s", i > 0 ? "; " : "", host(pool, said->node));
        if (said->count > 1) {
            buf_printf(&text, " and %u more", said->count - 1);
        }
        buf_printf(&text, ": %s", words[said->word]);
    }
    findings_add(examine->findings, &(struct finding){FINDING_NODES_DISAGREE, odd_one(pool, heard), pool->cluster, "",
                                                      name, buf_str(&text)});
}

/* What all nodes say alike that were heard: two at least, or the only one of the pool. */
static void learn(struct examine *examine, const struct examine_pool *pool, const struct heard *heard,
                  const struct store_volume *volume)
{
    if (heard->order == NULL || (pool->n < 2 && pool->n_nodes > 1) || examine->n_orders == EXAMINE_ORDERS_MAX) {
        return;
    }
    if (examine->orders == NULL) {
        examine->orders = mem_calloc(EXAMINE_ORDERS_MAX, sizeof(*examine->orders));
    }
    order_command(volume, heard->order, &examine->orders[examine->n_orders++]);
}

static void tell_volume(struct examine *examine, const struct examine_pool *pool, const struct heard *heard,
                        const struct store_volume *volume)
{
    struct id_text id = id_text(volume->id);
    const char *name = volume->name;

    if (heard->n > 1) {
        tell_disagreement(examine, pool, heard, name);
    } else if (heard->n == 1) {
        switch (heard->said[0].word) {
        case WELL:
            break;
        case ABSENT: /* a node that was not heard may have it */
            add(examine, pool, pool->n == pool->n_nodes ? FINDING_MISSING_VOLUME : FINDING_UNSEEN_VOLUME, name,
                id.text);
            break;
        case STOPPED:
            add(examine, pool, FINDING_VOLUME_STOPPED, name, "");
            break;
        case OTHER_BRICKS:
            add(examine, pool, FINDING_BRICKS_DIFFER, name, id.text);
            learn(examine, pool, heard, volume);
            break;
        }
    }
}

static void tell_foreign(struct examine *examine, const struct examine_pool *pool, const struct foreign *item)
{
    CLEANUP(free_ptr) char *text = NULL;
    struct id odd = item->count == 1 && pool->n > 2 ? pool->nodes[item->node]->id : ID_NONE;

    if (item->count == pool->n) {
        add(examine, pool, FINDING_FOREIGN_VOLUME, item->name, "");
        return;
    }
    text = mem_printf("node %s has it (%u of %zu nodes do), the database has not", host(pool, item->node), item->count,
                      pool->n);
    findings_add(examine->findings,
                 &(struct finding){FINDING_NODES_DISAGREE, odd, pool->cluster, "", item->name, text});
}

/* What one node says of its peers makes nobody send one away. */
static void tell_peer(struct examine *examine, const struct examine_pool *pool, const struct foreign *item)
{
    CLEANUP(free_ptr) char *text = NULL;
    struct id odd = item->count == 1 && pool->n_peers_heard > 2 ? pool->nodes[item->node]->id : ID_NONE;

    if (item->count == pool->n_peers_heard && (pool->n_peers_heard > 1 || pool->n_nodes == 1)) {
        add(examine, pool, FINDING_FOREIGN_PEER, item->name, "");
        return;
    }
    text = mem_printf("node %s has it as a peer (%u of %zu nodes that were heard do), and it is no node of the cluster",
                      host(pool, item->node), item->count, pool->n_peers_heard);
    findings_add(examine->findings,
                 &(struct finding){FINDING_PEERS_DISAGREE, odd, pool->cluster, "", item->name, text});
}

void examine_pools_tell(struct examine *examine)
{
    for (const struct examine_pool *pool = examine->pools; pool != NULL; pool = pool->next) {
        struct foreign *item;

        for (size_t i = 0; i < pool->n_volumes; i++) {
            const struct heard *heard = &pool->volumes[i];
            bool well = heard->n == 0 || (heard->n == 1 && heard->said[0].word == WELL);
            struct store_volume volume;

            if (!well && examine_volume(examine, store_view_in_cluster(examine->view, pool->first + i), &volume)) {
                tell_volume(examine, pool, heard, &volume);
                store_volume_fini(&volume);
            }
        }
        RB_FOREACH (item, foreign_tree, (struct foreign_tree *)(uintptr_t)&pool->foreign) {
            tell_foreign(examine, pool, item);
        }
        RB_FOREACH (item, foreign_tree, (struct foreign_tree *)(uintptr_t)&pool->peers) {
            tell_peer(examine, pool, item);
        }
    }
}

static void free_foreign(struct foreign_tree *tree)
{
    struct foreign *item;

    while ((item = RB_MIN(foreign_tree, tree)) != NULL) {
        RB_REMOVE(foreign_tree, tree, item);
        free(item);
    }
}

void examine_pools_free(struct examine *examine)
{
    while (examine->pools != NULL) {
        struct examine_pool *pool = examine->pools;

        free_foreign(&pool->foreign);
        free_foreign(&pool->peers);
        for (size_t i = 0; i < pool->n_volumes; i++) {
            free(pool->volumes[i].order);
        }
        examine->pools = pool->next;
        free(pool->volumes);
        free(pool->nodes);
        free(pool->peers_heard);
        free(pool);
    }
}
