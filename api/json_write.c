#include "api/json_write.h"

#include <string.h>

#include "api/json_out.h"
#include "store/base/check.h"

static void line(struct api_json *json)
{
    buf_append_char(json->buf, '\n');
    for (unsigned i = 0; i < json->depth; i++) {
        buf_append_str(json->buf, "    ");
    }
}

/* Before a value or a key: what separates it from the one before. */
static void place(struct api_json *json)
{
    if (json->keyed) {
        json->keyed = false;
        return;
    }
    if (json->depth > 0) {
        if (!json->empty) {
            buf_append_char(json->buf, ',');
        }
        line(json);
    }
    json->empty = false;
}

void api_json_open(struct api_json *json, char bracket)
{
    place(json);
    buf_append_char(json->buf, bracket);
    json->depth++;
    json->empty = true;
}

void api_json_close(struct api_json *json, char bracket)
{
    CHECK(json->depth > 0 && !json->keyed);
    json->depth--;
    if (!json->empty) {
        line(json);
    }
    buf_append_char(json->buf, bracket);
    json->empty = false;
}

void api_json_key(struct api_json *json, const char *key)
{
    place(json);
    api_out_string(json->buf, key);
    buf_append_str(json->buf, ": ");
    json->keyed = true;
}

void api_json_str(struct api_json *json, const char *text)
{
    place(json);
    api_out_string(json->buf, text);
}

void api_json_id(struct api_json *json, struct id id)
{
    api_json_str(json, id_is_none(id) ? "" : id_text(id).text);
}

void api_json_u64(struct api_json *json, uint64_t value)
{
    place(json);
    buf_printf(json->buf, "%lu", (unsigned long)value);
}

void api_json_i64(struct api_json *json, int64_t value)
{
    place(json);
    buf_printf(json->buf, "%ld", (long)value);
}

void api_json_bool(struct api_json *json, bool value)
{
    api_json_raw(json, value ? "true" : "false");
}

void api_json_null(struct api_json *json)
{
    api_json_raw(json, "null");
}

void api_json_raw(struct api_json *json, const char *text)
{
    place(json);
    buf_append_str(json->buf, text);
}

/* The length of a string, a number or a word at the start of the text. */
static size_t scalar_len(const char *text)
{
    size_t len = 1;

    if (*text != '"') {
        return strcspn(text, ",:]}");
    }
    while (text[len] != '"') {
        len += text[len] == '\\' ? 2 : 1;
    }
    return len + 1;
}

void api_json_compact(struct api_json *json, const char *text)
{
    while (*text != '\0') {
        size_t len;

        if (*text == '{' || *text == '[') {
            api_json_open(json, *text++);
        } else if (*text == '}' || *text == ']') {
            api_json_close(json, *text++);
        } else if (*text == ',') {
            text++; /* written before the next value */
        } else if (*text == ':') {
            buf_append_str(json->buf, ": ");
            json->keyed = true;
            text++;
        } else {
            len = scalar_len(text);
            place(json);
            buf_append(json->buf, text, len);
            text += len;
        }
    }
}

void api_json_key_str(struct api_json *json, const char *key, const char *text)
{
    api_json_key(json, key);
    api_json_str(json, text);
}

void api_json_key_id(struct api_json *json, const char *key, struct id id)
{
    api_json_key(json, key);
    api_json_id(json, id);
}

void api_json_key_u64(struct api_json *json, const char *key, uint64_t value)
{
    api_json_key(json, key);
    api_json_u64(json, value);
}

void api_json_key_bool(struct api_json *json, const char *key, bool value)
{
    api_json_key(json, key);
    api_json_bool(json, value);
}

void api_json_key_open(struct api_json *json, const char *key, char bracket)
{
    api_json_key(json, key);
    api_json_open(json, bracket);
}

void api_json_key_strs(struct api_json *json, const char *key, const struct store_strs *strs)
{
    api_json_key_open(json, key, '[');
    for (size_t i = 0; i < strs->n; i++) {
        api_json_str(json, strs->items[i]);
    }
    api_json_close(json, ']');
}
