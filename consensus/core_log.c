/* The log in memory: single copies of entries, owned by the core. */
#include <stdlib.h>
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

uint64_t core_last_index(const struct core *core)
{
    return core->first + core->n_entries - 1;
}

const struct core_entry *core_entry(const struct core *core, uint64_t index)
{
    if (index < core->first || index > core_last_index(core)) {
        return NULL;
    }
    return &core->entries[index - core->first];
}

uint64_t core_entry_term(const struct core *core, uint64_t index)
{
    const struct core_entry *entry = core_entry(core, index);

    if (entry != NULL) {
        return entry->term;
    }
    return index == core->snapshot_index ? core->snapshot_term : 0;
}

static uint64_t end_of(const struct core *core, uint64_t index)
{
    if (index < core->first || core->n_entries == 0) {
        return core->bytes_before;
    }
    return core->entries[index > core_last_index(core) ? core->n_entries - 1 : index - core->first].end;
}

uint64_t core_log_bytes(const struct core *core, uint64_t from, uint64_t to)
{
    return to >= from ? end_of(core, to) - end_of(core, from > 0 ? from - 1 : 0) : 0;
}

void core_log_append(struct core *core, uint64_t term, uint8_t type, const void *data, uint32_t len)
{
    struct core_entry *entry;
    uint64_t end;

    if (core->n_entries == core->cap_entries) {
        core->cap_entries = core->cap_entries > 0 ? core->cap_entries * 2 : 256;
        core->entries = mem_realloc_array(core->entries, core->cap_entries, sizeof(*core->entries));
    }
    end = end_of(core, core_last_index(core)) + FLAT_HEADER + len;
    entry = &core->entries[core->n_entries++];
    entry->term = term;
    entry->end = end;
    entry->type = type;
    entry->len = len;
    entry->data = mem_dup(data, len);
    if (type == RAFT_CHANGE && core_last_index(core) > core->conf_applied_index) {
        core_conf_appended(core, core_last_index(core));
    }
}

void core_log_cut(struct core *core, uint64_t from)
{
    CHECK(from > core->applied_index);
    while (core->n_entries > 0 && core_last_index(core) >= from) {
        free(core->entries[--core->n_entries].data);
    }
    core_conf_cut(core, from);
    for (size_t i = 0; i < core->n_appends && !CORE_SKIP(PART_CUT_COMPLETIONS); i++) {
        if (core->appends[i]->valid_last >= from) {
            core->appends[i]->valid_last = from - 1;
        }
    }
}

void core_log_trim(struct core *core, uint64_t below)
{
    size_t n;

    if (below <= core->first) {
        return;
    }
    n = below - core->first;
    CHECK(n <= core->n_entries && below <= core->applied_index + 1);
    core->bytes_before = end_of(core, below - 1);
    for (size_t i = 0; i < n; i++) {
        free(core->entries[i].data);
    }
    memmove(core->entries, core->entries + n, (core->n_entries - n) * sizeof(*core->entries));
    core->n_entries -= n;
    core->first = below;
}

void core_log_reset(struct core *core, uint64_t snapshot_index)
{
    core->bytes_before = end_of(core, core_last_index(core));
    for (size_t i = 0; i < core->n_entries; i++) {
        free(core->entries[i].data);
    }
    core->n_entries = 0;
    core->n_changes = 0;
    core->first = snapshot_index + 1;
    for (size_t i = 0; i < core->n_appends; i++) {
        core->appends[i]->valid_last = core->appends[i]->first - 1;
    }
}
