/* What may become a word of a program on a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/buf.h"
#include "store/base/mem.h"
#include "store/words.h"

static void fit(const char *option)
{
    struct err err = ERR_INIT;

    if (store_option_check(option, &err) != 0) {
        fail_msg("\"%s\" is refused: %s", option, err.message);
    }
}

static void unfit(const char *option, const char *part)
{
    struct err err = ERR_INIT;

    if (store_option_check(option, &err) == 0 || strstr(err.message, part) == NULL) {
        fail_msg("\"%s\": '%s', expected '%s'", option, err.message, part);
    }
}

static void test_options(void **state)
{
    static const char *const fine[] = {"",
                                       "performance.cache-size 64MB",
                                       "user.a -1",
                                       "user.a -0.25",
                                       "user.a a--b",
                                       "user.a b - c",
                                       "user.a x -y",
                                       "user.a ; id",
                                       "user.a $(id)",
                                       "user.a '\"\\|&<>*?[]{}~#!",
                                       "user.a ü",
                                       "group virt",
                                       "group.a ../here",
                                       "user.a ../../etc",
                                       "user.a /etc",
                                       "auth.allow /sub(192.0.2.*),/other(*)",
                                       "nfs.export-dir /sub(192.0.2.1)",
                                       "cluster.extra-hash-regex x/y"};

    (void)state;
    for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
        fit(fine[i]);
    }
    fit("user.a b=c");
    unfit("client.ssl=on", "\"client.ssl=on\" has no value: between key and value stands a blank, no \"=\"");
    unfit("user.a --log-file=/etc/profile.d/x.sh", "the word \"--log-file=/etc/profile.d/x.sh\" begins with \"--\"");
    unfit("--remote-host=x", "the word \"--remote-host=x\" begins with \"--\"");
    unfit("user.a x --xml y", "the word \"--xml\" begins with \"--\"");
    unfit("user.a --", "the word \"--\" begins with \"--\"");
    unfit("user.a  --xml", "the word \"--xml\" begins with \"--\"");
    unfit(" --xml", "the word \"--xml\" begins with \"--\"");
    unfit("-x on", "the word \"-x\" begins with \"-\" and is no number");
    unfit("user.a -x", "the word \"-x\" begins with \"-\" and is no number");
    unfit("user.a -1x", "the word \"-1x\" begins with \"-\" and is no number");
    unfit("user.a -", "the word \"-\" begins with \"-\" and is no number");
    unfit("user.a x\ny", "control characters");
    unfit("user.a x\r", "control characters");
    unfit("user.a\t--xml", "control characters");
    unfit("user.a \x7f", "control characters");
    unfit("user.a \xff", "no UTF-8");
    unfit("\xc3 x", "no UTF-8");
    unfit("user.a \xed\xa0\x80", "no UTF-8");
    unfit("user.a \xc2\x85", "control characters");
    unfit("user.a x\xef\xbf\xbf", "no characters"); /* U+FFFF: none of XML either */
    unfit("user.a \xef\xbf\xbe", "no characters");
    unfit("user.\xef\xbf\xbf x", "no characters");
    unfit("\xef\xbf\xbf", "no characters");
    unfit("user.a \xef\xb7\x90", "no characters");
    unfit("user.a \xef\xb7\xaf", "no characters");
    unfit("user.a \xf0\x9f\xbf\xbe", "no characters");
    unfit("user.a \xf4\x8f\xbf\xbf", "no characters");
    fit("user.a \xef\xbf\xbd\xef\xb7\x8f\xef\xb7\xb0\xf0\x9f\xbf\xbd\xf4\x8f\xbe\xbf\xf0\x90\xbf\xbf"); /* those beside
                                                                                                           them */
    fit("a  b");
    fit("  ");
    fit("a  b  ");
    unfit("a  b  c", "has a ' '");
    unfit("ssl.cipher-list HIGH`id`", "has a '`'");
    unfit("user.a x`id`", "has a '`'");
    unfit("`id` x", "has a '`'");
    unfit("`id`", "has a '`'");
    unfit("ssl.cipher-list a end-volume volume b", "has a ' '");
    unfit("user.xlator.x.y a b", "has a ' '");
    unfit("ssl.cipher-list a#b", "has a '#'");
    unfit("ssl.cipher-list \"a", "has a '\"'");
    unfit("ssl.cipher-list a\\b", "has a '\\'");
    unfit("group ../../../../etc/passwd", "is no name of a group of options");
    unfit("server.statedump-path /etc/cron.d", "\"/etc/cron.d\" names a file of the storage nodes");
    unfit("nfs.rpc-statd /tmp/x", "names a file of the storage nodes");
    unfit("nfs.mount-rmtab /etc/x", "names a file of the storage nodes");
    unfit("changelog.changelog-dir /etc", "names a file of the storage nodes");
    unfit("ssl.own-cert   /etc/x", "\"/etc/x\" names a file of the storage nodes");
    unfit("xuser.a /etc/x", "names a file of the storage nodes");
}

/* The text shows the beginning of a long word, and ends between characters. */
static void test_long_words_are_cut_between_characters(void **state)
{
    (void)state;
    for (size_t before = 0; before < 4; before++) {
        CLEANUP(buf_fini) struct buf text = BUF_INIT;
        struct err err = ERR_INIT;
        const char *end;

        buf_printf(&text, "user.a --%.*s", (int)before, "xxx");
        for (int i = 0; i < 100; i++) {
            buf_append_str(&text, "\xe2\x82\xac");
        }
        assert_int_equal(store_option_check(buf_str(&text), &err), E_INVALID);
        end = strstr(err.message, "\xac\" begins");
        assert_non_null(end);
        assert_true(end - err.message < 200);
    }
}

static void test_bounds(void **state)
{
    CLEANUP(store_strs_fini) struct store_strs options = {NULL, 0};
    char text[STORE_WORD_MAX + 2];
    struct err err = ERR_INIT;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[STORE_WORD_MAX] = '\0';
    fit(text);
    for (size_t i = 0; i < STORE_OPTIONS_BYTES_MAX / STORE_WORD_MAX; i++) {
        store_strs_add(&options, text);
    }
    assert_int_equal(store_options_check(&options, &err), 0);
    store_strs_add(&options, "");
    assert_int_equal(store_options_check(&options, &err), 0);
    store_strs_add(&options, "x");
    assert_int_equal(store_options_check(&options, &err), E_INVALID);
    assert_string_equal(err.message, "too long (65537 bytes in all), up to 65536 supported");
    text[STORE_WORD_MAX] = 'x';
    text[STORE_WORD_MAX + 1] = '\0';
    unfit(text, "4097 bytes, at most 4096 are supported");
    store_strs_fini(&options);
    for (int i = 0; i < STORE_OPTIONS_MAX; i++) {
        store_strs_add(&options, i == 1 ? "--a" : "");
    }
    assert_int_equal(store_options_check(&options, &err), E_INVALID);
    assert_non_null(strstr(err.message, "item 2: the word \"--a\""));
    store_strs_add(&options, "");
    assert_int_equal(store_options_check(&options, &err), E_INVALID);
    assert_string_equal(err.message, "too many items specified (513), up to 512 supported");
}

static void test_paths(void **state)
{
    static const char *const fine[] = {"/run/gluster/snaps/0123/brick1/brick", "/a", "/a.b/..c/...", "/.glusterfs"};
    static const char *const bad[] = {"",     "a",     "/",     "/a/",     "//a",        "/a//b",
                                      "/..",  "/a/..", "/../a", "/a/../b", "/a/./b",     "/a/.",
                                      "/a b", "/a\nb", "/a;b",  "/a'b",    "/a\xc3\xbc", "-a"};
    CLEANUP(buf_fini) struct buf longest = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
        assert_int_equal(store_path_check(fine[i], &err), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (store_path_check(bad[i], &err) == 0) {
            fail_msg("\"%s\" is not refused", bad[i]);
        }
    }
    for (int i = 0; i < STORE_PATH_MAX / 2; i++) {
        buf_append_str(&longest, "/a");
    }
    assert_int_equal(store_path_check(buf_str(&longest), &err), 0);
    buf_append_char(&longest, 'a');
    assert_int_equal(store_path_check(buf_str(&longest), &err), E_INVALID);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"", "-a", "--xml", "a b", "a\n", "a/b", "$(x)", "a;b", "\xc3\xbc", "a=b"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CLEANUP(free_ptr) char *device = mem_printf("/dev/%s", bad[i]);

        assert_false(store_is_name(bad[i]) || store_is_volume_name(bad[i]) || store_is_host(bad[i]) ||
                     store_is_device(bad[i]));
        assert_int_equal(store_is_device(device), bad[i][0] == '\0' || bad[i][0] == '-' || strcmp(bad[i], "a/b") == 0);
    }
    assert_true(store_is_name("tp_1.a-b") && store_is_volume_name("v_1-a") && store_is_host("fe80::1") &&
                store_is_host("node-1.example.org") && store_is_device("/dev/disk/by-id/a:b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_long_words_are_cut_between_characters),
        cmocka_unit_test(test_bounds),  cmocka_unit_test(test_paths),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
