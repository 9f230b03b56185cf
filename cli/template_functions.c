/* Functions of templates. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/template.h"
#include "store/base/check.h"

#define WIDTH_MAX 4096

static bool is_number(const struct value *value)
{
    return value->type->kind == TYPE_INT || value->type->kind == TYPE_FLOAT;
}

/* -1, 0, 1; false when the two cannot be compared. */
static bool compare(const struct value *a, const struct value *b, int *ret_order)
{
    if (is_number(a) && is_number(b)) {
        double x = json_number_value(a->json), y = json_number_value(b->json);

        *ret_order = (x > y) - (x < y);
        return true;
    }
    if (a->type->kind != b->type->kind || (a->type->kind != TYPE_STRING && a->type->kind != TYPE_BOOL)) {
        return false;
    }
    if (a->type->kind == TYPE_BOOL) {
        *ret_order = (int)json_is_true(a->json) - (int)json_is_true(b->json);
        return true;
    }
    *ret_order = strcmp(js_text(a->json), js_text(b->json));
    return true;
}

static bool give_bool(struct value *ret_value, bool value)
{
    *ret_value = value_own(&type_bool, json_boolean(value));
    return true;
}

static bool want(size_t n, size_t least, size_t most, struct buf *ret_problem)
{
    if (n < least || n > most) {
        buf_printf(ret_problem, "wrong number of args: want %s%zu got %zu", most > least ? "at least " : "", least, n);
        return false;
    }
    return true;
}

/* The first argument against one of the others: is the order one of these? */
static bool any_order(const struct value *args, size_t n, bool less, bool equal, bool more, struct value *ret_value,
                      struct buf *ret_problem)
{
    bool found = false;

    for (size_t i = 1; i < n; i++) {
        int order;

        if (!compare(&args[0], &args[i], &order)) {
            buf_append_str(ret_problem, "incompatible types for comparison");
            return false;
        }
        found = found || (order < 0 ? less : order > 0 ? more : equal);
    }
    return give_bool(ret_value, found);
}

static bool fn_eq(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    return want(n, 2, SIZE_MAX, ret_problem) && any_order(args, n, false, true, false, ret_value, ret_problem);
}

#define ORDER_FUNCTION(name, less, equal, more)                                                             \
    static bool name(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)  \
    {                                                                                                       \
        return want(n, 2, 2, ret_problem) && any_order(args, n, less, equal, more, ret_value, ret_problem); \
    }

ORDER_FUNCTION(fn_ne, true, false, true)
ORDER_FUNCTION(fn_lt, true, false, false)
ORDER_FUNCTION(fn_le, true, true, false)
ORDER_FUNCTION(fn_gt, false, false, true)
ORDER_FUNCTION(fn_ge, false, true, true)

/* The first argument whose truth is the wanted one, else the last. */
static bool first_with(bool truth, const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    if (!want(n, 1, SIZE_MAX, ret_problem)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (value_truth(&args[i]) == truth || i + 1 == n) {
            *ret_value = value_copy(&args[i]);
            return true;
        }
    }
    return false;
}

static bool fn_and(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    return first_with(false, args, n, ret_value, ret_problem);
}

static bool fn_or(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    return first_with(true, args, n, ret_value, ret_problem);
}

static bool fn_not(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    return want(n, 1, 1, ret_problem) && give_bool(ret_value, !value_truth(&args[0]));
}

static bool fn_len(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    size_t len;

    if (!want(n, 1, 1, ret_problem)) {
        return false;
    }
    switch (args[0].type->kind) {
    case TYPE_STRING:
        len = strlen(js_text(args[0].json));
        break;
    case TYPE_LIST:
        len = json_array_size(args[0].json);
        break;
    case TYPE_MAP:
        len = json_object_size(args[0].json);
        break;
    default:
        buf_printf(ret_problem, "len of type %s", args[0].type->name);
        return false;
    }
    *ret_value = value_own(&type_int, json_integer((json_int_t)len));
    return true;
}

static bool index_once(const struct value *from, const struct value *index, struct value *ret_value,
                       struct buf *ret_problem)
{
    if (from->type->kind == TYPE_LIST && index->type->kind == TYPE_INT) {
        json_int_t at = json_integer_value(index->json);

        if (at < 0 || (size_t)at >= json_array_size(from->json)) {
            buf_printf(ret_problem, "index out of range: %lld", (long long)at);
            return false;
        }
        *ret_value = value_make(from->type->element, json_array_get(from->json, (size_t)at));
        return true;
    }
    if (from->type->kind == TYPE_MAP && index->type->kind == TYPE_STRING) {
        *ret_value = value_make(from->type->element, json_object_get(from->json, js_text(index->json)));
        return true;
    }
    buf_printf(ret_problem, "can't index item of type %s with %s", from->type->name, index->type->name);
    return false;
}

static bool fn_index(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    struct value at;

    if (!want(n, 1, SIZE_MAX, ret_problem)) {
        return false;
    }
    at = value_copy(&args[0]);
    for (size_t i = 1; i < n; i++) {
        struct value next;
        bool good = index_once(&at, &args[i], &next, ret_problem);

        value_fini(&at);
        if (!good) {
            return false;
        }
        at = next;
    }
    *ret_value = at;
    return true;
}

static bool give_text(struct value *ret_value, struct buf *text)
{
    *ret_value = value_own(&type_string, json_stringn_nocheck(text->data != NULL ? text->data : "", text->len));
    buf_fini(text);
    return true;
}

/* As Go: a blank between two operands that are both no strings (println: between all). */
static bool fn_print(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    struct buf text = BUF_INIT;

    (void)ret_problem;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && args[i].type->kind != TYPE_STRING && args[i - 1].type->kind != TYPE_STRING) {
            buf_append_char(&text, ' ');
        }
        value_print(&text, &args[i]);
    }
    return give_text(ret_value, &text);
}

static bool fn_println(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    struct buf text = BUF_INIT;

    (void)ret_problem;
    for (size_t i = 0; i < n; i++) {
        buf_append_str(&text, i > 0 ? " " : "");
        value_print(&text, &args[i]);
    }
    buf_append_char(&text, '\n');
    return give_text(ret_value, &text);
}

struct verb {
    char name;
    bool left, zeros, plus;
    long width, precision; /* negative: none */
};

static void append_padded(struct buf *text, const struct verb *verb, const char *shown, bool number)
{
    size_t len = strlen(shown), width = verb->width > 0 ? (size_t)verb->width : 0;
    bool zeros = verb->zeros && number && !verb->left, sign = zeros && (*shown == '-' || *shown == '+');

    if (sign) {
        buf_append_char(text, *shown);
    }
    for (size_t i = len; i < width && !verb->left; i++) {
        buf_append_char(text, zeros ? '0' : ' ');
    }
    buf_append_str(text, sign ? shown + 1 : shown);
    for (size_t i = len; i < width && verb->left; i++) {
        buf_append_char(text, ' ');
    }
}

static bool show_number(struct buf *shown, const struct verb *verb, const struct value *arg)
{
    int digits = verb->precision >= 0 ? (int)verb->precision : 6;
    double number = json_number_value(arg->json);

    if (verb->plus && number >= 0) {
        buf_append_char(shown, '+');
    }
    switch (arg->type->kind == TYPE_INT ? (verb->name == 'd' || verb->name == 'x' ? verb->name : 0)
                                        : (strchr("feg", verb->name) != NULL ? verb->name : 0)) {
    case 'd':
        buf_printf(shown, "%lld", (long long)json_integer_value(arg->json));
        return true;
    case 'x':
        buf_printf(shown, "%llx", (long long)json_integer_value(arg->json));
        return true;
    case 'f':
        buf_printf(shown, "%.*f", digits, number);
        return true;
    case 'e':
        buf_printf(shown, "%.*e", digits, number);
        return true;
    case 'g':
        buf_printf(shown, "%.*g", verb->precision >= 0 ? digits : 9, number);
        return true;
    default:
        return false;
    }
}

static void format(struct buf *text, const struct verb *verb, const struct value *arg)
{
    enum type_kind kind = arg->type->kind;
    bool number = kind == TYPE_INT || kind == TYPE_FLOAT;
    struct buf shown = BUF_INIT;

    if (verb->name == 'v' || (verb->name == 's' && !number && kind != TYPE_BOOL) ||
        (verb->name == 't' && kind == TYPE_BOOL)) {
        value_print(&shown, arg);
        if (verb->precision >= 0 && (size_t)verb->precision < shown.len) {
            shown.len = (size_t)verb->precision;
            shown.data[shown.len] = '\0';
        }
    } else if (verb->name == 'q' && kind == TYPE_STRING) {
        char *quoted = json_dumps(arg->json, JSON_ENCODE_ANY);

        buf_append_str(&shown, quoted != NULL ? quoted : "");
        free(quoted);
    } else if (!number || !show_number(&shown, verb, arg)) {
        buf_fini(&shown);
        buf_printf(&shown, "%%!%c(%s=", verb->name, arg->type->name);
        value_print(&shown, arg);
        buf_append_char(&shown, ')');
    }
    append_padded(text, verb, buf_str(&shown), number);
    buf_fini(&shown);
}

static long clamp(long width)
{
    return width < WIDTH_MAX ? width : WIDTH_MAX;
}

/* What follows a percent sign; the place after it. */
static const char *parse_verb(const char *at, struct verb *ret_verb)
{
    char *end;

    *ret_verb = (struct verb){.precision = -1};
    for (; *at != '\0' && strchr("-+0", *at) != NULL; at++) {
        ret_verb->left = ret_verb->left || *at == '-';
        ret_verb->plus = ret_verb->plus || *at == '+';
        ret_verb->zeros = ret_verb->zeros || *at == '0';
    }
    ret_verb->width = clamp(strtol(at, &end, 10));
    at = end;
    if (*at == '.') {
        ret_verb->precision = clamp(strtol(at + 1, &end, 10));
        at = end;
    }
    ret_verb->name = *at;
    return *at != '\0' ? at + 1 : at;
}

static bool fn_printf(const struct value *args, size_t n, struct value *ret_value, struct buf *ret_problem)
{
    struct buf text = BUF_INIT;
    size_t next = 1;
    const char *at;

    if (!want(n, 1, SIZE_MAX, ret_problem)) {
        return false;
    }
    if (args[0].type->kind != TYPE_STRING) {
        buf_append_str(ret_problem, "wrong type for value; expected string");
        return false;
    }
    for (at = js_text(args[0].json); *at != '\0';) {
        struct verb verb;

        if (*at != '%') {
            buf_append_char(&text, *at++);
            continue;
        }
        at = parse_verb(at + 1, &verb);
        if (verb.name == '%') {
            buf_append_char(&text, '%');
        } else if (verb.name == '\0') {
            buf_append_str(&text, "%!(NOVERB)");
        } else if (next >= n) {
            buf_printf(&text, "%%!%c(MISSING)", verb.name);
        } else {
            format(&text, &verb, &args[next++]);
        }
    }
    return give_text(ret_value, &text);
}

template_fn template_function(const char *name, size_t len)
{
    static const struct {
        const char *name;
        template_fn fn;
    } functions[] = {{"and", fn_and},       {"or", fn_or},          {"not", fn_not},     {"eq", fn_eq},
                     {"ne", fn_ne},         {"lt", fn_lt},          {"le", fn_le},       {"gt", fn_gt},
                     {"ge", fn_ge},         {"len", fn_len},        {"index", fn_index}, {"print", fn_print},
                     {"printf", fn_printf}, {"println", fn_println}};

    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0) {
            return functions[i].fn;
        }
    }
    return NULL;
}
