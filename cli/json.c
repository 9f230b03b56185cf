/* Reading answers with tolerance, writing JSON as Heketi does. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "store/base/check.h"

#define REAL_DIGITS 9 /* factors are 32-bit floats */

const char *js_text(const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL ? text : "";
}

const char *js_str(const json_t *object, const char *key)
{
    return js_text(json_object_get(object, key));
}

int64_t js_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

double js_num(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

bool js_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

json_t *js_list(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_array(value) ? value : NULL;
}

json_t *js_object(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_object(value) ? value : NULL;
}

void js_join(struct buf *buf, const json_t *list, const char *separator)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0) {
            buf_append_str(buf, separator);
        }
        buf_append_str(buf, js_text(json_array_get(list, i)));
    }
}

void js_print(FILE *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));

    CHECK(text != NULL);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '<' || *at == '>' || *at == '&') {
            fprintf(out, "\\u%04x", (unsigned)*at);
        } else {
            fputc(*at, out);
        }
    }
    free(text);
}
