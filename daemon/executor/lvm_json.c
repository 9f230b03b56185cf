#include "daemon/executor/lvm_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/json_few.h"
#include "store/base/mem.h"

#define TEXT_MAX ((size_t)16384)

/* {"report": [{"vg": [{...}, ...]}]}: the rows. ret_root is released by the caller. */
static int rows(const char *text, size_t len, const char *kind, json_t **ret_root, json_t **ret_rows,
                struct err *reterr)
{
    json_error_t error;
    struct err few = ERR_INIT;
    json_t *report, *found;

    if (json_few(text, len, &few) != 0) {
        return err_set(reterr, E_PROTOCOL, "LVM's report: %s", few.message);
    }
    *ret_root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (*ret_root == NULL) {
        return err_set(reterr, E_PROTOCOL, "LVM's report is no JSON: %s (line %d)", error.text, error.line);
    }
    report = json_object_get(*ret_root, "report");
    found = json_object_get(json_array_get(report, 0), kind);
    if (json_array_size(report) != 1 || !json_is_array(found) || json_array_size(found) > LVM_ROWS_MAX) {
        json_decref(*ret_root);
        return err_set(reterr, E_PROTOCOL, "LVM's report: expected {\"report\": [{\"%s\": [...]}]}", kind);
    }
    *ret_rows = found;
    return 0;
}

static int get_text(const json_t *row, const char *name, const char **ret, struct err *reterr)
{
    const json_t *value = json_object_get(row, name);

    if (!json_is_string(value) || json_string_length(value) > TEXT_MAX) {
        return err_set(reterr, E_PROTOCOL, "LVM's report: expected a text \"%s\" in each row", name);
    }
    *ret = json_string_value(value);
    return 0;
}

static int get_number(const json_t *row, const char *name, uint64_t *ret, struct err *reterr)
{
    const char *text = NULL;
    unsigned long long number;
    char *end;
    int rc = get_text(row, name, &text, reterr);

    if (rc != 0) {
        return rc;
    }
    errno = 0;
    number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
        return err_set(reterr, E_PROTOCOL, "LVM's report: \"%s\" is '%.64s', expected a whole number", name, text);
    }
    *ret = number;
    return 0;
}

static int get_fixed(const json_t *row, const char *name, char *ret, size_t size, struct err *reterr)
{
    const char *text = NULL;
    int rc = get_text(row, name, &text, reterr);

    if (rc != 0) {
        return rc;
    }
    if (*text == '\0' || strlen(text) >= size) {
        return err_set(reterr, E_PROTOCOL, "LVM's report: \"%s\" is empty or too long", name);
    }
    memcpy(ret, text, strlen(text) + 1);
    return 0;
}

static int read_device(const json_t *row, struct lvm_device *device, struct err *reterr)
{
    int rc = get_number(row, "vg_extent_size", &device->extent_bytes, reterr);

    rc = rc != 0 ? rc : get_number(row, "vg_extent_count", &device->extents, reterr);
    rc = rc != 0 ? rc : get_number(row, "vg_free_count", &device->free_extents, reterr);
    rc = rc != 0 ? rc : get_fixed(row, "pv_uuid", device->pv_uuid, sizeof(device->pv_uuid), reterr);
    rc = rc != 0 ? rc : get_fixed(row, "pv_name", device->pv_name, sizeof(device->pv_name), reterr);
    if (rc != 0) {
        return rc;
    }
    /* LVM's own limits: extents of 1 KiB to 16 GiB, numbers of them below 2^32. */
    if (device->extent_bytes < 1024 || device->extent_bytes % 1024 != 0 || device->extent_bytes > (uint64_t)1 << 34 ||
        device->extents == 0 || device->extents > UINT32_MAX || device->free_extents > device->extents) {
        return err_set(reterr, E_PROTOCOL,
                       "LVM's report: %lu extents of %lu bytes, %lu of them free, cannot be: expected whole KiB",
                       (unsigned long)device->extents, (unsigned long)device->extent_bytes,
                       (unsigned long)device->free_extents);
    }
    return 0;
}

int lvm_json_device(const char *text, size_t len, struct lvm_device *ret, struct err *reterr)
{
    struct lvm_device device;
    json_t *root = NULL, *list = NULL;
    int rc = rows(text, len, "vg", &root, &list, reterr);

    memset(ret, 0, sizeof(*ret));
    if (rc != 0) {
        return rc;
    }
    memset(&device, 0, sizeof(device));
    if (json_array_size(list) != 1) {
        rc = err_set(reterr, E_PROTOCOL, "LVM's report: the volume group is on %zu devices, expected 1",
                     json_array_size(list));
    } else {
        rc = read_device(json_array_get(list, 0), &device, reterr);
    }
    json_decref(root);
    if (rc == 0) {
        *ret = device;
    }
    return rc;
}
