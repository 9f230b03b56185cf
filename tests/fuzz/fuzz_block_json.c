/* Whatever a node sends as gluster-block's answer: it is read, or refused with a text. */
#include "daemon/executor/block_json.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_answer answer;
    struct err err = ERR_INIT;

    if (block_json_result((const char *)data, size, &answer, &err) != 0) {
        CHECK(*err.message != '\0' && answer.text == NULL);
    } else {
        block_answer_fini(&answer);
    }
    err = (struct err)ERR_INIT;
    if (block_json_info((const char *)data, size, &answer, &err) != 0) {
        CHECK(*err.message != '\0' && answer.text == NULL);
    } else {
        CHECK(answer.failed || answer.size.low <= answer.size.high);
        CHECK(answer.hosts.n <= BLOCK_JSON_HOSTS_MAX);
        block_answer_fini(&answer);
    }
    return 0;
}
