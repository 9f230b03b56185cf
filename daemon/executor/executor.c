#include "daemon/executor/executor.h"

#include "store/base/mem.h"

bool exec_is_unreachable(int code)
{
    return code == E_CONNECT || code == E_TIMEOUT || code == E_AUTH || code == E_PROTOCOL || code == E_DAMAGED;
}

void exec_result_fini(struct exec_result *result)
{
    store_strs_fini(&result->device.paths);
    store_strs_fini(&result->volume.bricks);
    store_strs_fini(&result->block.hosts);
    exec_inventory_free(result->inventory);
}

char *exec_snapshot_name(struct id op_id)
{
    return mem_printf("tmpsnap_%s", id_text(op_id).text);
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
        .block_prealloc = "full",
        .gluster_timeout_s = 600,
        .connect_timeout_ms = 5000,
        .silence_timeout_ms = 20000,
        .mock_device_kib = 500 * STORE_KIB_PER_GIB,
        .mock_faults = "",
        .mock_faults_file = "",
    };
}
