/* The bounded reader of XML: what it takes, and all that it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/grow.h"
#include "daemon/executor/xml.h"
#include "store/base/buf.h"
#include "store/base/mem.h"

struct leaf {
    char *text, *kind;
};

struct item {
    char *name;
    int64_t count, number;
    bool flag;
    struct leaf *leaves;
    size_t n_leaves;
};

struct answer {
    int64_t code;
    char *text;
    struct item *items;
    size_t n;
};

static const struct xml_rule rules[] = {
    {"a/code", XML_NUMBER, offsetof(struct answer, code), 0, 0, true},
    {"a/text", XML_TEXT, offsetof(struct answer, text), 0, 0, false},
    {"a/b", XML_LIST, offsetof(struct answer, items), offsetof(struct answer, n), sizeof(struct item), false},
    {"a/b/name", XML_TEXT, offsetof(struct item, name), 0, 0, true},
    {"a/b/count", XML_COUNT, offsetof(struct item, count), 0, 0, false},
    {"a/b/number", XML_NUMBER, offsetof(struct item, number), 0, 0, false},
    {"a/b/flag", XML_FLAG, offsetof(struct item, flag), 0, 0, false},
    {"a/b/c", XML_LIST, offsetof(struct item, leaves), offsetof(struct item, n_leaves), sizeof(struct leaf), false},
    {"a/b/c/.", XML_TEXT, offsetof(struct leaf, text), 0, 0, true},
    {"a/b/c@kind", XML_TEXT, offsetof(struct leaf, kind), 0, 0, false},
};
#define N (sizeof(rules) / sizeof(*rules))

static int read_text(const char *text, size_t len, struct answer *answer, struct err *err)
{
    return xml_read(rules, N, text, len, answer, sizeof(*answer), err);
}

static void test_fills_structs(void **state)
{
    static const char text[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<a><b><name>x &lt;&amp;y</name>"
        "<c kind=\"k\">one<d>not it</d></c><c>two</c><count>12</count><flag>1</flag></b><other><b>"
        "<name>skipped</name></b></other><code>-7</code><b><count>-</count><number>5</number>"
        "<name/><flag>0</flag><name2>n</name2></b></a>";
    struct answer answer;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(read_text(text, strlen(text), &answer, &err), 0);
    assert_int_equal(answer.code, -7);
    assert_string_equal(answer.text, "");
    assert_int_equal(answer.n, 2);
    assert_string_equal(answer.items[0].name, "x <&y");
    assert_int_equal(answer.items[0].count, 12);
    assert_true(answer.items[0].flag);
    assert_int_equal(answer.items[0].n_leaves, 2);
    assert_string_equal(answer.items[0].leaves[0].text, "one");
    assert_string_equal(answer.items[0].leaves[0].kind, "k");
    assert_string_equal(answer.items[0].leaves[1].text, "two");
    assert_string_equal(answer.items[0].leaves[1].kind, "");
    assert_string_equal(answer.items[1].name, "");
    assert_int_equal(answer.items[1].count, -1);
    assert_int_equal(answer.items[1].number, 5);
    assert_false(answer.items[1].flag);
    assert_int_equal(answer.items[1].n_leaves, 0);
    xml_free(rules, N, &answer, sizeof(answer));
    assert_int_equal(answer.n, 0);
    assert_null(answer.text);

    /* Cut anywhere: no answer. */
    for (size_t len = 0; len < strlen(text); len++) {
        CLEANUP(free_ptr) char *cut = mem_dup(text, len);

        assert_int_equal(read_text(cut, len, &answer, &err), E_PROTOCOL);
        assert_null(answer.items);
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "no XML: no element found in line 1"},
        {"Connection failed.", "no XML: syntax error in line 1"},
        {"<a><code>1</code></a><a/>", "no XML: junk after document element in line 1"},
        {"<a></a>", "a/code is missing"},
        {"<b><code>1</code></b>", "a/code is missing"},
        {"<a><code>1</code><b/></a>", "a/b/name is missing"},
        {"<a><code>0</code><code>1</code></a>", "a/code occurs twice"},
        {"<a><code></code></a>", "a/code is '', expected a number"},
        {"<a><code>1x</code></a>", "a/code is '1x', expected a number"},
        {"<a><code>99999999999999999999</code></a>", "a/code is '99999999999999999999', expected a number"},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]><a><code>1</code></a>", "a document type has no place there"},
        {"<a><code>1</code><text>&b;</text></a>", "no XML: undefined entity in line 1"},
        {"<a><code>1</code><text>\xff</text></a>", "no XML: not well-formed (invalid token) in line 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct answer answer;
        struct err err = ERR_INIT;

        assert_int_equal(read_text(cases[i].text, strlen(cases[i].text), &answer, &err), E_PROTOCOL);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(answer.n, 0);
        assert_null(answer.text);
    }
}

static void test_first_of_two_counts(void **state)
{
    static const char text[] = "<a><code>1</code><text>first</text><text>second</text></a>";
    struct answer answer;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(read_text(text, strlen(text), &answer, &err), 0);
    assert_string_equal(answer.text, "first");
    xml_free(rules, N, &answer, sizeof(answer));
}

static void repeat(struct buf *buf, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_append_str(buf, text);
    }
}

static void test_limits(void **state)
{
    CLEANUP(buf_fini) struct buf deep = BUF_INIT;
    CLEANUP(buf_fini) struct buf longest = BUF_INIT;
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    CLEANUP(buf_fini) struct buf large = BUF_INIT;
    CLEANUP(buf_fini) struct buf others = BUF_INIT;
    CLEANUP(buf_fini) struct buf attributes = BUF_INIT;
    CLEANUP(buf_fini) struct buf tag = BUF_INIT;
    struct answer answer;
    struct err err = ERR_INIT;

    (void)state;
    buf_append_str(&deep, "<a><code>1</code>");
    repeat(&deep, "<x>", XML_DEPTH_MAX);
    repeat(&deep, "</x>", XML_DEPTH_MAX);
    buf_append_str(&deep, "</a>");
    assert_int_equal(read_text(deep.data, deep.len, &answer, &err), E_PROTOCOL);
    assert_string_equal(err.message, "elements are nested deeper than 24");

    buf_append_str(&longest, "<a><code>1</code><text>");
    repeat(&longest, "y", XML_TEXT_MAX + 1);
    buf_append_str(&longest, "</text></a>");
    assert_int_equal(read_text(longest.data, longest.len, &answer, &err), E_PROTOCOL);
    assert_string_equal(err.message, "a/text is longer than 16384 bytes");

    buf_append_str(&many, "<a><code>1</code>");
    repeat(&many, "<b><name/></b>", XML_ITEMS_MAX + 1);
    buf_append_str(&many, "</a>");
    assert_int_equal(read_text(many.data, many.len, &answer, &err), E_PROTOCOL);
    assert_string_equal(err.message, "there are more than 10000 items");
    assert_int_equal(answer.n, 0);

    buf_append_str(&others, "<a><code>1</code>");
    repeat(&others, "<x/>", XML_ELEMENTS_MAX);
    buf_append_str(&others, "</a>");
    assert_int_equal(read_text(others.data, others.len, &answer, &err), E_PROTOCOL);
    assert_string_equal(err.message, "there are more than 32768 elements and attributes");

    buf_append_str(&attributes, "<a><code>1</code>");
    repeat(&attributes, "<x a='' b='' c=''/>", XML_ELEMENTS_MAX / 4);
    buf_append_str(&attributes, "</a>");
    assert_int_equal(read_text(attributes.data, attributes.len, &answer, &err), E_PROTOCOL);
    assert_string_equal(err.message, "there are more than 32768 elements and attributes");

    buf_append_str(&tag, "<a><code>1</code><x y='");
    repeat(&tag, "y", XML_TAG_MAX);
    buf_append_str(&tag, "'/></a>");
    assert_int_equal(read_text(tag.data, tag.len, &answer, &err), E_PROTOCOL);
    assert_string_equal(err.message, "more than 65536 bytes up to the end of a tag");

    buf_append_str(&large, "<a><code>1</code></a>");
    repeat(&large, "                ", XML_BYTES_MAX / 16);
    assert_int_equal(read_text(large.data, large.len, &answer, &err), E_PROTOCOL);
    assert_string_equal(err.message, "more than 4194304 bytes");
}

/* What has no end, or ever new names, is not collected. */
static void test_streams_are_bounded_inside(void **state)
{
    static const char *const begins[] = {"<a><!-- ", "<a><b c=\"", "<a><?p ", "<a><"};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++) {
        struct xml_stream *stream;
        struct answer answer;
        size_t sent = 0;
        char piece[16384];

        memset(piece, 'x', sizeof(piece));
        stream = xml_stream_new(rules, N, SIZE_MAX, &answer, sizeof(answer));
        assert_int_equal(xml_stream_piece(stream, begins[i], strlen(begins[i]), &err), 0);
        while (xml_stream_piece(stream, piece, sizeof(piece), &err) == 0) {
            sent += sizeof(piece);
            assert_true(sent <= (size_t)1 << 20);
        }
        assert_int_equal(xml_stream_end(stream, &err), E_PROTOCOL);
        xml_free(rules, N, &answer, sizeof(answer));
    }
}

static void test_streams_keep_no_names(void **state)
{
    struct err err = ERR_INIT;
    struct answer answer;
    struct xml_stream *stream = xml_stream_new(rules, N, SIZE_MAX, &answer, sizeof(answer));
    size_t n = 0;
    int rc = xml_stream_piece(stream, "<a>", 3, &err);

    (void)state;
    while (rc == 0) {
        char name[32];
        int len = snprintf(name, sizeof(name), "<n%zu/>", n++);

        rc = xml_stream_piece(stream, name, (size_t)len, &err);
        assert_true(n < 100000);
    }
    assert_int_equal(rc, E_PROTOCOL);
    assert_int_equal(xml_stream_end(stream, &err), E_PROTOCOL);
    xml_free(rules, N, &answer, sizeof(answer));
}

/* Of many items none is copied when another one comes. */
static void test_lists_grow_in_place(void **state)
{
    static const size_t max = 100000;
    int *items = NULL, *large = NULL;

    (void)state;
    for (size_t n = 0; n < max; n++) {
        items = grow(items, n, max, sizeof(*items));
        items[n] = (int)n;
        large = n == GROW_COPIED_MAX ? items : large;
        assert_true(n <= GROW_COPIED_MAX || items == large);
    }
    for (size_t n = 0; n < max; n++) {
        assert_int_equal(items[n], n);
    }
    free(items);
}

static void test_lists_of_streams_are_bounded(void **state)
{
    struct err err = ERR_INIT;
    struct answer answer;
    struct xml_stream *stream = xml_stream_new(rules, N, SIZE_MAX, &answer, sizeof(answer));
    size_t n = 0;
    int rc = xml_stream_piece(stream, "<a>", 3, &err);

    (void)state;
    while (rc == 0 && n <= XML_STREAM_LIST_MAX) {
        static const char item[] = "<b><name/></b>";

        rc = xml_stream_piece(stream, item, sizeof(item) - 1, &err);
        n += rc == 0;
    }
    assert_int_equal(rc, E_PROTOCOL);
    assert_string_equal(err.message, "there are more than 262144 items");
    assert_int_equal(n, XML_STREAM_LIST_MAX);
    assert_int_equal(xml_stream_end(stream, &err), E_PROTOCOL);
    assert_int_equal(answer.n, XML_STREAM_LIST_MAX);
    xml_free(rules, N, &answer, sizeof(answer));
}

/* Each piece of text is an event, however short: so many are read at once, and no more. In a stream, what comes at once
 * is short. */
static void test_many_events(void **state)
{
    static const char *const events[] = {"\n>", "<!---->", "<?x?>", "<![CDATA[]]>"};
    static const unsigned counts[] = {2, 1, 1, 1};
    struct err err = ERR_INIT;
    struct answer answer;

    (void)state;
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        CLEANUP(buf_fini) struct buf few = BUF_INIT, many = BUF_INIT;

        buf_append_str(&few, "<a><code>1</code>");
        repeat(&few, events[i], XML_EVENTS_MAX / counts[i] - 1);
        buf_append_str(&few, "</a>");
        assert_int_equal(read_text(few.data, few.len, &answer, &err), 0);
        xml_free(rules, N, &answer, sizeof(answer));
        buf_append_str(&many, "<a><code>1</code>");
        repeat(&many, events[i], XML_EVENTS_MAX / counts[i] + 1);
        buf_append_str(&many, "</a>");
        assert_int_equal(read_text(many.data, many.len, &answer, &err), E_PROTOCOL);
        assert_string_equal(err.message, "there are more than 131072 pieces of text, comments and instructions");
    }
}

/* Names are short and few, and most of a large answer is text: each name takes as long as many bytes of that. */
static void test_many_names(void **state)
{
    static const struct {
        const char *begin, *end;
    } units[] = {{"<x", "/>"}, {"<x y", "='1'/>"}};
    struct err err = ERR_INIT;
    struct answer answer;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(units) / sizeof(*units); i++) {
        CLEANUP(buf_fini) struct buf text = BUF_INIT;
        const bool too_many = i % 2 == 1;

        buf_append_str(&text, "<a><code>1</code>");
        for (size_t j = 0; j < (too_many ? 1200 : 800); j++) {
            buf_printf(&text, "%s%zx%s", units[i / 2].begin, j, units[i / 2].end);
        }
        buf_append_str(&text, "</a>");
        assert_int_equal(read_text(text.data, text.len, &answer, &err), too_many ? E_PROTOCOL : 0);
        if (too_many) {
            assert_string_equal(err.message, "no XML: out of memory in line 1");
        }
        xml_free(rules, N, &answer, sizeof(answer));
    }
}

static void test_long_names(void **state)
{
    static const struct {
        const char *begin, *end;
    } units[] = {{"<", "/>"}, {"<x y='' ", "=''/>"}};
    struct err err = ERR_INIT;
    struct answer answer;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(units) / sizeof(*units); i++) {
        CLEANUP(buf_fini) struct buf name = BUF_INIT, text = BUF_INIT;
        const bool too_long = i % 2 == 1;

        repeat(&name, "n", XML_NAME_MAX + (too_long ? 1 : 0));
        buf_append_str(&text, "<a><code>1</code>");
        buf_printf(&text, "%s%s%s", units[i / 2].begin, buf_str(&name), units[i / 2].end);
        buf_append_str(&text, "</a>");
        assert_int_equal(read_text(text.data, text.len, &answer, &err), too_long ? E_PROTOCOL : 0);
        if (too_long) {
            assert_string_equal(err.message, "a name is longer than 64 bytes");
        }
        xml_free(rules, N, &answer, sizeof(answer));
    }
}

static void test_much_markup(void **state)
{
    static const struct {
        const char *begin, *end;
    } kinds[] = {{"<x y='", "'/>"}, {"<x ", "/>"}, {"<!--", "-->"}, {"<?x ", "?>"}};
    struct err err = ERR_INIT;
    struct answer answer;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(kinds) / sizeof(*kinds); i++) {
        CLEANUP(buf_fini) struct buf unit = BUF_INIT, text = BUF_INIT;
        const bool too_much = i % 2 == 1;
        size_t spaces = 1024 - strlen(kinds[i / 2].begin) - strlen(kinds[i / 2].end);

        buf_append_str(&unit, kinds[i / 2].begin);
        repeat(&unit, " ", spaces);
        buf_append_str(&unit, kinds[i / 2].end);
        buf_append_str(&text, "<a><code>1</code>");
        repeat(&text, buf_str(&unit), XML_MARKUP_MAX / unit.len - (too_much ? 0 : 1));
        buf_append_str(&text, "</a>");
        assert_int_equal(read_text(text.data, text.len, &answer, &err), too_much ? E_PROTOCOL : 0);
        if (too_much) {
            assert_string_equal(err.message, "there are more than 1048576 bytes of tags, comments and instructions");
        }
        xml_free(rules, N, &answer, sizeof(answer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_are_bounded_inside),
        cmocka_unit_test(test_streams_keep_no_names),
        cmocka_unit_test(test_lists_grow_in_place),
        cmocka_unit_test(test_lists_of_streams_are_bounded),
        cmocka_unit_test(test_fills_structs),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_first_of_two_counts),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_events),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_much_markup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
