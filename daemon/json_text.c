#include "daemon/json_text.h"

#include <string.h>

#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"

json_t *json_text(const char *text)
{
    CLEANUP(buf_fini) struct buf clean = BUF_INIT;
    json_t *json = json_string(text);

    if (json == NULL) {
        text_append(&clean, text, strlen(text));
        json = json_string(buf_str(&clean));
    }
    CHECK_MSG(json != NULL, "out of memory");
    return json;
}
