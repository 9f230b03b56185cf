/* Block volumes as JSON (heketi-rest.md 6.6). */
#include "api/json_out_priv.h"

struct buf *api_out_blockinfo(struct buf *head, struct buf *tail, const struct store *store,
                              const struct store_volume *volume, struct ids *ret_ids)
{
    uint32_t free_gib = store_volume_free_gib(store, volume->id);
    struct buf *rest = head;

    *ret_ids = store_volume_blocks_shown(store, volume->id);
    member(head, "blockinfo");
    buf_append_char(head, '{');
    if (free_gib > 0) {
        member_u64(head, "freesize", free_gib);
    }
    if (volume->reserved_gib > 0) {
        member_u64(head, "reservedsize", volume->reserved_gib);
    }
    if (ret_ids->n > 0) {
        member(head, "blockvolume");
        buf_append_char(head, '[');
        rest = tail;
        buf_append_char(rest, ']');
    }
    if (volume->restriction != STORE_UNRESTRICTED) {
        member_string(rest, "restriction", store_restriction_name(volume->restriction));
    }
    buf_append_char(rest, '}');
    return rest;
}

void api_out_joined(struct buf *head, struct ids *ids, struct buf *tail)
{
    for (size_t leaf = 0; leaf < ids->n_leaves; leaf++) {
        size_t n;
        const struct id *items = ids_leaf(ids, leaf, &n);

        for (size_t i = 0; i < n; i++) {
            list_id(head, items[i]);
        }
    }
    buf_append(head, buf_str(tail), tail->len);
    ids_fini(ids);
    buf_fini(tail);
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
