#include "daemon/replicas.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

struct point {
    uint64_t index;
    struct store_digest digest;
};

struct quiet { /* what was logged of a member, and for how long it is not again */
    uint64_t member_id;
    unsigned left[REPLICAS_LINES];
};

struct replicas {
    struct point history[REPLICAS_HISTORY]; /* a ring, ascending */
    size_t first, n;
    struct replica members[REPLICAS_MAX];
    size_t n_members;
    struct quiet quiet[REPLICAS_MAX];
    size_t n_quiet;
};

struct replicas *replicas_new(void)
{
    return mem_calloc(1, sizeof(struct replicas));
}

void replicas_free(struct replicas *replicas)
{
    free(replicas);
}

/* ---- our own state ---- */

static const struct point *point_at(const struct replicas *replicas, size_t i)
{
    return &replicas->history[(replicas->first + i) % REPLICAS_HISTORY];
}

/* The digest after the entry at index: that of the last command up to it. */
static const struct store_digest *digest_at(const struct replicas *replicas, uint64_t index)
{
    for (size_t i = replicas->n; i > 0; i--) {
        const struct point *point = point_at(replicas, i - 1);

        if (point->index <= index) {
            return &point->digest;
        }
    }
    return NULL; /* older than what is remembered */
}

static void compare(struct replicas *replicas, struct replica *replica)
{
    const struct store_digest *ours = digest_at(replicas, replica->index);

    replica->waits = false;
    if (ours != NULL) {
        replica->differs = memcmp(ours->bytes, replica->digest.bytes, sizeof(ours->bytes)) != 0;
        replica->compared_index = replica->index;
    }
}

void replicas_applied(struct replicas *replicas, uint64_t index, const struct store_digest *digest)
{
    size_t at;

    CHECK(replicas->n == 0 || point_at(replicas, replicas->n - 1)->index < index);
    if (replicas->n == REPLICAS_HISTORY) {
        replicas->first = (replicas->first + 1) % REPLICAS_HISTORY;
        replicas->n--;
    }
    at = (replicas->first + replicas->n++) % REPLICAS_HISTORY;
    replicas->history[at] = (struct point){index, *digest};
}

void replicas_restored(struct replicas *replicas, uint64_t index, const struct store_digest *digest)
{
    replicas->first = replicas->n = 0;
    replicas_applied(replicas, index, digest);
}

const struct replica *replicas_compare(struct replicas *replicas, uint64_t applied_index)
{
    for (size_t i = 0; i < replicas->n_members; i++) {
        struct replica *replica = &replicas->members[i];
        bool differed = replica->differs;

        if (replica->waits && replica->index <= applied_index) {
            compare(replicas, replica);
            if (replica->differs && !differed) {
                return replica;
            }
        }
    }
    return NULL;
}

bool replicas_outvoted(const struct replicas *replicas, size_t n_voters, uint64_t *ret_index)
{
    const struct replica *first = NULL;
    size_t n = 0;

    for (size_t i = 0; i < replicas->n_members; i++) {
        const struct replica *replica = &replicas->members[i];

        if (!replica->differs) {
            continue;
        }
        if (first != NULL && first->compared_index == replica->compared_index &&
            memcmp(first->digest.bytes, replica->digest.bytes, sizeof(first->digest.bytes)) != 0) {
            return false; /* nobody can say who is right */
        }
        first = replica;
        *ret_index = replica->compared_index;
        n++;
    }
    return n_voters > 0 && n > n_voters / 2;
}

void replicas_grow_old(struct replicas *replicas)
{
    for (size_t i = 0; i < replicas->n_members; i++) {
        replicas->members[i].fresh = false;
    }
    for (size_t i = 0; i < replicas->n_quiet; i++) {
        for (size_t line = 0; line < REPLICAS_LINES; line++) {
            replicas->quiet[i].left[line] -= replicas->quiet[i].left[line] > 0;
        }
    }
}

bool replicas_may_log(struct replicas *replicas, uint64_t member_id, enum replicas_line line)
{
    size_t at = 0;

    while (at < replicas->n_quiet && replicas->quiet[at].member_id != member_id) {
        at++;
    }
    if (at == REPLICAS_MAX || (at < replicas->n_quiet && replicas->quiet[at].left[line] > 0)) {
        return false;
    }
    if (at == replicas->n_quiet) {
        replicas->quiet[replicas->n_quiet++] = (struct quiet){.member_id = member_id};
    }
    replicas->quiet[at].left[line] = REPLICAS_QUIET;
    return true;
}

static bool is_one_of(uint64_t id, const uint64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

void replicas_keep(struct replicas *replicas, const uint64_t *ids, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < replicas->n_members; i++) {
        if (is_one_of(replicas->members[i].member_id, ids, n)) {
            replicas->members[kept++] = replicas->members[i];
        }
    }
    replicas->n_members = kept;
    kept = 0;
    for (size_t i = 0; i < replicas->n_quiet; i++) {
        if (is_one_of(replicas->quiet[i].member_id, ids, n)) {
            replicas->quiet[kept++] = replicas->quiet[i];
        }
    }
    replicas->n_quiet = kept;
}

/* ---- what is told ---- */

struct digest_text digest_text(const struct store_digest *digest)
{
    static const char digits[] = "0123456789abcdef";
    struct digest_text ret;

    for (size_t i = 0; i < sizeof(digest->bytes); i++) {
        ret.text[2 * i] = digits[digest->bytes[i] >> 4];
        ret.text[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    ret.text[sizeof(ret.text) - 1] = '\0';
    return ret;
}

static bool parse_digest(const char *text, struct store_digest *ret_digest)
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(text) != 2 * sizeof(ret_digest->bytes)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(ret_digest->bytes); i++) {
        const char *high = strchr(digits, text[2 * i]);
        const char *low = strchr(digits, text[2 * i + 1]);

        if (high == NULL || low == NULL) {
            return false;
        }
        ret_digest->bytes[i] = (uint8_t)((high - digits) * 16 + (low - digits));
    }
    return true;
}

/* Those that are still told, for whoever told them to stop. */
static json_t *list_done(const struct replicas *replicas)
{
    json_t *list = json_array();

    for (size_t i = 0; replicas != NULL && i < replicas->n_members; i++) {
        const struct replica *replica = &replicas->members[i];

        if (replica->wish != 0 && replica->wish == replica->wish_done) {
            CHECK(json_array_append_new(list, json_integer((json_int_t)replica->wish)) == 0);
        }
    }
    return list;
}

void replicas_encode(const struct replicas_word *word, struct buf *buf)
{
    json_t *document = json_pack(
        "{s:s, s:I, s:s, s:I, s:o, s:b, s:I, s:s, s:[II], s:[II], s:b}", "version", word->version, "applied_index",
        (json_int_t)word->applied_index, "digest", digest_text(&word->digest).text, "wish", (json_int_t)word->wish,
        "wishes_done", list_done(word->wishes_done), "holds", word->holds, "expires", (json_int_t)word->expires_s,
        "key", word->key != NULL ? word->key : "", "levels", (json_int_t)word->level_min, (json_int_t)word->level_max,
        "disk_mib", (json_int_t)word->disk_free_mib, (json_int_t)word->disk_total_mib, "staged", word->staged);
    char *text;

    CHECK(document != NULL);
    text = json_dumps(document, JSON_COMPACT);
    CHECK(text != NULL);
    buf_append_str(buf, text);
    free(text);
    json_decref(document);
}

/* Its place, n_members if it is not there. */
static size_t find(const struct replicas *replicas, uint64_t member_id)
{
    size_t at = 0;

    while (at < replicas->n_members && replicas->members[at].member_id != member_id) {
        at++;
    }
    return at;
}

const struct replica *replicas_get(const struct replicas *replicas, uint64_t member_id)
{
    size_t at = find(replicas, member_id);

    return at < replicas->n_members ? &replicas->members[at] : NULL;
}

/* A number of a list; 0 if it is not there, or cannot be. */
static uint64_t number_at(const json_t *document, const char *list, size_t at, uint64_t max)
{
    json_int_t value = json_integer_value(json_array_get(json_object_get(document, list), at));

    return value > 0 && (uint64_t)value <= max ? (uint64_t)value : 0;
}

static void set_key(struct replica *replica, const char *key)
{
    size_t len = key != NULL ? strlen(key) : 0;

    replica->key[0] = '\0';
    if (len == REPLICAS_KEY_MAX && strspn(key, "0123456789abcdef") == len) {
        memcpy(replica->key, key, len + 1);
    }
}

static uint64_t wish_of(const json_t *value)
{
    json_int_t wish = json_integer_value(value);

    return wish > 0 ? (uint64_t)wish : 0;
}

static void set_others_done(struct replica *replica, const json_t *list)
{
    replica->n_others_done = 0;
    for (size_t i = 0; i < json_array_size(list) && i < REPLICAS_MAX; i++) {
        replica->others_done[replica->n_others_done++] = wish_of(json_array_get(list, i));
    }
}

void replicas_wishes_done(struct replicas *replicas)
{
    for (size_t i = 0; i < replicas->n_members; i++) {
        replicas->members[i].wish_done = replicas->members[i].wish;
    }
}

uint64_t replicas_wish(const struct replicas *replicas)
{
    for (size_t i = 0; i < replicas->n_members; i++) {
        if (replicas->members[i].wish != replicas->members[i].wish_done) {
            return replicas->members[i].wish;
        }
    }
    return 0;
}

bool replicas_told(struct replicas *replicas, uint64_t member_id, const void *data, size_t len)
{
    json_t *document = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
    size_t at = find(replicas, member_id);
    struct store_digest digest;
    const char *version, *text;
    json_int_t index;
    bool ok;

    /* What a later release adds is skipped. */
    ok = json_unpack(document, "{s:s, s:I, s:s}", "version", &version, "applied_index", &index, "digest", &text) == 0 &&
         index >= 0 && strlen(version) <= REPLICAS_VERSION_MAX && parse_digest(text, &digest) && at < REPLICAS_MAX;
    if (ok) {
        struct replica *replica = &replicas->members[at];

        replicas->n_members += at == replicas->n_members;
        replica->member_id = member_id;
        memcpy(replica->version, version, strlen(version) + 1);
        replica->index = (uint64_t)index;
        replica->digest = digest;
        replica->waits = true;
        replica->wish = wish_of(json_object_get(document, "wish"));
        set_others_done(replica, json_object_get(document, "wishes_done"));
        replica->holds = json_is_true(json_object_get(document, "holds"));
        replica->staged = json_is_true(json_object_get(document, "staged"));
        replica->fresh = true;
        replica->level_min = (uint32_t)number_at(document, "levels", 0, UINT32_MAX);
        replica->level_max = (uint32_t)number_at(document, "levels", 1, UINT32_MAX);
        replica->disk_free_mib = number_at(document, "disk_mib", 0, INT64_MAX / 100);
        replica->disk_total_mib = number_at(document, "disk_mib", 1, INT64_MAX / 100);
        set_key(replica, json_string_value(json_object_get(document, "key")));
        replica->expires_s = json_integer_value(json_object_get(document, "expires"));
    }
    json_decref(document);
    return ok;
}
