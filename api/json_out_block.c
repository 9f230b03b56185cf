/* Block volumes as JSON (heketi-rest.md 6.6). */
#include "api/json_out_priv.h"

bool api_block_volume_visible(const struct store *store, const struct store_block_volume *block)
{
    return id_is_none(block->pending) || pending_is(store, block->pending, STORE_OP_EXPAND_BLOCK);
}

void api_out_blockinfo(struct buf *buf, const struct store *store, const struct store_volume *volume)
{
    const struct store_block_volume *block = NULL;
    uint32_t free_gib = store_volume_free_gib(store, volume->id);
    bool any = false;

    member(buf, "blockinfo");
    buf_append_char(buf, '{');
    if (free_gib > 0) {
        member_u64(buf, "freesize", free_gib);
    }
    if (volume->reserved_gib > 0) {
        member_u64(buf, "reservedsize", volume->reserved_gib);
    }
    while ((block = store_volume_block_next(store, volume->id, block)) != NULL) {
        if (!api_block_volume_visible(store, block)) {
            continue;
        }
        if (!any) {
            member(buf, "blockvolume");
            buf_append_char(buf, '[');
            any = true;
        }
        list_id(buf, block->id);
    }
    if (any) {
        buf_append_char(buf, ']');
    }
    if (volume->restriction != STORE_UNRESTRICTED) {
        member_string(buf, "restriction", store_restriction_name(volume->restriction));
    }
    buf_append_char(buf, '}');
}

void api_out_block_volume(struct buf *buf, const struct store *store, const struct store_block_volume *block)
{
    const struct store_volume *hosting = store_volume(store, block->hosting);

    buf_append_char(buf, '{');
    member_u64(buf, "size", block->size_gib);
    member_string(buf, "name", block->name);
    if (block->ha_count > 0) {
        member_u64(buf, "hacount", block->ha_count);
    }
    member_id(buf, "id", block->id);
    member(buf, "blockvolume");
    buf_append_char(buf, '{');
    if (block->hosts.n > 0) {
        member_strs(buf, "hosts", &block->hosts);
    } else { /* not known, of an imported database */
        member(buf, "hosts");
        buf_append_str(buf, "null");
    }
    member_string(buf, "iqn", block->iqn);
    member_u64(buf, "lun", 0);
    member_string(buf, "username", block->user);
    member_string(buf, "password", block->password);
    buf_append_char(buf, '}');
    if (hosting != NULL) {
        member_id(buf, "cluster", hosting->cluster);
        member_id(buf, "blockhostingvolume", hosting->id);
    }
    if (block->usable_gib > 0) {
        member_u64(buf, "usablesize", block->usable_gib);
    }
    buf_append_char(buf, '}');
}

void api_out_block_volume_list(struct buf *buf, const struct store *store)
{
    const struct store_block_volume *block = NULL;

    buf_append_str(buf, "{\"blockvolumes\":[");
    while ((block = store_block_volume_next(store, block)) != NULL) {
        if (api_block_volume_visible(store, block)) {
            list_id(buf, block->id);
        }
    }
    buf_append_str(buf, "]}");
}
