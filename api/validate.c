#include "api/validate.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/json_in.h"
#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/words.h"

#define TAGS_MAX 32
#define TAG_NAME_MAX 32
#define TAG_VALUE_MAX 64
#define LABEL_MAX 63
#define HOSTS_MAX 64
#define HOST_MAX 255
#define CLUSTERS_MAX 512
#define CLUSTER_BYTES_MAX 255

void api_invalid(struct buf *list, const char *field, const char *fmt, ...)
{
    CLEANUP(free_ptr) char *text = NULL;
    va_list args;

    buf_printf(list, "%s%s: ", list->len > 0 ? "; " : "", field);
    va_start(args, fmt);
    CHECK(vasprintf(&text, fmt, args) >= 0);
    va_end(args);
    buf_append_str(list, text);
}

int api_invalid_end(const struct buf *list, struct buf *text)
{
    buf_append_str(text, "validation failed: ");
    buf_append(text, list->data, list->len);
    buf_append_char(text, '.');
    return 400;
}

void api_invalid_min_1(struct buf *list, const char *field, int64_t value)
{
    if (value == 0) {
        api_invalid(list, field, "cannot be blank");
    } else if (value < 1) {
        api_invalid(list, field, "must be no less than 1");
    }
}

void api_invalid_uuid(struct buf *list, const char *field, const char *value)
{
    if (*value == '\0') {
        api_invalid(list, field, "cannot be blank");
    } else if (strlen(value) != ID_TEXT_LEN || value[strspn(value, "0123456789abcdefABCDEF")] != '\0') {
        api_invalid(list, field, "%s is not a valid UUID", value);
    }
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_label_char(char c)
{
    return is_alnum(c) || c == '_' || c == '-';
}

/* Labels joined by dots, nothing else. */
static bool labels_valid(const char *name, size_t len)
{
    size_t label = 0;

    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!is_label_char(name[i]) || (label == 0 && name[i] == '-') || ++label > LABEL_MAX) {
            return false;
        }
    }
    return label > 0;
}

bool api_host_valid(const char *host)
{
    size_t len = strlen(host);
    size_t without_dots = len;
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET6, host, address) == 1) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        without_dots -= host[i] == '.';
    }
    if (len == 0 || without_dots > HOST_MAX) {
        return false;
    }
    if (labels_valid(host, len)) {
        return true;
    }
    return (host[len - 1] == '.' || host[len - 1] == '_') && labels_valid(host, len - 1);
}

bool api_invalid_count(struct buf *list, const char *field, size_t n, size_t max)
{
    if (n > max) {
        api_invalid(list, field, "too many items specified (%zu), up to %zu supported", n, max);
    }
    return n > max;
}

void api_invalid_hosts(struct buf *list, const char *field, const struct store_strs *hosts)
{
    CLEANUP(buf_fini) struct buf all = BUF_INIT;
    bool valid = true;

    if (hosts->n == 0) {
        api_invalid(list, field, "cannot be blank");
        return;
    }
    if (api_invalid_count(list, field, hosts->n, HOSTS_MAX)) {
        return;
    }
    for (size_t i = 0; i < hosts->n; i++) {
        valid = valid && api_host_valid(hosts->items[i]);
        buf_printf(&all, "%s%s", i > 0 ? " " : "", hosts->items[i]);
    }
    if (!valid) {
        api_invalid(list, field, "[%s] is not a valid %s hostname", buf_str(&all), field);
    }
}

static size_t count_characters(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

static bool all_in(const char *text, const char *extra)
{
    for (; *text != '\0'; text++) {
        if (!is_alnum(*text) && strchr(extra, *text) == NULL) {
            return false;
        }
    }
    return true;
}

void api_invalid_tags(struct buf *list, const struct store_tags *tags)
{
    if (tags->n > TAGS_MAX) {
        api_invalid(list, "tags", "too many tags specified (%zu), up to %d supported", tags->n, TAGS_MAX);
        return;
    }
    for (size_t i = 0; i < tags->n; i++) {
        const char *name = tags->items[i].name;

        if (*name == '\0') {
            api_invalid(list, "tags", "tag names may not be empty");
            return;
        }
        if (count_characters(name) > TAG_NAME_MAX) {
            api_invalid(list, "tags", "tag name %s: the length must be between 1 and %d", name, TAG_NAME_MAX);
            return;
        }
        if (count_characters(tags->items[i].value) > TAG_VALUE_MAX) {
            api_invalid(list, "tags", "value of tag %s: the length must be no more than %d", name, TAG_VALUE_MAX);
            return;
        }
        if (!all_in(name, "_.-")) {
            api_invalid(list, "tags", "invalid characters in tag name %s", name);
            return;
        }
    }
}

void api_invalid_device_name(struct buf *list, const char *field, const char *name)
{
    if (*name == '\0') {
        api_invalid(list, field, "cannot be blank");
    } else if (name[0] != '/' || name[1] == '\0' || !all_in(name + 1, "_.:/-")) {
        api_invalid(list, field, "must be in a valid format");
    } else if (strlen(name) > STORE_PATH_MAX) {
        api_invalid(list, field, "the length must be no more than %d", STORE_PATH_MAX);
    }
}

void api_invalid_volume_name(struct buf *list, const char *field, const char *name)
{
    if (!all_in(name, "_-")) {
        api_invalid(list, field, "must be in a valid format");
    } else if (strlen(name) > STORE_PATH_MAX) {
        api_invalid(list, field, "the length must be no more than %d", STORE_PATH_MAX);
    } else if (*name == '-') {
        api_invalid(list, field, "must not begin with \"-\": programs on the nodes would take it for an option");
    } else if (store_is_reserved_name(name)) {
        api_invalid(list, field, "must not be \"%s\", which is a word of Gluster's own", name);
    }
}

void api_invalid_options(struct buf *list, const char *field, const struct store_strs *options)
{
    struct err err = ERR_INIT;

    if (store_options_check(options, &err) != 0) {
        api_invalid(list, field, "%s", err.message);
    }
}

void api_invalid_clusters(struct buf *list, const char *field, const struct store_strs *clusters)
{
    if (api_invalid_count(list, field, clusters->n, CLUSTERS_MAX)) {
        return;
    }
    for (size_t i = 0; i < clusters->n; i++) {
        if (strlen(clusters->items[i]) > CLUSTER_BYTES_MAX) { /* what is no id otherwise is looked up, and not found */
            api_invalid(list, field, "item %zu: the length must be no more than %d", i + 1, CLUSTER_BYTES_MAX);
            return;
        }
    }
}
