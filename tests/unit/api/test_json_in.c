/* Request bodies: what is read, and every refusal with its text (heketi-rest.md 3.2, 3.5 to 3.8, 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json_in.h"
#include "store/base/mem.h"

#define C32 "0123456789abcdef0123456789abcdef"
#define UNPARSED "request unable to be parsed"
#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

struct refusal {
    const char *body;
    int status;
    const char *text;
};

static void expect(enum api_route route, const char *json, size_t len, int status, const char *text)
{
    struct api_body body;
    struct buf got = BUF_INIT;
    int rc = api_body_read(route, json, len, &body, &got);

    if (rc != status || strcmp(buf_str(&got), text) != 0) {
        fail_msg("route %d, %s: %d %s", route, json, rc, buf_str(&got));
    }
    api_body_fini(&body);
    buf_fini(&got);
}

static void expect_all(enum api_route route, const struct refusal *refusals, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        expect(route, refusals[i].body, strlen(refusals[i].body), refusals[i].status, refusals[i].text);
    }
}

#define EXPECT_ALL(route, table) expect_all(route, table, sizeof(table) / sizeof(*(table)))

static void reads(enum api_route route, const char *json, struct api_body *ret_body)
{
    struct buf text = BUF_INIT;

    if (api_body_read(route, json, strlen(json), ret_body, &text) != 0) {
        fail_msg("%s: %s", json, buf_str(&text));
    }
    buf_fini(&text);
}

static void syntax(void **state)
{
    static const char *const bad[] = {
        "",
        " \n\t",
        "hello",
        "{",
        "[]",
        "\"x\"",
        "1",
        "true",
        "{} x",
        "{}{}",
        "{}}",
        "{\"a\":1,}",
        "{'a':1}",
        "{a:1}",
        "{/* x */}",
        "\xef\xbb\xbf{}",
        "{\"a\":NaN}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":[}",
        "{\"a\":{]}",
        "{,}",
        "{\"file\":tru}",
        "{\"a\":nul}",
        "{\"file\":\"true\"}",
        "{\"file\":1}",
        "{\"file\":[]}",
        "{\"file\":{}}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"file\":\"x\",\"file\":true}",
        "]",
        "{\"a\":truex}",
    };
    static const char *const good[] = {
        "{}",
        "null",
        " null ",
        "{}  \r\n\t ",
        "{\"x\":1e999999}",
        "{\"x\":18446744073709551617}",
        "{\"x\":-0.0e-99}",
        "{\"x\":\"\\ud800\"}",
        "{\"x\":\"\\udc00\\ud800x\"}",
        "{\"x\":\"\xff\xc3\"}",
        "{\"\xff\":1}",
        "{\"unknown\":{\"a\":[1,2,{\"b\":null}]}}",
        "{\"x\":[[],{},[{}]]}",
        "{\"file\":null}",
        "{\"x\":\"\\u0000\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        expect(API_ROUTE_CLUSTER_CREATE, bad[i], strlen(bad[i]), 422, UNPARSED);
    }
    expect(API_ROUTE_CLUSTER_CREATE, "{}\0", 3, 422, UNPARSED);
    expect(API_ROUTE_CLUSTER_CREATE, "{\"a\0\":1}", 9, 422, UNPARSED);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        expect(API_ROUTE_CLUSTER_CREATE, good[i], strlen(good[i]), 0, "");
    }
}

static void nesting(void **state)
{
    (void)state;
    for (size_t depth = 9998; depth <= 10001; depth++) {
        struct buf json = BUF_INIT;

        buf_append_str(&json, "{\"x\":");
        for (size_t i = 0; i < depth; i++) {
            buf_append_char(&json, '[');
        }
        for (size_t i = 0; i < depth; i++) {
            buf_append_char(&json, ']');
        }
        buf_append_char(&json, '}');
        expect(API_ROUTE_CLUSTER_CREATE, json.data, json.len, depth < 10000 ? 0 : 422, depth < 10000 ? "" : UNPARSED);
        buf_fini(&json);
    }
}

static void flags(const char *json, bool file, bool block)
{
    struct api_body body;

    reads(API_ROUTE_CLUSTER_FLAGS, json, &body);
    assert_int_equal(body.request.type, STORE_REQ_CLUSTER_FLAGS);
    if (body.request.file != file || body.request.block != block) {
        fail_msg("%s: file %d, block %d", json, body.request.file, body.request.block);
    }
    api_body_fini(&body);
}

static void names_and_duplicates(void **state)
{
    (void)state;
    flags("{\"file\":true,\"block\":true}", true, true);
    flags("{\"FILE\":true,\"Block\":true}", true, true);
    flags("{\"bloc\xe2\x84\xaa\":true}", false, true);
    flags("{\"f\\u0069le\":true}", true, false);
    flags("{\"file\":true,\"file\":false}", false, false);
    flags("{\"file\":true,\"FILE\":false}", false, false);
    flags("{\"file\":true,\"FILE\":false,\"file\":true}", true, false);
    flags("{\"file\":true,\"file\":null}", true, false);
    flags("{\"filex\":true,\"fil\":true,\"\":true}", false, false);
    flags("null", false, false);
}

static const struct refusal node_refusals[] = {
    {"{}", 400,
     "validation failed: cluster: cannot be blank; hostnames: (manage: cannot be blank; storage: cannot be blank.); "
     "zone: cannot be blank."},
    {"{\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]}}", 400,
     "validation failed: zone: cannot be blank."},
    {"{\"zone\":0,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]}}", 400,
     "validation failed: zone: cannot be blank."},
    {"{\"zone\":-1,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]}}", 400,
     "validation failed: zone: must be no less than 1."},
    {"{\"zone\":4294967296,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]}}", 400,
     "validation failed: zone: must be no greater than 4294967295."},
    {"{\"zone\":1.5}", 422, UNPARSED},
    {"{\"zone\":1.0}", 422, UNPARSED},
    {"{\"zone\":1e0}", 422, UNPARSED},
    {"{\"zone\":\"1\"}", 422, UNPARSED},
    {"{\"zone\":true}", 422, UNPARSED},
    {"{\"zone\":9223372036854775808}", 422, UNPARSED},
    {"{\"cluster\":5}", 422, UNPARSED},
    {"{\"hostnames\":[]}", 422, UNPARSED},
    {"{\"hostnames\":{\"manage\":\"a\"}}", 422, UNPARSED},
    {"{\"hostnames\":{\"manage\":[1]}}", 422, UNPARSED},
    {"{\"tags\":[]}", 422, UNPARSED},
    {"{\"tags\":{\"a\":1}}", 422, UNPARSED},
    {"{\"zone\":1,\"cluster\":\"x\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]}}", 400,
     "validation failed: cluster: x is not a valid UUID."},
    {"{\"zone\":1,\"cluster\":\"" C32 "0\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]}}", 400,
     "validation failed: cluster: " C32 "0 is not a valid UUID."},
    {"{\"zone\":1,\"cluster\":\"g123456789abcdef0123456789abcdef\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":["
     "\"b\"]}}",
     400, "validation failed: cluster: g123456789abcdef0123456789abcdef is not a valid UUID."},
    {"{\"zone\":1,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[],\"storage\":[\"b\"]}}", 400,
     "validation failed: hostnames: (manage: cannot be blank.)."},
    {"{\"zone\":1,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"\"]}}", 400,
     "validation failed: hostnames: (storage: [] is not a valid storage hostname.)."},
    {"{\"zone\":1,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a\",null],\"storage\":[\"b\"]}}", 400,
     "validation failed: hostnames: (manage: [a ] is not a valid manage hostname.)."},
    {"{\"zone\":1,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a b c\"],\"storage\":[\"b c\",\"d\"]}}", 400,
     "validation failed: hostnames: (manage: [a b c] is not a valid manage hostname; storage: [b c d] is not a valid "
     "storage hostname.)."},
    {"{\"zone\":1,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"a\\u0000b\"],\"storage\":[\"b\"]}}", 400,
     "validation failed: hostnames: (manage: [a\xef\xbf\xbd"
     "b] is not a valid manage hostname.)."},
    {"{\"zone\":1,\"cluster\":\"" C32
     "\",\"hostnames\":{\"manage\":[\"a\"],\"storage\":[\"b\"]},\"tags\":{\"\":\"x\"}}",
     400, "validation failed: tags: tag names may not be empty."},
};

static void node_add(void **state)
{
    struct api_body body;

    (void)state;
    EXPECT_ALL(API_ROUTE_NODE_ADD, node_refusals);
    reads(API_ROUTE_NODE_ADD,
          "{\"zone\":2147483648,\"cluster\":\"" C32 "\",\"hostnames\":{\"manage\":[\"n1\",\"n1\"]},"
          "\"hostnames\":{\"storage\":[\"2001:db8::1\"]},\"tags\":{\"b\":\"1\",\"a\":null},\"tags\":{\"b\":\"2\"}}",
          &body);
    assert_int_equal(body.request.type, STORE_REQ_NODE_ADD);
    assert_int_equal(body.request.zone, 2147483648U);
    assert_string_equal(id_text(body.request.cluster).text, C32);
    assert_int_equal(body.request.manage.n, 2);
    assert_string_equal(body.request.storage.items[0], "2001:db8::1");
    assert_int_equal(body.request.tags.n, 2);
    assert_string_equal(store_tags_get(&body.request.tags, "a"), "");
    assert_string_equal(store_tags_get(&body.request.tags, "b"), "2");
    api_body_fini(&body);
    /* upper case is well formed, and no object's id */
    reads(API_ROUTE_NODE_ADD,
          "{\"zone\":1,\"cluster\":\"0123456789ABCDEF0123456789ABCDEF\",\"hostnames\":{\"manage\":[\"a\"],"
          "\"storage\":[\"b\"]}}",
          &body);
    assert_true(id_is_none(body.request.cluster));
    api_body_fini(&body);
}

static void hosts(void **state)
{
    static const char *const good[] = {
        "a",
        "a_b",
        "_a",
        "a-b",
        "1.2.3.4",
        "1.2.3.4.5.",
        "s2_b.",
        "n1.example.net",
        "::1",
        "2001:db8::1",
        "::ffff:1.2.3.4",
        X63,
        X63 "." X63,
        X63 "_",
        "a_.",
    };
    static const char *const bad[] = {
        "",
        "-a",
        "a..b",
        ".a",
        "a/b",
        "a:1",
        "a b",
        " a",
        "a;b",
        "::g",
        "\xc3\xa4",
        X63 "x",
        "a.-b",
        ".",
        "a$",
        "`a`",
        "fe80::1%eth0",
        "a..",
        X63 "." X63 "." X63 "." X63 "." X63,
        "a\n",
        "a&b",
        "$(a)",
        "a|b",
        "a'b",
        "a\"b",
        "a\\b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (!api_host_valid(good[i])) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (api_host_valid(bad[i])) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void device_add(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", 400, "validation failed: name: cannot be blank; node: cannot be blank."},
        {"{\"name\":null,\"node\":null}", 400, "validation failed: name: cannot be blank; node: cannot be blank."},
        {"{\"name\":1}", 422, UNPARSED},
        {"{\"name\":\"/dev/sdb\",\"destroydata\":\"yes\"}", 422, UNPARSED},
        {"{\"name\":\"sdb\",\"node\":\"x\"}", 400,
         "validation failed: name: must be in a valid format; node: x is not a valid UUID."},
        {"{\"name\":\"/x\",\"node\":\"" C32 "\",\"tags\":{\"a b\":\"c\"}}", 400,
         "validation failed: tags: invalid characters in tag name a b."},
    };
    static const char *const bad_names[] = {"sdb",         "/",        "/dev/s db", "/dev/sdb;",    "/dev/$x",
                                            "/dev/sdb\\n", "/dev/`x`", "/dev/a'b",  "/dev/a*",      "/dev/a&b",
                                            "/dev/a,b",    "/dev/a|b", "/dev/a>b",  "/dev/a\\u0000"};
    struct api_body body;

    (void)state;
    EXPECT_ALL(API_ROUTE_DEVICE_ADD, refusals);
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(*bad_names); i++) {
        CLEANUP(free_ptr) char *json = mem_printf("{\"node\":\"" C32 "\",\"name\":\"%s\"}", bad_names[i]);

        expect(API_ROUTE_DEVICE_ADD, json, strlen(json), 400, "validation failed: name: must be in a valid format.");
    }
    reads(API_ROUTE_DEVICE_ADD, "{\"name\":\"/dev/a_b-c.d:1\",\"node\":\"" C32 "\",\"DestroyData\":true}", &body);
    assert_string_equal(body.request.device_name, "/dev/a_b-c.d:1");
    assert_true(body.request.destroy_data);
    assert_string_equal(id_text(body.request.node).text, C32);
    api_body_fini(&body);
}

static void device_delete(void **state)
{
    struct api_body body;

    (void)state;
    reads(API_ROUTE_DEVICE_DELETE, "", &body);
    assert_false(body.request.force);
    api_body_fini(&body);
    reads(API_ROUTE_DEVICE_DELETE, "{\"forceforget\":true}", &body);
    assert_true(body.request.force);
    api_body_fini(&body);
    expect(API_ROUTE_DEVICE_DELETE, "x", 1, 422, UNPARSED);
    /* other deletes do not look at their body */
    expect(API_ROUTE_VOLUME_DELETE, "x", 1, 0, "");
    expect(API_ROUTE_CLUSTER_DELETE, "no json", 7, 0, "");
    expect(API_ROUTE_NODE_DELETE, "", 0, 0, "");
}

static void block_volumes(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", 400, "validation failed: size: cannot be blank."},
        {"{\"size\":0}", 400, "validation failed: size: cannot be blank."},
        {"{\"size\":-1}", 400, "validation failed: size: must be no less than 1."},
        {"{\"size\":\"1\"}", 422, UNPARSED},
        {"{\"size\":1.5}", 422, UNPARSED},
        {"{\"size\":1,\"name\":\"a.b\"}", 400, "validation failed: name: must be in a valid format."},
        {"{\"size\":1,\"name\":\"all\"}", 400,
         "validation failed: name: must not be \"all\", which is a word of Gluster's own."},
        {"{\"size\":1,\"hacount\":-1}", 400, "validation failed: hacount: must be no less than 1."},
        {"{\"size\":1,\"hacount\":\"1\"}", 422, UNPARSED},
        {"{\"size\":1,\"auth\":\"yes\"}", 422, UNPARSED},
        {"{\"size\":0,\"name\":\"a b\",\"hacount\":-3}", 400,
         "validation failed: hacount: must be no less than 1; name: must be in a valid format; size: cannot be blank."},
        {"null", 400, "validation failed: size: cannot be blank."},
        {"", 422, UNPARSED},
    };
    static const struct refusal expands[] = {
        {"{}", 400, "validation failed: new_size: cannot be blank."},
        {"{\"new_size\":0}", 400, "validation failed: new_size: cannot be blank."},
        {"{\"new_size\":-1}", 400, "validation failed: new_size: must be no less than 1."},
        {"{\"size\":5}", 400, "validation failed: new_size: cannot be blank."},
        {"{\"new_size\":\"1\"}", 422, UNPARSED},
        {"{\"new_size\":1.5}", 422, UNPARSED},
    };
    struct api_body body;

    (void)state;
    EXPECT_ALL(API_ROUTE_BLOCK_CREATE, refusals);
    EXPECT_ALL(API_ROUTE_BLOCK_EXPAND, expands);
    reads(API_ROUTE_BLOCK_CREATE, "{\"size\":7,\"Name\":\"l-1\",\"hacount\":2,\"auth\":true,\"clusters\":[\"x\"]}",
          &body);
    assert_int_equal(body.request.type, STORE_REQ_BLOCK_CREATE);
    assert_int_equal(body.request.block_volume.size_gib, 7);
    assert_string_equal(body.request.block_volume.name, "l-1");
    assert_int_equal(body.request.block_volume.ha_count, 2);
    assert_true(body.request.block_volume.auth);
    assert_int_equal(body.clusters.n, 1);
    api_body_fini(&body);
    reads(API_ROUTE_BLOCK_CREATE, "{\"size\":9223372036854775807,\"hacount\":0}", &body);
    assert_int_equal(body.request.block_volume.size_gib, UINT32_MAX); /* fits nowhere, as it should */
    assert_int_equal(body.request.block_volume.ha_count, 0);
    api_body_fini(&body);
    reads(API_ROUTE_BLOCK_EXPAND, "{\"new_size\":12}", &body);
    assert_int_equal(body.request.type, STORE_REQ_BLOCK_EXPAND);
    assert_int_equal(body.request.new_gib, 12);
    api_body_fini(&body);
    expect(API_ROUTE_BLOCK_DELETE, "x", 1, 0, "");
}

static void evict(void **state)
{
    static const struct refusal refusals[] = {
        {"{\"healcheck\":\"x\"}", 400, "validation failed: healcheck: x is not valid heal info check."},
        {"{\"healcheck\":1}", 422, UNPARSED},
        {"[]", 422, UNPARSED},
        {"x", 422, UNPARSED},
        {"{\"state\":\"failed\"}", 0, ""},
        {"{}", 0, ""},
        {"", 0, ""},
    };
    struct api_body body;

    (void)state;
    EXPECT_ALL(API_ROUTE_BRICK_EVICT, refusals);
    reads(API_ROUTE_BRICK_EVICT, "{\"healcheck\":\"enable\"}", &body);
    assert_int_equal(body.request.type, STORE_REQ_BRICK_EVICT);
    assert_false(body.request.skip_heal);
    api_body_fini(&body);
    reads(API_ROUTE_BRICK_EVICT, "{\"healcheck\":\"disable\"}", &body);
    assert_true(body.request.skip_heal);
    api_body_fini(&body);
}

static void states(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", 400, "validation failed: state: cannot be blank."},
        {"{\"state\":\"x\"}", 400, "validation failed: state: x is not valid state."},
        {"{\"state\":\"Online\"}", 400, "validation failed: state: Online is not valid state."},
        {"{\"state\":\"x\",\"healcheck\":\"y\"}", 400, "validation failed: healcheck: y is not valid heal info check."},
        {"{\"state\":1}", 422, UNPARSED},
        {"", 422, UNPARSED},
        {"{\"state\":\"online\",\"healcheck\":\"disable\"}", 0, ""},
        {"{\"state\":\"offline\",\"healcheck\":\"\"}", 0, ""},
        {"{\"state\":\"failed\",\"healcheck\":\"enable\"}", 0, ""},
    };
    struct api_body body;

    (void)state;
    EXPECT_ALL(API_ROUTE_NODE_STATE, refusals);
    EXPECT_ALL(API_ROUTE_DEVICE_STATE, refusals);
    reads(API_ROUTE_DEVICE_STATE, "{\"state\":\"failed\"}", &body);
    assert_int_equal(body.request.type, STORE_REQ_DEVICE_STATE);
    assert_false(body.request.skip_heal);
    assert_int_equal(body.request.state, STORE_STATE_FAILED);
    api_body_fini(&body);
}

static void append_repeated(struct buf *buf, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_append_str(buf, text);
    }
}

static void tag_of(const char *name, size_t names, const char *value, size_t values, int status, const char *text)
{
    struct buf json = BUF_INIT;

    buf_append_str(&json, "{\"change_type\":\"set\",\"tags\":{\"");
    append_repeated(&json, name, names);
    buf_append_str(&json, "\":\"");
    append_repeated(&json, value, values);
    buf_append_str(&json, "\"}}");
    expect(API_ROUTE_NODE_TAGS, json.data, json.len, status, text);
    buf_fini(&json);
}

static void tags_many(size_t n, int status, const char *text)
{
    struct buf json = BUF_INIT;

    buf_append_str(&json, "{\"change_type\":\"update\",\"tags\":{");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&json, "%s\"t%zu\":\"\"", i > 0 ? "," : "", i);
    }
    buf_append_str(&json, "}}");
    expect(API_ROUTE_DEVICE_TAGS, json.data, json.len, status, text);
    buf_fini(&json);
}

static void tags(void **state)
{
    static const struct refusal refusals[] = {
        {"{}", 400, "validation failed: change_type: cannot be blank."},
        {"{\"change_type\":null}", 400, "validation failed: change_type: cannot be blank."},
        {"{\"change_type\":\"SET\"}", 400, "validation failed: change_type: must be a valid value."},
        {"{\"change_type\":1}", 422, UNPARSED},
        {"{\"change_type\":\"set\",\"tags\":[]}", 422, UNPARSED},
        {"{\"change_type\":\"set\",\"tags\":{\"a\":1}}", 422, UNPARSED},
        {"{\"change_type\":\"set\",\"tags\":{\"\":\"x\"}}", 400,
         "validation failed: tags: tag names may not be empty."},
        {"{\"change_type\":\"set\",\"tags\":{\"a b\":\"x\"}}", 400,
         "validation failed: tags: invalid characters in tag name a b."},
        {"{\"change_type\":\"set\",\"tags\":{\"a\\n\":\"x\"}}", 400,
         "validation failed: tags: invalid characters in tag name a\n."},
        {"{\"change_type\":\"set\",\"tags\":{\"\\u00e9\":\"x\"}}", 400,
         "validation failed: tags: invalid characters in tag name \xc3\xa9."},
        {"{\"change_type\":\"x\",\"tags\":{\"a b\":\"x\"}}", 400,
         "validation failed: change_type: must be a valid value; tags: invalid characters in tag name a b."},
    };
    static const char long_name[] = "validation failed: tags: tag name aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: the length "
                                    "must be between 1 and 32.";
    static const char long_value[] = "validation failed: tags: value of tag v: the length must be no more than 64.";
    struct api_body body;

    (void)state;
    EXPECT_ALL(API_ROUTE_NODE_TAGS, refusals);
    EXPECT_ALL(API_ROUTE_DEVICE_TAGS, refusals);
    tag_of("a", 32, "x", 64, 0, "");
    tag_of("a", 33, "x", 1, 400, long_name);
    tag_of("v", 1, "x", 65, 400, long_value);
    tag_of("v", 1, "\\u00e9", 64, 0, "");
    tag_of("v", 1, "\xc3\xa9", 65, 400, long_value);
    tags_many(32, 0, "");
    tags_many(33, 400, "validation failed: tags: too many tags specified (33), up to 32 supported.");
    tags_many(50000, 400, "validation failed: tags: too many tags specified (1024), up to 32 supported.");
    reads(API_ROUTE_NODE_TAGS, "{\"change_type\":\"delete\",\"tags\":{\"B\":\"\",\"b\":\"<&>\\ud83d\\ude00\"}}", &body);
    assert_int_equal(body.request.tag_change, STORE_TAGS_DELETE);
    assert_int_equal(body.request.tags.n, 2);
    assert_string_equal(store_tags_get(&body.request.tags, "b"), "<&>\xf0\x9f\x98\x80");
    api_body_fini(&body);
}

static const struct refusal volume_refusals[] = {
    {"{}", 400, "validation failed: size: cannot be blank."},
    {"{\"size\":-0}", 400, "validation failed: size: cannot be blank."},
    {"{\"size\":-1}", 400, "validation failed: size: must be no less than 1."},
    {"{\"size\":-9223372036854775808}", 400, "validation failed: size: must be no less than 1."},
    {"{\"size\":\"1\"}", 422, UNPARSED},
    {"{\"size\":100.0}", 422, UNPARSED},
    {"{\"size\":1e0}", 422, UNPARSED},
    {"{\"size\":9223372036854775808}", 422, UNPARSED},
    {"{\"size\":18446744073709551617}", 422, UNPARSED},
    {"{\"size\":1,\"name\":\"a.b\"}", 400, "validation failed: name: must be in a valid format."},
    {"{\"size\":1,\"name\":\"a\\n\"}", 400, "validation failed: name: must be in a valid format."},
    {"{\"size\":1,\"name\":\"--xml\"}", 400,
     "validation failed: name: must not begin with \"-\": programs on the nodes would take it for an option."},
    {"{\"size\":1,\"glustervolumeoptions\":[\"a b\",\"user.a --log-file=/etc/profile.d/x.sh\"]}", 400,
     "validation failed: glustervolumeoptions: item 2: the word \"--log-file=/etc/profile.d/x.sh\" begins with \"--\": "
     "programs on the nodes would take it for an option of their own."},
    {"{\"size\":1,\"glustervolumeoptions\":[\"a b\\u000ac d\"]}", 400,
     "validation failed: glustervolumeoptions: item 1: control characters and ends of lines are not allowed."},
    {"{\"size\":1,\"glustervolumeoptions\":[\"user.a x\\uffff\"]}", 400,
     "validation failed: glustervolumeoptions: item 1: code points that are no characters are not allowed."},
    {"{\"size\":1,\"name\":\"$(reboot)\"}", 400, "validation failed: name: must be in a valid format."},
    {"{\"size\":0,\"name\":\"a.b\"}", 400,
     "validation failed: name: must be in a valid format; size: cannot be blank."},
    {"{\"size\":1,\"name\":5}", 422, UNPARSED},
    {"{\"size\":1,\"gid\":-1}", 400, "Bad group id less than zero"},
    {"{\"size\":1,\"gid\":2147483647}", 400, "Bad group id equal or greater than 2**32"},
    {"{\"size\":1,\"gid\":9223372036854775807}", 400, "Bad group id equal or greater than 2**32"},
    {"{\"size\":1,\"gid\":\"5\"}", 422, UNPARSED},
    {"{\"size\":1,\"durability\":{\"type\":\"x\"}}", 400, "Unknown durability type"},
    {"{\"size\":1,\"durability\":{\"type\":\"Replicate\"}}", 400, "Unknown durability type"},
    {"{\"size\":1,\"durability\":{\"type\":1}}", 422, UNPARSED},
    {"{\"size\":1,\"durability\":\"none\"}", 422, UNPARSED},
    {"{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":4}}}", 400,
     "Invalid replica value"},
    {"{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":-1}}}", 400,
     "Invalid replica value"},
    {"{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":3}}", 422, UNPARSED},
    {"{\"size\":1,\"durability\":{\"type\":\"disperse\"}}", 400, "Invalid dispersion combination: 0+0"},
    {"{\"size\":1,\"durability\":{\"type\":\"disperse\",\"disperse\":{\"data\":-2,\"redundancy\":-1}}}", 400,
     "Invalid dispersion combination: -2+-1"},
    {"{\"size\":1,\"durability\":{\"type\":\"disperse\",\"disperse\":{\"data\":8,\"redundancy\":2}}}", 400,
     "Invalid dispersion combination: 8+2"},
    {"{\"size\":1,\"snapshot\":{\"enable\":true}}", 400, "Invalid snapshot factor"},
    {"{\"size\":1,\"snapshot\":{\"enable\":true,\"factor\":0.99}}", 400, "Invalid snapshot factor"},
    {"{\"size\":1,\"snapshot\":{\"enable\":true,\"factor\":100.01}}", 400, "Invalid snapshot factor"},
    {"{\"size\":1,\"snapshot\":{\"enable\":true,\"factor\":1e+39}}", 422, UNPARSED},
    {"{\"size\":1,\"snapshot\":{\"factor\":\"x\"}}", 422, UNPARSED},
    {"{\"size\":1,\"snapshot\":[]}", 422, UNPARSED},
    {"{\"size\":1,\"clusters\":\"x\"}", 422, UNPARSED},
    {"{\"size\":1,\"clusters\":[1]}", 422, UNPARSED},
    {"{\"size\":1,\"glustervolumeoptions\":\"a b\"}", 422, UNPARSED},
    {"{\"size\":1,\"glustervolumeoptions\":[[\"a b\"]]}", 422, UNPARSED},
    {"{\"size\":1,\"block\":\"true\"}", 422, UNPARSED},
    /* the order of the checks */
    {"{\"size\":1,\"gid\":-1,\"durability\":{\"type\":\"x\"}}", 400, "Bad group id less than zero"},
    {"{\"size\":1,\"durability\":{\"type\":\"x\"},\"snapshot\":{\"enable\":true}}", 400, "Unknown durability type"},
    {"{\"size\":1,\"snapshot\":{\"enable\":true},\"durability\":{\"type\":\"disperse\"}}", 400,
     "Invalid snapshot factor"},
};

static void volume_create(void **state)
{
    struct api_body body;
    const struct store_volume_request *volume = &body.request.volume;

    (void)state;
    EXPECT_ALL(API_ROUTE_VOLUME_CREATE, volume_refusals);
    reads(
        API_ROUTE_VOLUME_CREATE,
        "{\"size\":10,\"name\":\"a-B_1\",\"clusters\":[\"x\",\"\"],\"durability\":{\"type\":\"disperse\",\"replicate\":"
        "{\"replica\":-5},\"disperse\":{\"data\":8,\"redundancy\":4}},\"gid\":2004,\"glustervolumeoptions\":"
        "[\"performance.cache-size 64MB\",\"; reboot\"],\"block\":true,\"snapshot\":{\"enable\":true,\"factor\":1.25}}",
        &body);
    assert_int_equal(volume->size_gib, 10);
    assert_string_equal(volume->name, "a-B_1");
    assert_int_equal(body.clusters.n, 2);
    assert_string_equal(body.clusters.items[0], "x");
    assert_int_equal(volume->durability, STORE_DISPERSE);
    assert_int_equal(volume->replica, 0);
    assert_int_equal(volume->disperse_data, 8);
    assert_int_equal(volume->redundancy, 4);
    assert_int_equal(volume->gid, 2004);
    assert_int_equal(volume->options.n, 2);
    assert_string_equal(volume->options.items[1], "; reboot");
    assert_true(volume->block && volume->snapshot_enable && volume->snapshot_factor == 1.25F);
    api_body_fini(&body);
    reads(API_ROUTE_VOLUME_CREATE, "{\"size\":9223372036854775807,\"snapshot\":{\"factor\":55}}", &body);
    assert_int_equal(volume->size_gib, UINT32_MAX);
    assert_int_equal(volume->durability, STORE_NONE);
    assert_string_equal(volume->name, "");
    assert_true(volume->snapshot_factor == 1.0F);
    api_body_fini(&body);
    reads(API_ROUTE_VOLUME_CREATE,
          "{\"size\":1,\"durability\":{\"type\":\"replicate\"},\"durability\":{\"replicate\":"
          "{\"replica\":3}}}",
          &body);
    assert_int_equal(volume->durability, STORE_REPLICATE);
    assert_int_equal(volume->replica, 3);
    api_body_fini(&body);
}

static void long_lists(void **state)
{
    struct buf json = BUF_INIT;

    (void)state;
    buf_append_str(&json, "{\"size\":1,\"glustervolumeoptions\":[\"a b\"");
    append_repeated(&json, ",\"a b\"", 512);
    buf_append_str(&json, "]}");
    expect(API_ROUTE_VOLUME_CREATE, json.data, json.len, 400,
           "validation failed: glustervolumeoptions: too many items specified (513), up to 512 supported.");
    buf_fini(&json);
}

/* Of each wrong byte a U+FFFD, however many follow each other, and whatever stands around them. */
static void test_wrong_bytes(void **state)
{
    static const struct api_field fields[] = {{.name = "a", .type = API_FIELD_STR}, {.type = API_FIELD_END}};
    static const char *const around[] = {"", "x", "\xe2\x82\xac", "\\n", "\xc3\xa4\\u20ac"};
    static const char *const read[] = {"", "x", "\xe2\x82\xac", "\n", "\xc3\xa4\xe2\x82\xac"};

    (void)state;
    for (size_t n = 0; n < 40; n++) {
        for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
            CLEANUP(buf_fini) struct buf json = BUF_INIT;
            CLEANUP(buf_fini) struct buf wanted = BUF_INIT;
            CLEANUP(free_ptr) char *text = NULL;

            buf_printf(&json, "{\"a\":\"%s", around[i]);
            buf_append_str(&wanted, read[i]);
            for (size_t k = 0; k < n; k++) {
                buf_append_char(&json, k % 2 == 0 ? (char)0xff : (char)0xe2); /* the second begins something */
                buf_append_str(&wanted, "\xef\xbf\xbd");
            }
            buf_printf(&json, "%s\"}", around[i]);
            buf_append_str(&wanted, read[i]);
            assert_int_equal(api_json_read(json.data, json.len, API_JSON_EXACT_NAMES, fields, &text, NULL), 0);
            assert_string_equal(text, buf_str(&wanted));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax),
        cmocka_unit_test(nesting),
        cmocka_unit_test(names_and_duplicates),
        cmocka_unit_test(node_add),
        cmocka_unit_test(hosts),
        cmocka_unit_test(device_add),
        cmocka_unit_test(device_delete),
        cmocka_unit_test(states),
        cmocka_unit_test(evict),
        cmocka_unit_test(tags),
        cmocka_unit_test(volume_create),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(block_volumes),
        cmocka_unit_test(test_wrong_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
