/* What LVM says with `--reportformat json --units b --nosuffix`. Pure: text in, structs out.
 *
 * Every reader returns 0, or E_PROTOCOL with a text that says what was expected where; the answer is then empty.
 * LVM writes numbers as texts ("4194304"). */
#ifndef HECATE_DAEMON_EXECUTOR_LVM_JSON_H
#define HECATE_DAEMON_EXECUTOR_LVM_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

#define LVM_ROWS_MAX ((size_t)256)

struct lvm_device { /* vgs -o vg_extent_size,vg_extent_count,vg_free_count,pv_uuid,pv_name VG: a group on one device */
    uint64_t extent_bytes, extents, free_extents;
    char pv_uuid[64];
    char pv_name[256];
};

int lvm_json_device(const char *text, size_t len, struct lvm_device *ret, struct err *reterr);

#endif
