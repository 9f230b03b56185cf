#include "daemon/executor/executor.h"

#include "store/base/check.h"

const char *exec_step_name(enum exec_step_kind kind)
{
    switch (kind) {
    case EXEC_GLUSTERD_CHECK:
        return "glusterd-check";
    case EXEC_PEER_PROBE:
        return "peer-probe";
    case EXEC_PEER_DETACH:
        return "peer-detach";
    case EXEC_DEVICE_SETUP:
        return "device-setup";
    case EXEC_DEVICE_TEARDOWN:
        return "device-teardown";
    case EXEC_BRICK_CREATE:
        return "brick-create";
    case EXEC_BRICK_SYNC:
        return "brick-sync";
    case EXEC_BRICK_DESTROY:
        return "brick-destroy";
    case EXEC_VOLUME_CREATE:
        return "volume-create";
    case EXEC_VOLUME_DELETE:
        return "volume-delete";
    case EXEC_FENCE:
        return "fence";
    }
    CHECK_MSG(false, "unknown step %d", (int)kind);
}

void exec_config_init(struct exec_config *config)
{
    *config = (struct exec_config){
        .keyfile = "",
        .user = "heketi",
        .port = 22,
        .fstab = "/etc/fstab",
        .mount_options = "rw,inode64,noatime,nouuid",
        .pv_data_alignment = "256K",
        .vg_extent_size = "4M",
        .lv_chunk_size = "256K",
        .lvm_wrapper = "",
        .gluster_timeout_s = 600,
        .connect_timeout_ms = 5000,
        .mock_device_kib = 500 * STORE_KIB_PER_GIB,
        .mock_faults = "",
        .mock_faults_file = "",
    };
}
