#include "tests/unit/consensus/script.h"

#include <stdlib.h>
#include <string.h>

#include "consensus/wire.h"
#include "store/base/check.h"
#include "store/base/mem.h"

void script_init(struct script *script, unsigned seed)
{
    memset(script, 0, sizeof(*script));
    script->seed = seed;
    script->next_tag = 1;
    script->states = mem_calloc(SCRIPT_STEPS_MAX + 1, sizeof(*script->states));
}

void script_fini(struct script *script)
{
    free(script->states);
}

static unsigned below(struct script *script, unsigned n)
{
    return (unsigned)rand_r(&script->seed) % n;
}

/* The length and the bytes follow from the tag: mostly short, now and then some sectors. */
static void fill(struct buf *data, uint64_t tag)
{
    size_t len = 8 + (tag * 37) % (tag % 7 == 0 ? 2500 : 150);

    buf_append(data, &tag, sizeof(tag));
    for (size_t i = 8; i < len; i++) {
        buf_append_char(data, (char)((tag * 131 + i) >> 2));
    }
}

void script_entry(struct buf *flat, uint64_t term, uint64_t tag)
{
    CLEANUP(buf_fini) struct buf data = BUF_INIT;

    fill(&data, tag);
    flat_append(flat, term, 1, data.data, (uint32_t)data.len);
}

static int append(struct script *script, struct script_state *state, struct log *log, struct err *reterr)
{
    bool cut = state->last > state->snap_index && below(script, 5) == 0;
    uint64_t first =
        cut ? state->snap_index + 1 + below(script, (unsigned)(state->last - state->snap_index)) : state->last + 1;
    uint64_t n = 1 + below(script, 4);
    CLEANUP(buf_fini) struct buf flat = BUF_INIT;

    CHECK(first + n < SCRIPT_ENTRIES_MAX);
    for (uint64_t index = first; index < first + n; index++) {
        state->entries[index] = (struct script_entry){state->term, script->next_tag++};
        script_entry(&flat, state->term, state->entries[index].tag);
    }
    for (uint64_t index = first + n; index <= state->last; index++) {
        state->entries[index].tag = 0;
    }
    state->last = first + n - 1;
    return log_append(log, first, n, (const uint8_t *)flat.data, flat.len, reterr);
}

static int snapshot(struct script *script, struct script_state *state, bool install, struct log *log,
                    struct err *reterr)
{
    CLEANUP(buf_fini) struct buf data = BUF_INIT, conf = BUF_INIT;
    struct disk_op op = {.kind = install ? DISK_INSTALL : DISK_SNAP_PUT, .index_term = state->term, .conf_index = 1};
    int rc;

    op.index = install ? state->last + 1 + below(script, 3)
                       : state->snap_index + 1 + below(script, (unsigned)(state->last - state->snap_index));
    op.keep_from = install ? op.index + 1 : op.index + 1 - below(script, (unsigned)(op.index - state->snap_index));
    fill(&data, script->next_tag);
    fill(&conf, script->next_tag);
    op.data = (uint8_t *)data.data;
    op.data_len = data.len;
    op.conf = (uint8_t *)conf.data;
    op.conf_len = conf.len;
    rc = log_snapshot_write(log, &op, reterr);
    state->snap_index = op.index;
    state->snap_term = op.index_term;
    state->snap_tag = script->next_tag++;
    state->keep_from = op.keep_from;
    if (install) {
        memset(state->entries, 0, sizeof(state->entries));
        state->last = op.index;
    }
    return rc != 0 ? rc : log_snapshot_adopt(log, &op, install, reterr);
}

static int random_step(struct script *script, struct script_state *state, struct log *log, struct err *reterr)
{
    static const struct id cluster = {{7, 7}};
    unsigned choice = below(script, 20);

    if (state->disk_state != CORE_FORMED) {
        state->disk_state = state->disk_state == CORE_EMPTY ? CORE_FORMING : CORE_FORMED;
        state->keep_from = 1;
        return log_set_state(log, state->disk_state, cluster, reterr);
    }
    if (choice < 3) {
        state->term += choice < 2;
        state->vote = below(script, 4);
        return log_set_meta(log, state->term, state->vote, reterr);
    }
    if (choice < 5 && state->last > state->snap_index) {
        return snapshot(script, state, false, log, reterr);
    }
    if (choice == 5) {
        return snapshot(script, state, true, log, reterr);
    }
    return append(script, state, log, reterr);
}

bool script_step(struct script *script, struct log *log, const struct files *files, struct err *reterr)
{
    struct script_state *state;
    int rc = 0;

    CHECK(script->steps < SCRIPT_STEPS_MAX);
    script->begun[script->steps + 1] = files != NULL ? files_calls(files) : 0;
    script->ended[script->steps + 1] = SIZE_MAX;
    state = &script->states[script->steps + 1];
    *state = script->states[script->steps];
    script->steps++;
    if (log_spare_wanted(log) && below(script, 3) > 0) {
        rc = log_spare_write(log, reterr);
        if (rc == 0) {
            log_spare_give(log);
        }
    }
    rc = rc != 0 ? rc : random_step(script, state, log, reterr);
    if (rc != 0) {
        return false;
    }
    script->ended[script->steps] = files != NULL ? files_calls(files) : 0;
    return true;
}

/* ---- comparing ---- */

static const char *compare_entries(const struct script_state *state, const struct disk_image *image)
{
    struct flat_entry entry;
    size_t offset = 0;
    uint64_t index = image->first;

    if (state->last > state->snap_index && (image->first == 0 || image->first > state->snap_index + 1)) {
        return "entries after the snapshot are missing";
    }
    if (image->first > state->keep_from && state->last >= state->keep_from) {
        return "entries to be kept are missing";
    }
    for (; flat_next(image->flat, image->flat_len, &offset, &entry); index++) {
        const struct script_entry *mine = &state->entries[index < SCRIPT_ENTRIES_MAX ? index : 0];
        CLEANUP(buf_fini) struct buf data = BUF_INIT;

        if (mine->tag == 0 || entry.term != mine->term) {
            return "an entry that was never there";
        }
        fill(&data, mine->tag);
        if (data.len != entry.len || memcmp(data.data, entry.data, data.len) != 0) {
            return "an entry with other bytes";
        }
    }
    if (offset != image->flat_len || (image->first > 0 ? index - 1 : state->snap_index) != state->last) {
        return "not the last entry";
    }
    return NULL;
}

static const char *compare(const struct script_state *state, const struct disk_image *image)
{
    if (image->disk_state != state->disk_state) {
        return "another state";
    }
    if (image->term != state->term || image->vote != state->vote) {
        return "another term or vote";
    }
    if (image->snap_index != state->snap_index || image->snap_term != state->snap_term) {
        return "another snapshot";
    }
    if (state->snap_index > 0) {
        CLEANUP(buf_fini) struct buf data = BUF_INIT;

        fill(&data, state->snap_tag);
        if (image->snap_len != data.len || memcmp(image->snap, data.data, data.len) != 0 ||
            image->conf_len != data.len || memcmp(image->conf, data.data, data.len) != 0) {
            return "a snapshot with other bytes";
        }
    }
    return compare_entries(state, image);
}

int script_find(const struct script *script, const struct disk_image *image, size_t from, size_t to,
                const char **ret_wrong)
{
    for (size_t i = to + 1; i-- > from;) {
        *ret_wrong = compare(&script->states[i], image);
        if (*ret_wrong == NULL) {
            return (int)i;
        }
    }
    return -1;
}
