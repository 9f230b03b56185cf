#include "daemon/executor/json_few.h"

int json_few(const char *text, size_t len, struct err *reterr)
{
    size_t n = 0;

    if (len > JSON_BYTES_MAX) {
        return err_set(reterr, E_PROTOCOL, "it has more than %zu bytes", JSON_BYTES_MAX);
    }
    for (size_t i = 0; i < len; i++) { /* each value but the first stands behind one of these */
        n += text[i] == ',' || text[i] == ':' || text[i] == '[' || text[i] == '{';
    }
    return n <= JSON_VALUES_MAX ? 0 : err_set(reterr, E_PROTOCOL, "it has more than %d values", JSON_VALUES_MAX);
}
