/* What the examination found, as the REST API gives it. */
#include "daemon/examine.h"

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

static json_t *strs_json(const struct store_strs *strs, const char *key)
{
    json_t *list = json_array();

    for (size_t i = 0; i < strs->n; i++) {
        json_array_append_new(list, json_pack("{s:o}", key, text_json(strs->items[i])));
    }
    return list;
}

static json_t *volumes_json(const struct exec_inventory *inventory)
{
    json_t *list = json_array();

    for (size_t i = 0; i < inventory->n_volumes; i++) {
        const struct exec_gluster_volume *volume = &inventory->volumes[i];

        json_array_append_new(
            list, json_pack("{s:o, s:o, s:i, s:s, s:I, s:{s:o}}", "VolumeName", text_json(volume->name), "ID",
                            text_json(volume->id), "Status", volume->started ? 1 : 2, "StatusStr",
                            volume->started ? "Started" : "Stopped", "BrickCount", (json_int_t)volume->bricks.n,
                            "Bricks", "BrickList", strs_json(&volume->bricks, "Name")));
    }
    return json_pack("{s:{s:I, s:o}}", "Volumes", "Count", (json_int_t)inventory->n_volumes, "VolumeList", list);
}

static json_t *lvs_json(const struct exec_inventory *inventory)
{
    json_t *list = json_array();

    for (size_t i = 0; i < inventory->n_lvs; i++) {
        const struct exec_lv *lv = &inventory->lvs[i];

        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:I}", "lv_name", text_json(lv->name), "vg_name",
                                              text_json(lv->group), "pool_lv", text_json(lv->pool), "lv_size_kib",
                                              (json_int_t)lv->kib));
    }
    return json_pack("{s:[{s:o}]}", "report", "lv", list);
}

json_t *examine_node_json(struct id node, const struct exec_inventory *inventory)
{
    json_t *json;

    if (inventory == NULL) {
        json = json_pack("{s:s, s:n, s:n, s:n, s:n, s:n, s:n}", "NodeHeketiID", id_text(node).text, "VolumeInfo",
                         "LVMPVInfo", "LVMVGInfo", "LVMLVInfo", "BricksMountStatus", "BlockVolumeNames");
    } else {
        json = json_pack("{s:s, s:o, s:n, s:{s:[{s:o}]}, s:o, s:{s:o, s:o}, s:n}", "NodeHeketiID", id_text(node).text,
                         "VolumeInfo", volumes_json(inventory), "LVMPVInfo", "LVMVGInfo", "report", "vg",
                         strs_json(&inventory->groups, "vg_name"), "LVMLVInfo", lvs_json(inventory),
                         "BricksMountStatus", "Statuses", strs_json(&inventory->mounts, "MountPoint"), "Table",
                         strs_json(&inventory->fstab, "MountPoint"), "BlockVolumeNames");
    }
    CHECK(json != NULL);
    return json;
}
