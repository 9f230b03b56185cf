#include "daemon/executor/block_json.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/json_few.h"
#include "store/base/mem.h"
#include "store/words.h"

#define TEXT_MAX ((size_t)4096)
#define GIB (UINT64_C(1) << 30)

/* ---- sizes ---- */

/* 1 for "B" or nothing, 1024 for "KiB", ...; 0: no unit. */
static uint64_t unit_bytes(const char *text)
{
    static const char units[] = "BKMGTPE";
    const char *unit;
    uint64_t bytes = 1;

    if (*text == '\0') {
        return 1;
    }
    unit = strchr(units, toupper((unsigned char)*text));
    if (unit == NULL) {
        return 0;
    }
    for (const char *p = units; p < unit; p++) {
        bytes *= 1024;
    }
    text++;
    return *text == '\0' || (unit != units && (strcmp(text, "iB") == 0 || strcmp(text, "B") == 0)) ? bytes : 0;
}

bool block_size_parse(const char *text, struct block_size *ret_size)
{
    uint64_t number = 0, unit, tenths = 0, digits = 0;

    for (; isdigit((unsigned char)*text) && digits < 12; text++, digits++) {
        number = 10 * number + (uint64_t)(*text - '0');
    }
    if (digits == 0 || isdigit((unsigned char)*text)) {
        return false;
    }
    if (*text == '.') {
        if (!isdigit((unsigned char)text[1])) {
            return false;
        }
        tenths = (uint64_t)(text[1] - '0');
        for (text += 2; isdigit((unsigned char)*text); text++) {
        }
    }
    text += strspn(text, " ");
    unit = unit_bytes(text);
    if (unit == 0 || number > UINT64_MAX / unit / 4) {
        return false;
    }
    number = number * unit + tenths * unit / 10; /* at most 9 * 2^60 more */
    /* One digit behind the point, rounded: half a tenth either way, and a little for the rounding above. */
    ret_size->low = unit > 1 && number > unit / 16 ? number - unit / 16 : number;
    ret_size->high = unit > 1 ? number + unit / 16 : number;
    return true;
}

bool block_size_is(const struct block_size *size, uint32_t gib)
{
    return size->high > 0 && size->low <= gib * GIB && gib * GIB <= size->high;
}

uint32_t block_size_gib(const struct block_size *size)
{
    uint64_t gib = (size->low / 2 + size->high / 2) / GIB;

    return gib < UINT32_MAX ? (uint32_t)gib : UINT32_MAX;
}

/* ---- members; an absent one is left as it is ---- */

static int wrong(const char *name, const char *expected, struct err *reterr)
{
    return err_set(reterr, E_PROTOCOL, "gluster-block's answer: expected %s as \"%s\"", expected, name);
}

static int get_text(const json_t *root, const char *name, const char **ret, struct err *reterr)
{
    const json_t *value = json_object_get(root, name);

    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value) || json_string_length(value) > TEXT_MAX) {
        return wrong(name, "a text", reterr);
    }
    *ret = json_string_value(value);
    return 0;
}

static int copy_text(const json_t *root, const char *name, char **ret, struct err *reterr)
{
    const char *text = "";
    int rc = get_text(root, name, &text, reterr);

    free(*ret);
    *ret = mem_strdup(text);
    return rc;
}

static int get_hosts(const json_t *root, const char *name, struct store_strs *ret, struct err *reterr)
{
    const json_t *list = json_object_get(root, name);

    if (list == NULL) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > BLOCK_JSON_HOSTS_MAX) {
        return wrong(name, "a list of hosts", reterr);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *host = json_array_get(list, i);

        if (!json_is_string(host) || !store_is_host(json_string_value(host))) {
            return wrong(name, "a list of hosts", reterr);
        }
        store_strs_add(ret, json_string_value(host));
    }
    return 0;
}

static int get_size(const json_t *value, const char *name, struct block_size *ret, struct err *reterr)
{
    const char *text = json_string_value(value);

    return text != NULL && block_size_parse(text, ret) ? 0 : wrong(name, "a size", reterr);
}

/* {"HOST": "1.0 GiB", ...}: hosts that have not grown. The size is null where it is not known. */
static int get_resize_failed(const json_t *root, struct block_answer *answer, struct err *reterr)
{
    static const char name[] = "RESIZE FAILED ON";
    json_t *map = json_object_get(root, name), *value;
    const char *host;

    if (map == NULL) {
        return 0;
    }
    if (!json_is_object(map) || json_object_size(map) > BLOCK_JSON_HOSTS_MAX) {
        return wrong(name, "hosts with their sizes", reterr);
    }
    json_object_foreach(map, host, value)
    {
        struct block_size size;

        answer->resize_failed = true;
        if (json_is_null(value)) {
            continue;
        }
        if (get_size(value, name, &size, reterr) != 0) {
            return E_PROTOCOL;
        }
        if (answer->smallest.high == 0 || size.high < answer->smallest.high) {
            answer->smallest = size;
        }
    }
    return 0;
}

/* ---- answers ---- */

static int load(const char *text, size_t len, json_t **ret_root, struct err *reterr)
{
    json_error_t error;
    struct err few = ERR_INIT;

    if (json_few(text, len, &few) != 0) {
        return err_set(reterr, E_PROTOCOL, "gluster-block's answer: %s", few.message);
    }
    *ret_root = json_loadb(text, len, 0, &error);
    if (!json_is_object(*ret_root)) {
        int at = *ret_root == NULL ? error.position : 0;

        json_decref(*ret_root);
        *ret_root = NULL;
        /* Without a piece of it: there may be a password in that. */
        return err_set(reterr, E_PROTOCOL, "gluster-block's answer is no JSON as expected (at byte %d)", at);
    }
    return 0;
}

static void append_hosts(struct block_answer *answer, const struct store_strs *hosts)
{
    for (size_t i = 0; i < hosts->n; i++) {
        char *longer = mem_printf("%s%s%s", answer->text,
                                  i > 0                   ? " "
                                  : *answer->text != '\0' ? "; failed on "
                                                          : "failed on ",
                                  hosts->items[i]);

        free(answer->text);
        answer->text = longer;
    }
}

/* RESULT and its company. Without a RESULT: whether it failed is told by errMsg or errCode alone. */
static int read_outcome(const json_t *root, bool result_needed, struct block_answer *answer, struct err *reterr)
{
    struct store_strs failed_on = {NULL, 0};
    const json_t *number = json_object_get(root, "errCode");
    const char *outcome = NULL;
    int rc = get_text(root, "RESULT", &outcome, reterr);

    rc = rc != 0 ? rc : copy_text(root, "errMsg", &answer->text, reterr);
    if (rc == 0 && number != NULL && !json_is_integer(number)) {
        rc = wrong("errCode", "a number", reterr);
    }
    if (rc == 0 && outcome == NULL && result_needed && *answer->text == '\0') {
        rc = wrong("RESULT", "a text", reterr);
    }
    rc = rc != 0 ? rc : get_hosts(root, "FAILED ON", &failed_on, reterr);
    if (rc == 0) {
        answer->number = json_integer_value(number);
        answer->failed =
            outcome != NULL ? strcmp(outcome, "SUCCESS") != 0 : *answer->text != '\0' || answer->number != 0;
        if (answer->failed) {
            append_hosts(answer, &failed_on);
        }
    }
    store_strs_fini(&failed_on);
    return rc;
}

static void init(struct block_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->text = mem_strdup("");
    answer->name = mem_strdup("");
    answer->volume = mem_strdup("");
    answer->gbid = mem_strdup("");
    answer->password = mem_strdup("");
}

int block_json_result(const char *text, size_t len, struct block_answer *answer, struct err *reterr)
{
    json_t *root = NULL;
    int rc;

    init(answer);
    rc = load(text, len, &root, reterr);
    rc = rc != 0 ? rc : read_outcome(root, true, answer, reterr);
    json_decref(root);
    if (rc != 0) {
        block_answer_fini(answer);
    }
    return rc;
}

static int read_info(const json_t *root, struct block_answer *answer, struct err *reterr)
{
    const json_t *ha_count = json_object_get(root, "HA");
    int rc = copy_text(root, "NAME", &answer->name, reterr);

    rc = rc != 0 ? rc : copy_text(root, "VOLUME", &answer->volume, reterr);
    rc = rc != 0 ? rc : copy_text(root, "GBID", &answer->gbid, reterr);
    rc = rc != 0 ? rc : copy_text(root, "PASSWORD", &answer->password, reterr);
    rc = rc != 0 ? rc : get_size(json_object_get(root, "SIZE"), "SIZE", &answer->size, reterr);
    if (rc == 0 && (!json_is_integer(ha_count) || json_integer_value(ha_count) < 0)) {
        rc = wrong("HA", "a number", reterr);
    }
    rc = rc != 0 ? rc : get_hosts(root, "EXPORTED ON", &answer->hosts, reterr);
    rc = rc != 0 ? rc : get_resize_failed(root, answer, reterr);
    if (rc == 0) {
        answer->ha_count = (uint64_t)json_integer_value(ha_count);
        answer->half_made = json_object_get(root, "ENCOUNTERED FAILURES ON") != NULL ||
                            answer->hosts.n < answer->ha_count || answer->size.high == 0;
    }
    return rc;
}

int block_json_info(const char *text, size_t len, struct block_answer *answer, struct err *reterr)
{
    json_t *root = NULL;
    int rc;

    init(answer);
    rc = load(text, len, &root, reterr);
    rc = rc != 0 ? rc : read_outcome(root, false, answer, reterr);
    if (rc == 0 && !answer->failed) {
        rc = read_info(root, answer, reterr);
    }
    json_decref(root);
    if (rc != 0) {
        block_answer_fini(answer);
    }
    return rc;
}

void block_answer_fini(struct block_answer *answer)
{
    if (answer->password != NULL) {
        explicit_bzero(answer->password, strlen(answer->password));
    }
    free(answer->text);
    free(answer->name);
    free(answer->volume);
    free(answer->gbid);
    free(answer->password);
    store_strs_fini(&answer->hosts);
    memset(answer, 0, sizeof(*answer));
}
