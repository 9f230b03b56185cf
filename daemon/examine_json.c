/* What the examination found, as the REST API gives it. */
#include "daemon/examine.h"

#include <stdint.h>
#include <string.h>

#include "store/base/check.h"

static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);

    return json != NULL ? json : json_string("(no text)"); /* what a node says need not be UTF-8 */
}

json_t *findings_list_json(const struct findings_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const struct findings_group *item = &list->items[i];
        json_t *examples = json_array();

        for (size_t j = 0; j < item->n_examples; j++) {
            json_array_append_new(examples, text_json(item->examples[j]));
        }
        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "code", item->code, "node",
                                               id_is_none(item->node) ? "" : id_text(item->node).text, "where",
                                               id_is_none(item->where) ? "" : id_text(item->where).text, "count",
                                               (json_int_t)item->count, "text", text_json(item->text), "remedy",
                                               text_json(item->remedy), "examples", examples));
    }
    return array;
}

/* ---- what a node has, item by item: as one tree of JSON it takes ten times its text ---- */

static int append(const char *text, size_t len, void *out)
{
    buf_append(out, text, len);
    return 0;
}

/* Into a list. Takes the item. false: the text has become too long. */
static bool put_item(struct buf *out, size_t end, size_t at, json_t *item)
{
    if (at > 0) {
        buf_append_char(out, ',');
    }
    CHECK(item != NULL && json_dump_callback(item, append, out, JSON_COMPACT) == 0);
    json_decref(item);
    return out->len <= end;
}

static json_t *strs_json(const struct store_strs *strs, const char *key)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strs->n; i++) {
        json_array_append_new(list, json_pack("{s:o}", key, text_json(strs->items[i])));
    }
    return list;
}

static bool put_strs(struct buf *out, size_t end, const struct store_strs *strs, const char *key)
{
    bool fits = true;

    for (size_t i = 0; fits && i < strs->n; i++) {
        fits = put_item(out, end, i, json_pack("{s:o}", key, text_json(strs->items[i])));
    }
    return fits;
}

static bool put_volumes(struct buf *out, size_t end, const struct exec_inventory *inventory)
{
    bool fits = true;

    for (size_t i = 0; fits && i < inventory->n_volumes; i++) {
        const struct exec_gluster_volume *volume = &inventory->volumes[i];

        fits = put_item(out, end, i,
                        json_pack("{s:o, s:o, s:i, s:s, s:I, s:{s:o}}", "VolumeName", text_json(volume->name), "ID",
                                  text_json(volume->id), "Status", volume->started ? 1 : 2, "StatusStr",
                                  volume->started ? "Started" : "Stopped", "BrickCount", (json_int_t)volume->bricks.n,
                                  "Bricks", "BrickList", strs_json(&volume->bricks, "Name")));
    }
    return fits;
}

static bool put_lvs(struct buf *out, size_t end, const struct exec_inventory *inventory)
{
    bool fits = true;

    for (size_t i = 0; fits && i < inventory->n_lvs; i++) {
        const struct exec_lv *lv = &inventory->lvs[i];

        fits =
            put_item(out, end, i,
                     json_pack("{s:o, s:o, s:o, s:I}", "lv_name", text_json(lv->name), "vg_name", text_json(lv->group),
                               "pool_lv", text_json(lv->pool), "lv_size_kib", (json_int_t)lv->kib));
    }
    return fits;
}

/* That the text has at least, without the names of a volume and its words. */
static size_t least_bytes(const struct exec_inventory *inventory)
{
    size_t bytes = 0;

    for (size_t i = 0; i < inventory->n_volumes; i++) {
        bytes += sizeof("{VolumeName:,ID:,Status:1,StatusStr:Started,BrickCount:0,Bricks:{BrickList:[]}}");
        for (size_t j = 0; j < inventory->volumes[i].bricks.n; j++) {
            bytes += sizeof("{Name:}") + strlen(inventory->volumes[i].bricks.items[j]);
        }
    }
    return bytes;
}

bool examine_node_put(struct id node, const struct exec_inventory *inventory, size_t bytes_max, struct buf *out)
{
    size_t end = bytes_max < SIZE_MAX - out->len ? out->len + bytes_max : SIZE_MAX;
    bool fits;

    if (inventory == NULL) {
        buf_printf(out,
                   "{\"NodeHeketiID\":\"%s\",\"VolumeInfo\":null,\"LVMPVInfo\":null,\"LVMVGInfo\":null,"
                   "\"LVMLVInfo\":null,\"BricksMountStatus\":null,\"BlockVolumeNames\":null}",
                   id_text(node).text);
        return out->len <= end;
    }
    if (least_bytes(inventory) > bytes_max) {
        return false;
    }
    buf_printf(out, "{\"NodeHeketiID\":\"%s\",\"VolumeInfo\":{\"Volumes\":{\"Count\":%zu,\"VolumeList\":[",
               id_text(node).text, inventory->n_volumes);
    fits = put_volumes(out, end, inventory);
    buf_append_str(out, "]}},\"LVMPVInfo\":null,\"LVMVGInfo\":{\"report\":[{\"vg\":[");
    fits = fits && put_strs(out, end, &inventory->groups, "vg_name");
    buf_append_str(out, "]}]},\"LVMLVInfo\":{\"report\":[{\"lv\":[");
    fits = fits && put_lvs(out, end, inventory);
    buf_append_str(out, "]}]},\"BricksMountStatus\":{\"Statuses\":[");
    fits = fits && put_strs(out, end, &inventory->mounts, "MountPoint");
    buf_append_str(out, "],\"Table\":[");
    fits = fits && put_strs(out, end, &inventory->fstab, "MountPoint");
    buf_append_str(out, "]},\"BlockVolumeNames\":null}");
    return fits && out->len <= end;
}
