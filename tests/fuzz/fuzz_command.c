/* Commands from anywhere: decoding never reads beyond its input; what decodes encodes to the same command again, and
 * applying it leaves a whole store. The input is a list of commands, each after its length (two bytes). */
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(struct store *store, uint64_t index, const uint8_t *data, size_t len)
{
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct store_result result;
    struct store_cmd cmd, copy;
    struct err err = ERR_INIT;
    uint8_t *exact = mem_dup(data, len);
    int rc = store_cmd_decode(exact, len, &cmd, &err);
    int code = store_cmd_judge(exact, len, NULL);

    CHECK(code != 0 || rc == 0);
    CHECK(code == 0 || rc != 0 || len > STORE_CMD_MAX_ITEMS); /* a short one is never too much */
    free(exact);
    CHECK(rc == 0 || rc == E_DAMAGED || rc == E_UNSUPPORTED);
    if (rc != 0) {
        return;
    }
    store_cmd_encode(&cmd, &first);
    CHECK(store_cmd_decode(first.data, first.len, &copy, &err) == 0);
    store_cmd_encode(&copy, &second);
    CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    store_apply(store, index, &cmd, &result);
    CHECK_MSG(store_check(store, &err) == 0, "%s", err.message);
    store_cmd_fini(&cmd);
    store_cmd_fini(&copy);
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store *store = store_new();
    uint64_t index = 0;

    while (size >= 2 && index < 200) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;

        data += 2;
        size -= 2;
        len = len < size ? len : size;
        one(store, ++index, data, len);
        data += len;
        size -= len;
    }
    store_free(store);
    return 0;
}
