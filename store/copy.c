/* Copies of records for those who must not hold pointers into the store. */
#include "store/codec_priv.h"
#include "store/types.h"

void store_volume_fini(struct store_volume *volume)
{
    schema_fini(&schema_volume, volume);
}

void store_volume_copy(struct store_volume *to, const struct store_volume *from)
{
    schema_copy(&schema_volume, to, from);
}

void store_block_volume_fini(struct store_block_volume *block)
{
    schema_fini(&schema_block_volume, block);
}

void store_block_volume_copy(struct store_block_volume *to, const struct store_block_volume *from)
{
    schema_copy(&schema_block_volume, to, from);
}

void store_device_fini(struct store_device *device)
{
    schema_fini(&schema_device, device);
}

void store_device_copy(struct store_device *to, const struct store_device *from)
{
    schema_copy(&schema_device, to, from);
}
