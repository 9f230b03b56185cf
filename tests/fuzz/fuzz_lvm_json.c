/* Whatever a node sends as LVM's report: it is read, or refused with a text. */
#include "daemon/executor/lvm_json.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lvm_device device;
    struct err err = ERR_INIT;

    if (lvm_json_device((const char *)data, size, &device, &err) == 0) {
        CHECK(device.extents > 0 && device.extent_bytes >= 1024 && *device.pv_uuid != '\0' && *device.pv_name != '\0');
        CHECK(device.extents <= UINT64_MAX / device.extent_bytes);
    } else {
        CHECK(*err.message != '\0' && device.extents == 0);
    }
    return 0;
}
