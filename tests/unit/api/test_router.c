/* Paths and routes against the answers of a real Heketi (heketi-rest.md 1 and 2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/path.h"
#include "api/router.h"

#define F32 "ffffffffffffffffffffffffffffffff"

static void decodes_once(void **state)
{
    static const struct {
        const char *raw, *path;
    } good[] = {
        {"/clusters", "/clusters"},       {"/%63lusters", "/clusters"},
        {"/clusters%2F", "/clusters/"},   {"/a%20b", "/a b"},
        {"/%2563lusters", "/%63lusters"}, {"/%c3%A9", "/\xc3\xa9"},
        {"/clusters/%66", "/clusters/f"},
    };
    static const char *const bad[] = {"/%", "/%1", "/%zz", "/%2", "/a%g0", "/%0"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct buf buf = BUF_INIT;

        assert_true(api_path_decode(good[i].raw, strlen(good[i].raw), &buf));
        assert_string_equal(buf_str(&buf), good[i].path);
        buf_fini(&buf);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct buf buf = BUF_INIT;

        assert_false(api_path_decode(bad[i], strlen(bad[i]), &buf));
        buf_fini(&buf);
    }
}

static void decodes_nul(void **state)
{
    struct buf buf = BUF_INIT;

    (void)state;
    assert_true(api_path_decode("/%00x", 5, &buf));
    assert_int_equal(buf.len, 3);
    assert_memory_equal(buf.data, "/\0x", 3);
    buf_fini(&buf);
}

static void cleans(void **state)
{
    static const struct {
        const char *path, *clean;
    } cases[] = {
        {"/", "/"},
        {"//", "/"},
        {"", "/"},
        {"/clusters", "/clusters"},
        {"/clusters/", "/clusters/"},
        {"//clusters", "/clusters"},
        {"/clusters//", "/clusters/"},
        {"/a/../clusters", "/clusters"},
        {"/./clusters", "/clusters"},
        {"/clusters/.", "/clusters"},
        {"/clusters/..", "/"},
        {"/../clusters", "/clusters"},
        {"/clusters//" F32, "/clusters/" F32},
        {"/hello/..", "/"},
        {"/a/b/..", "/a"},
        {"/a/b/../", "/a/"},
        {"/a/b/../../../c", "/c"},
        {"/...", "/..."},
        {"/.a/..b", "/.a/..b"},
        {"/../", "/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct buf buf = BUF_INIT;

        api_path_clean(cases[i].path, strlen(cases[i].path), &buf);
        assert_string_equal(buf_str(&buf), cases[i].clean);
        assert_int_equal(buf.len, strlen(cases[i].clean));
        buf_fini(&buf);
    }
}

static void escapes(void **state)
{
    struct buf buf = BUF_INIT;

    (void)state;
    api_path_escape("/a b?\"<\xc3\xa9:@-_.~", 15, &buf);
    assert_string_equal(buf_str(&buf), "/a%20b%3F%22%3C%C3%A9:@-_.~");
    buf_clear(&buf);
    api_path_escape_high("?x=\xc3\xa9&y", 8, &buf);
    assert_string_equal(buf_str(&buf), "?x=%c3%a9&y");
    buf_clear(&buf);
    api_path_escape_html("/a?x=\"&<>'", 10, &buf);
    assert_string_equal(buf_str(&buf), "/a?x=&#34;&amp;&lt;&gt;&#39;");
    buf_fini(&buf);
}

struct expected {
    const char *method, *path;
    enum api_match_kind kind;
    enum api_route route;
};

static const struct expected matches[] = {
    {"GET", "/clusters", API_MATCH_ROUTE, API_ROUTE_CLUSTER_LIST},
    {"POST", "/clusters", API_MATCH_ROUTE, API_ROUTE_CLUSTER_CREATE},
    {"PUT", "/clusters", API_MATCH_NO_METHOD, 0},
    {"PATCH", "/clusters", API_MATCH_NO_METHOD, 0},
    {"DELETE", "/clusters", API_MATCH_NO_METHOD, 0},
    {"HEAD", "/clusters", API_MATCH_NO_METHOD, 0},
    {"OPTIONS", "/clusters", API_MATCH_NO_METHOD, 0},
    {"get", "/clusters", API_MATCH_NO_METHOD, 0},
    {"FOO", "/clusters", API_MATCH_NO_METHOD, 0},
    {"GETX", "/clusters", API_MATCH_NO_METHOD, 0},
    {"GET", "/clusters/" F32, API_MATCH_ROUTE, API_ROUTE_CLUSTER_INFO},
    {"DELETE", "/clusters/" F32, API_MATCH_ROUTE, API_ROUTE_CLUSTER_DELETE},
    {"POST", "/clusters/" F32, API_MATCH_NO_METHOD, 0},
    {"POST", "/clusters/" F32 "/flags", API_MATCH_ROUTE, API_ROUTE_CLUSTER_FLAGS},
    {"GET", "/clusters/" F32 "/flags", API_MATCH_NO_METHOD, 0},
    {"GET", "/clusters/" F32 "/x", API_MATCH_NOT_FOUND, 0},
    {"GET", "/clusters/F", API_MATCH_ROUTE, API_ROUTE_CLUSTER_INFO},
    {"GET", "/clusters/xyz", API_MATCH_NOT_FOUND, 0},
    {"GET", "/clusters/0g", API_MATCH_NOT_FOUND, 0},
    {"GET", "/clusters/ ", API_MATCH_NOT_FOUND, 0},
    {"GET", "/clusters;a=b", API_MATCH_NOT_FOUND, 0},
    {"GET", "/Clusters", API_MATCH_NOT_FOUND, 0},
    {"GET", "/clusters/", API_MATCH_SLASH, API_ROUTE_CLUSTER_LIST},
    {"POST", "/clusters/", API_MATCH_SLASH, API_ROUTE_CLUSTER_CREATE},
    {"DELETE", "/clusters/", API_MATCH_NO_METHOD, 0},
    {"HEAD", "/clusters/", API_MATCH_NO_METHOD, 0},
    {"POST", "/nodes", API_MATCH_ROUTE, API_ROUTE_NODE_ADD},
    {"GET", "/nodes", API_MATCH_NO_METHOD, 0},
    {"GET", "/nodes/" F32, API_MATCH_ROUTE, API_ROUTE_NODE_INFO},
    {"DELETE", "/nodes/" F32, API_MATCH_ROUTE, API_ROUTE_NODE_DELETE},
    {"DELETE", "/nodes/" F32 "/", API_MATCH_SLASH, API_ROUTE_NODE_DELETE},
    {"POST", "/nodes/" F32 "/", API_MATCH_NO_METHOD, 0},
    {"POST", "/nodes/" F32 "/state", API_MATCH_ROUTE, API_ROUTE_NODE_STATE},
    {"POST", "/nodes/" F32 "/tags", API_MATCH_ROUTE, API_ROUTE_NODE_TAGS},
    {"POST", "/devices", API_MATCH_ROUTE, API_ROUTE_DEVICE_ADD},
    {"GET", "/devices/" F32, API_MATCH_ROUTE, API_ROUTE_DEVICE_INFO},
    {"DELETE", "/devices/" F32, API_MATCH_ROUTE, API_ROUTE_DEVICE_DELETE},
    {"POST", "/devices/" F32 "/state", API_MATCH_ROUTE, API_ROUTE_DEVICE_STATE},
    {"POST", "/devices/" F32 "/tags", API_MATCH_ROUTE, API_ROUTE_DEVICE_TAGS},
    {"POST", "/volumes", API_MATCH_ROUTE, API_ROUTE_VOLUME_CREATE},
    {"GET", "/volumes", API_MATCH_ROUTE, API_ROUTE_VOLUME_LIST},
    {"GET", "/volumes/" F32, API_MATCH_ROUTE, API_ROUTE_VOLUME_INFO},
    {"DELETE", "/volumes/" F32, API_MATCH_ROUTE, API_ROUTE_VOLUME_DELETE},
    {"POST", "/blockvolumes", API_MATCH_ROUTE, API_ROUTE_BLOCK_CREATE},
    {"GET", "/blockvolumes", API_MATCH_ROUTE, API_ROUTE_BLOCK_LIST},
    {"DELETE", "/blockvolumes", API_MATCH_NO_METHOD, 0},
    {"GET", "/blockvolumes/", API_MATCH_SLASH, API_ROUTE_BLOCK_LIST},
    {"GET", "/blockvolumes/" F32, API_MATCH_ROUTE, API_ROUTE_BLOCK_INFO},
    {"DELETE", "/blockvolumes/" F32, API_MATCH_ROUTE, API_ROUTE_BLOCK_DELETE},
    {"POST", "/blockvolumes/" F32 "/expand", API_MATCH_ROUTE, API_ROUTE_BLOCK_EXPAND},
    {"GET", "/blockvolumes/" F32 "/expand", API_MATCH_NO_METHOD, 0},
    {"POST", "/bricks/to-evict/" F32, API_MATCH_ROUTE, API_ROUTE_BRICK_EVICT},
    {"GET", "/bricks/to-evict/" F32, API_MATCH_NO_METHOD, API_ROUTE_NONE},
    {"GET", "/queue/" F32, API_MATCH_ROUTE, API_ROUTE_QUEUE},
    {"DELETE", "/queue/" F32, API_MATCH_NO_METHOD, 0},
    {"GET", "/queue", API_MATCH_NOT_FOUND, 0},
    {"GET", "/queue/", API_MATCH_NOT_FOUND, 0},
    {"GET", "/queue/xyz", API_MATCH_NOT_FOUND, 0},
    {"GET", "/operations", API_MATCH_ROUTE, API_ROUTE_OPERATIONS},
    {"GET", "/operations/pending", API_MATCH_ROUTE, API_ROUTE_PENDING_LIST},
    {"GET", "/operations/pending/" F32, API_MATCH_ROUTE, API_ROUTE_PENDING_INFO},
    {"GET", "/", API_MATCH_NOT_FOUND, 0},
    {"GET", "/topology", API_MATCH_NOT_FOUND, 0},
    {"POST", "/hello", API_MATCH_NOT_FOUND, 0},
    {"HEAD", "/hello", API_MATCH_NOT_FOUND, 0},
    {"GET", "/hello/", API_MATCH_NOT_FOUND, 0},
};

static void routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(matches) / sizeof(*matches); i++) {
        const struct expected *e = &matches[i];
        struct api_match match = api_route_match(e->method, strlen(e->method), e->path, strlen(e->path));

        if (match.kind != e->kind || match.route != e->route) {
            fail_msg("%s %s: kind %d route %d", e->method, e->path, match.kind, match.route);
        }
    }
}

static void finds_the_id(void **state)
{
    static const char path[] = "/nodes/0aF/tags";
    struct api_match match = api_route_match("POST", 4, path, sizeof(path) - 1);

    (void)state;
    assert_ptr_equal(match.id, path + 7);
    assert_int_equal(match.id_len, 3);
    match = api_route_match("GET", 3, "/clusters", 9);
    assert_null(match.id);
}

static void nul_is_no_end(void **state)
{
    (void)state;
    assert_int_equal(api_route_match("GET", 3, "/clusters\0", 10).kind, API_MATCH_NOT_FOUND);
    assert_int_equal(api_route_match("GET\0", 4, "/clusters", 9).kind, API_MATCH_NO_METHOD);
    assert_int_equal(api_route_open("GET", 3, "/hello\0", 7), API_ROUTE_NONE);
}

static void open_routes(void **state)
{
    (void)state;
    assert_int_equal(api_route_open("GET", 3, "/hello", 6), API_ROUTE_HELLO);
    assert_int_equal(api_route_open("GET", 3, "/livez", 6), API_ROUTE_LIVEZ);
    assert_int_equal(api_route_open("GET", 3, "/readyz", 7), API_ROUTE_READYZ);
    assert_int_equal(api_route_open("GET", 3, "/cluster/status", 15), API_ROUTE_STATUS);
    assert_int_equal(api_route_open("GET", 3, "/cluster/leader", 15), API_ROUTE_LEADER);
    assert_int_equal(api_route_open("POST", 4, "/hello", 6), API_ROUTE_NONE);
    assert_int_equal(api_route_open("GET", 3, "/hello/", 7), API_ROUTE_NONE);
    assert_int_equal(api_route_open("GET", 3, "/volumes", 8), API_ROUTE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_once),  cmocka_unit_test(decodes_nul), cmocka_unit_test(cleans),
        cmocka_unit_test(escapes),       cmocka_unit_test(routes),      cmocka_unit_test(finds_the_id),
        cmocka_unit_test(nul_is_no_end), cmocka_unit_test(open_routes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
