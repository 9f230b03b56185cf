#include "daemon/executor/xml.h"

#include <errno.h>
#include <expat.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/grow.h"
#include "daemon/executor/xml_memory.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define NESTED_MAX 4 /* lists in lists, with the answer itself */
#define NO_OWNER SIZE_MAX
#define XML_INSIDE_MAX (4 * XML_BYTES_MAX) /* it copies what it is given at once */
#define XML_TAKINGS_MAX ((size_t)1024)
#define XML_STREAM_INSIDE_MAX ((size_t)1 << 20)

struct open_item {
    void *item;
    size_t rule; /* NO_OWNER: the answer */
    unsigned depth;
    uint64_t seen; /* rules */
};

struct reader {
    XML_Parser parser;
    const struct xml_rule *rules;
    size_t n_rules;
    size_t lengths[XML_RULES_MAX], owners[XML_RULES_MAX];
    struct buf path, text;
    size_t marks[XML_DEPTH_MAX]; /* length of the path outside of the element */
    unsigned depth;
    struct open_item open[NESTED_MAX];
    unsigned n_open;
    const struct xml_rule *leaf; /* whose text is being read */
    unsigned leaf_depth;
    size_t items, items_max;       /* in all */
    size_t list_max;               /* of each list */
    size_t elements, elements_max; /* with attributes */
    size_t events, events_max;     /* that are no elements */
    size_t markup, markup_max;     /* bytes of what is no text */
    size_t kept, kept_max;         /* bytes of items and texts */
    struct xml_memory memory;
    int rc;
    struct err err;
};

#define FAIL(reader, ...)                                                    \
    do {                                                                     \
        if ((reader)->rc == 0) {                                             \
            (reader)->rc = err_set(&(reader)->err, E_PROTOCOL, __VA_ARGS__); \
            (void)XML_StopParser((reader)->parser, XML_FALSE);               \
        }                                                                    \
    } while (0)

/* ---- rules ---- */

static bool inside(const char *path, const char *list)
{
    size_t len = strlen(list);

    return strncmp(path, list, len) == 0 && (path[len] == '/' || path[len] == '@');
}

/* The innermost list that a rule lies in. */
static size_t owner_of(const struct xml_rule *rules, size_t n_rules, size_t rule)
{
    size_t owner = NO_OWNER;

    for (size_t i = 0; i < n_rules; i++) {
        if (rules[i].kind == XML_LIST && inside(rules[rule].path, rules[i].path) &&
            (owner == NO_OWNER || inside(rules[i].path, rules[owner].path))) {
            owner = i;
        }
    }
    return owner;
}

static void *at(void *item, size_t offset)
{
    return (char *)item + offset;
}

static void *get_pointer(void *item, size_t offset)
{
    void *pointer;

    memcpy(&pointer, at(item, offset), sizeof(pointer));
    return pointer;
}

static void free_item(const struct xml_rule *rules, const size_t *owners, size_t n_rules, size_t owner, void *item)
{
    for (size_t i = 0; i < n_rules; i++) {
        if (owners[i] != owner || (rules[i].kind != XML_TEXT && rules[i].kind != XML_LIST)) {
            continue;
        }
        if (rules[i].kind == XML_LIST) {
            size_t n = *(size_t *)at(item, rules[i].n_offset);

            for (size_t j = 0; j < n; j++) {
                free_item(rules, owners, n_rules, i, at(get_pointer(item, rules[i].offset), j * rules[i].size));
            }
        }
        free(get_pointer(item, rules[i].offset));
    }
}

void xml_free(const struct xml_rule *rules, size_t n_rules, void *answer, size_t size)
{
    size_t owners[XML_RULES_MAX];

    CHECK(n_rules <= XML_RULES_MAX);
    for (size_t i = 0; i < n_rules; i++) {
        owners[i] = owner_of(rules, n_rules, i);
    }
    free_item(rules, owners, n_rules, NO_OWNER, answer);
    memset(answer, 0, size);
}

/* ---- items ---- */

static void keep(struct reader *reader, size_t bytes)
{
    reader->kept += bytes;
    if (reader->kept > reader->kept_max) {
        FAIL(reader, "there is more than %zu bytes to keep of it", reader->kept_max);
    }
}

static void *add_item(struct reader *reader, const struct xml_rule *rule, void *owner)
{
    size_t *n = at(owner, rule->n_offset);
    void *items = grow(get_pointer(owner, rule->offset), *n, reader->list_max, rule->size);
    void *item;

    memcpy(at(owner, rule->offset), &items, sizeof(items));
    item = at(items, (*n)++ * rule->size);
    memset(item, 0, rule->size);
    reader->items++;
    keep(reader, rule->size);
    return item;
}

static void open_item(struct reader *reader, size_t index, void *item)
{
    CHECK(reader->n_open < NESTED_MAX);
    reader->open[reader->n_open++] = (struct open_item){.item = item, .rule = index, .depth = reader->depth};
}

/* What is needed was there; texts that were not are "", counts -1. */
static void close_item(struct reader *reader)
{
    const struct open_item *open = &reader->open[--reader->n_open];

    for (size_t i = 0; i < reader->n_rules; i++) {
        const struct xml_rule *rule = &reader->rules[i];

        if (reader->owners[i] != open->rule) {
            continue;
        }
        if (rule->needed && (open->seen & ((uint64_t)1 << i)) == 0) {
            FAIL(reader, "%s is missing", rule->path);
        }
        if (rule->kind == XML_TEXT && get_pointer(open->item, rule->offset) == NULL) {
            char *empty = mem_strdup("");

            memcpy(at(open->item, rule->offset), &empty, sizeof(empty));
        }
        if (rule->kind == XML_COUNT && (open->seen & ((uint64_t)1 << i)) == 0) {
            *(int64_t *)at(open->item, rule->offset) = -1;
        }
    }
}

static bool to_number(const char *text, int64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

static void store_value(struct reader *reader, const struct xml_rule *rule, const char *text)
{
    size_t index = (size_t)(rule - reader->rules);
    struct open_item *open = &reader->open[reader->n_open - 1];
    uint64_t bit = (uint64_t)1 << index;
    int64_t number;

    if ((open->seen & bit) != 0) { /* the first one counts, unless decisions hang on it */
        if (rule->needed) {
            FAIL(reader, "%s occurs twice", rule->path);
        }
        return;
    }
    open->seen |= bit;
    switch (rule->kind) {
    case XML_TEXT: {
        char *copy = mem_strdup(text);

        memcpy(at(open->item, rule->offset), &copy, sizeof(copy));
        keep(reader, strlen(text) + sizeof(void *) * 2);
        break;
    }
    case XML_NUMBER:
        if (!to_number(text, &number)) {
            FAIL(reader, "%s is '%.64s', expected a number", rule->path, text);
            return;
        }
        *(int64_t *)at(open->item, rule->offset) = number;
        break;
    case XML_COUNT:
        *(int64_t *)at(open->item, rule->offset) = to_number(text, &number) && number >= 0 ? number : -1;
        break;
    case XML_FLAG:
        *(bool *)at(open->item, rule->offset) = *text != '\0' && strcmp(text, "0") != 0;
        break;
    case XML_IS_1:
        *(bool *)at(open->item, rule->offset) = strcmp(text, "1") == 0;
        break;
    case XML_LIST:
        break;
    }
}

/* ---- what expat tells ---- */

static const struct xml_rule *find_rule(const struct reader *reader)
{
    for (size_t i = 0; i < reader->n_rules; i++) {
        if (reader->lengths[i] == reader->path.len &&
            memcmp(reader->rules[i].path, reader->path.data, reader->path.len) == 0) {
            return &reader->rules[i];
        }
    }
    return NULL;
}

static void cut_path(struct buf *path, size_t len)
{
    path->len = len;
    path->data[len] = '\0';
}

/* The text of the present element is wanted. */
static void begin_leaf(struct reader *reader, const struct xml_rule *rule)
{
    if (rule != NULL) {
        buf_clear(&reader->text);
        reader->leaf = rule;
        reader->leaf_depth = reader->depth;
    }
}

static void begin_item(struct reader *reader, const struct xml_rule *rule)
{
    size_t len = reader->path.len;

    void *owner = reader->open[reader->n_open - 1].item;

    size_t n = *(size_t *)at(owner, rule->n_offset);
    size_t max = reader->n_open > 1 && GROW_COPIED_MAX < reader->list_max ? GROW_COPIED_MAX : reader->list_max;

    if (reader->items >= reader->items_max || n >= max) {
        FAIL(reader, "there are more than %zu items", n >= max ? max : reader->items_max);
        return;
    }
    open_item(reader, (size_t)(rule - reader->rules), add_item(reader, rule, owner));
    buf_append_str(&reader->path, "/.");
    begin_leaf(reader, find_rule(reader));
    cut_path(&reader->path, len);
}

static void read_attributes(struct reader *reader, const char **attributes)
{
    size_t len = reader->path.len;

    for (; *attributes != NULL; attributes += 2) {
        const struct xml_rule *rule;

        buf_append_char(&reader->path, '@');
        buf_append_str(&reader->path, attributes[0]);
        rule = find_rule(reader);
        if (rule != NULL && strlen(attributes[1]) <= XML_TEXT_MAX) {
            store_value(reader, rule, attributes[1]);
        }
        cut_path(&reader->path, len);
    }
}

static bool has_fit_names(struct reader *reader, const char *name, const char **attributes)
{
    size_t len = strlen(name);

    for (; *attributes != NULL && len <= XML_NAME_MAX; attributes += 2) {
        len = strlen(*attributes);
    }
    if (len > XML_NAME_MAX) {
        FAIL(reader, "a name is longer than %zu bytes", XML_NAME_MAX);
    }
    return len <= XML_NAME_MAX;
}

/* What is no text takes several times as long. */
static bool count_markup(struct reader *reader)
{
    reader->markup += (size_t)XML_GetCurrentByteCount(reader->parser);
    if (reader->markup > reader->markup_max) {
        FAIL(reader, "there are more than %zu bytes of tags, comments and instructions", reader->markup_max);
        return false;
    }
    return true;
}

static void on_start(void *user, const char *name, const char **attributes)
{
    struct reader *reader = user;
    const struct xml_rule *rule;

    if (reader->depth == XML_DEPTH_MAX) {
        FAIL(reader, "elements are nested deeper than %d", XML_DEPTH_MAX);
        return;
    }
    reader->elements++;
    for (const char **attribute = attributes; *attribute != NULL; attribute += 2) {
        reader->elements++;
    }
    if (reader->elements > reader->elements_max) {
        FAIL(reader, "there are more than %zu elements and attributes", reader->elements_max);
        return;
    }
    if (!count_markup(reader) || !has_fit_names(reader, name, attributes)) {
        return;
    }
    reader->marks[reader->depth++] = reader->path.len;
    if (reader->path.len > 0) {
        buf_append_char(&reader->path, '/');
    }
    buf_append_str(&reader->path, name);
    rule = find_rule(reader);
    if (rule != NULL && rule->kind == XML_LIST) {
        begin_item(reader, rule);
    } else {
        begin_leaf(reader, rule);
    }
    read_attributes(reader, attributes);
}

/* Each takes its time, however short it is: expat ends a text at each end of a line, and behind it. */
static bool count_event(struct reader *reader)
{
    if (++reader->events > reader->events_max) {
        FAIL(reader, "there are more than %zu pieces of text, comments and instructions", reader->events_max);
        return false;
    }
    return true;
}

static void on_text(void *user, const char *text, int len)
{
    struct reader *reader = user;

    if (!count_event(reader)) {
        return;
    }
    if (reader->leaf == NULL || reader->leaf_depth != reader->depth) {
        return;
    }
    if (reader->text.len + (size_t)len > XML_TEXT_MAX) {
        FAIL(reader, "%s is longer than %zu bytes", reader->leaf->path, XML_TEXT_MAX);
        return;
    }
    buf_append(&reader->text, text, (size_t)len);
}

static void on_end(void *user, const char *name)
{
    struct reader *reader = user;

    (void)name;
    if (reader->rc != 0) {
        return;
    }
    if (reader->leaf != NULL && reader->leaf_depth == reader->depth) {
        store_value(reader, reader->leaf, buf_str(&reader->text));
        reader->leaf = NULL;
    }
    if (reader->n_open > 1 && reader->open[reader->n_open - 1].depth == reader->depth) {
        close_item(reader);
    }
    cut_path(&reader->path, reader->marks[--reader->depth]);
}

static void on_comment(void *user, const char *text)
{
    (void)text;
    (void)(count_event(user) && count_markup(user));
}

static void on_instruction(void *user, const char *target, const char *text)
{
    (void)target, (void)text;
    (void)(count_event(user) && count_markup(user));
}

static void on_section(void *user) /* it may have no text */
{
    (void)count_event(user);
}

static void on_doctype(void *user, const char *name, const char *system_id, const char *public_id, int internal)
{
    struct reader *reader = user;

    (void)name, (void)system_id, (void)public_id, (void)internal;
    FAIL(reader, "a document type has no place there");
}

/* ---- reading ---- */

static void reader_init(struct reader *reader, const struct xml_rule *rules, size_t n_rules, void *answer, size_t size)
{
    CHECK(n_rules <= XML_RULES_MAX);
    memset(answer, 0, size);
    reader->rules = rules;
    reader->n_rules = n_rules;
    for (size_t i = 0; i < n_rules; i++) {
        reader->lengths[i] = strlen(rules[i].path);
        reader->owners[i] = owner_of(rules, n_rules, i);
    }
    xml_memory_use(&reader->memory);
    reader->parser = XML_ParserCreate_MM(NULL, &xml_memory_functions, NULL);
    xml_memory_use(NULL);
    CHECK(reader->parser != NULL);
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
    XML_SetCommentHandler(reader->parser, on_comment);
    XML_SetProcessingInstructionHandler(reader->parser, on_instruction);
    XML_SetStartCdataSectionHandler(reader->parser, on_section);
    XML_SetStartDoctypeDeclHandler(reader->parser, on_doctype);
    open_item(reader, NO_OWNER, answer);
}

static void parse(struct reader *reader, const char *text, size_t len, bool last)
{
    CHECK(len <= XML_BYTES_MAX);
    if (reader->rc != 0) {
        return;
    }
    xml_memory_use(&reader->memory);
    if (XML_Parse(reader->parser, text, (int)len, last ? XML_TRUE : XML_FALSE) != XML_STATUS_OK) {
        FAIL(reader, "no XML: %s in line %lu", XML_ErrorString(XML_GetErrorCode(reader->parser)),
             (unsigned long)XML_GetCurrentLineNumber(reader->parser));
    }
    xml_memory_use(NULL);
}

/* The last items are closed; the reader is empty, but for what it has to say. */
static int reader_end(struct reader *reader, struct err *reterr)
{
    while (reader->rc == 0 && reader->n_open > 0) {
        close_item(reader);
    }
    XML_ParserFree(reader->parser);
    buf_fini(&reader->path);
    buf_fini(&reader->text);
    return reader->rc == 0 ? 0 : err_set(reterr, reader->rc, "%s", reader->err.message);
}

/* A tag is read at once, with all its attributes. */
static bool has_long_tag(const char *text, size_t len)
{
    const char *end;

    for (; len > XML_TAG_MAX; len -= (size_t)(end + 1 - text), text = end + 1) {
        end = memchr(text, '>', XML_TAG_MAX);
        if (end == NULL) {
            return true;
        }
    }
    return false;
}

int xml_read(const struct xml_rule *rules, size_t n_rules, const char *text, size_t len, void *answer, size_t size,
             struct err *reterr)
{
    struct reader reader = {.items_max = XML_ITEMS_MAX,
                            .list_max = XML_ITEMS_MAX,
                            .elements_max = XML_ELEMENTS_MAX,
                            .events_max = XML_EVENTS_MAX,
                            .markup_max = XML_MARKUP_MAX,
                            .memory.times_max = XML_TAKINGS_MAX,
                            .kept_max = SIZE_MAX,
                            .memory.bytes_max = XML_INSIDE_MAX};
    int rc;

    if (len > XML_BYTES_MAX) {
        memset(answer, 0, size);
        return err_set(reterr, E_PROTOCOL, "more than %zu bytes", XML_BYTES_MAX);
    }
    if (has_long_tag(text, len)) {
        memset(answer, 0, size);
        return err_set(reterr, E_PROTOCOL, "more than %zu bytes up to the end of a tag", XML_TAG_MAX);
    }
    reader_init(&reader, rules, n_rules, answer, size);
    parse(&reader, text, len, true);
    rc = reader_end(&reader, reterr);
    if (rc != 0) {
        xml_free(rules, n_rules, answer, size);
    }
    return rc;
}

struct xml_stream {
    struct reader reader;
};

struct xml_stream *xml_stream_new(const struct xml_rule *rules, size_t n_rules, size_t kept_max, void *answer,
                                  size_t size)
{
    struct xml_stream *stream = mem_calloc(1, sizeof(*stream));

    stream->reader.items_max = stream->reader.elements_max = stream->reader.events_max = SIZE_MAX;
    stream->reader.markup_max = stream->reader.memory.times_max = SIZE_MAX;
    stream->reader.list_max = XML_STREAM_LIST_MAX;
    stream->reader.kept_max = kept_max;
    stream->reader.memory.bytes_max = XML_STREAM_INSIDE_MAX;
    reader_init(&stream->reader, rules, n_rules, answer, size);
    return stream;
}

int xml_stream_piece(struct xml_stream *stream, const char *data, size_t len, struct err *reterr)
{
    parse(&stream->reader, data, len, false);
    return stream->reader.rc == 0 ? 0 : err_set(reterr, stream->reader.rc, "%s", stream->reader.err.message);
}

size_t xml_stream_kept(const struct xml_stream *stream)
{
    return stream->reader.kept;
}

int xml_stream_end(struct xml_stream *stream, struct err *reterr)
{
    int rc;

    parse(&stream->reader, "", 0, true);
    rc = reader_end(&stream->reader, reterr);
    free(stream);
    return rc;
}
