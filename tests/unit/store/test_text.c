/* Texts from outside: whatever the bytes, what is kept is valid UTF-8 within its bounds, and is what was said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/err.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/command.h"
#include "store/store.h"

#define FFFD "\xef\xbf\xbd"

static const struct {
    const char *raw;
    size_t len;
    const char *clean;
} cases[] = {
#define CASE(raw, clean)                \
    {                                   \
        (raw), sizeof(raw) - 1, (clean) \
    }
    CASE("", ""),
    CASE("plain text\twith\nlines", "plain text\twith\nlines"),
    CASE("\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\x8d", "\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\x8d"),
    CASE("B\xfc"
         "cher",
         "B" FFFD "cher"),                                       /* Latin-1 */
    CASE("\xc3", FFFD),                                          /* cut */
    CASE("\xe2\x82", FFFD FFFD),                                 /* cut later */
    CASE("\xe2\x82z", FFFD FFFD "z"),                            /* cut, and more follows */
    CASE("\xc0\xaf \xe0\x80\xaf", FFFD FFFD " " FFFD FFFD FFFD), /* overlong */
    CASE("\xed\xa0\x80", FFFD FFFD FFFD),                        /* a surrogate */
    CASE("\xf4\x90\x80\x80\xff\xfe", FFFD FFFD FFFD FFFD FFFD FFFD),
    CASE("a\0b", "a" FFFD "b"),
    CASE("10%\r20%\r\n", "10% 20% \n"),
    CASE("\x1b[31mred\x7f\x07", FFFD "[31mred" FFFD FFFD),
    CASE("\xc2\x9b"
         "2J\xc2\xa0",
         FFFD "2J\xc2\xa0"), /* the other block of control characters */
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(buf_fini) struct buf buf = BUF_INIT;

        text_append(&buf, cases[i].raw, cases[i].len);
        assert_string_equal(buf_str(&buf), cases[i].clean);
        assert_true(text_is_clean(buf_str(&buf)));
        if (strlen(cases[i].raw) == cases[i].len) {
            CLEANUP(free_ptr) char *whole = text_clean(cases[i].raw, 1000);

            assert_string_equal(whole, cases[i].clean);
            assert_int_equal(text_is_clean(cases[i].raw), strcmp(cases[i].raw, cases[i].clean) == 0);
        }
    }
}

/* At every length: valid, no longer than allowed, and the beginning of the whole. */
static void test_cut(void **state)
{
    static const char text[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x8d\xfc"
                               "b\xc3\xbc";
    CLEANUP(free_ptr) char *whole = text_clean(text, 100);

    (void)state;
    for (size_t max = 0; max < sizeof(text) + 4; max++) {
        CLEANUP(free_ptr) char *cut = text_clean(text, max);
        CLEANUP(free_ptr) char *array = mem_alloc(max + 1); /* exactly: the sanitizer sees a byte too many */
        CLEANUP(free_ptr) char *printed = mem_alloc(max + 1);

        assert_true(strlen(cut) <= max && strlen(cut) + 4 > (max < strlen(whole) ? max : strlen(whole)));
        assert_memory_equal(cut, whole, strlen(cut));
        assert_true(text_is_clean(cut));
        text_put(array, max + 1, text);
        assert_string_equal(array, cut);
        text_print(printed, max + 1, "%s", text);
        assert_string_equal(printed, cut);
    }
}

static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16;
}

static void test_random(void **state)
{
    const char *given = getenv("HECATE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;
    static const char odd[] = "\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x8d\xed\xa0\x80\xc0\xff\x80"
                              "a\n\r\x7f\xc2\x85";

    (void)state;
    printf("HECATE_SEED=%u\n", seed);
    for (int i = 0; i < 20000; i++) {
        CLEANUP(buf_fini) struct buf clean = BUF_INIT;
        CLEANUP(free_ptr) char *cut = NULL;
        char raw[64], small[24];
        size_t len = next(&seed) % (sizeof(raw) - 1);

        for (size_t j = 0; j < len; j++) {
            raw[j] = next(&seed) % 4 == 0 ? (char)(next(&seed) % 255 + 1) : odd[next(&seed) % (sizeof(odd) - 1)];
        }
        raw[len] = '\0';
        text_append(&clean, raw, len);
        assert_true(text_is_clean(buf_str(&clean)));
        cut = text_clean(raw, SIZE_MAX);
        assert_string_equal(cut, buf_str(&clean));
        text_put(small, sizeof(small), raw);
        assert_true(text_is_clean(small));
        assert_memory_equal(small, cut, strlen(small));
    }
}

/* What cuts messages cuts them at a character. */
static void test_messages(void **state)
{
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        buf_clear(&many);
        buf_append(&many, "xx", shift);
        for (int i = 0; i < 2000; i++) {
            buf_append_str(&many, "\xe2\x82\xac");
        }
        (void)err_set(&err, E_REMOTE, "%s", buf_str(&many));
        assert_true(text_is_clean(err.message) && strstr(err.message, FFFD) == NULL);
        assert_true(strlen(err.message) > sizeof(err.message) - 4);
        (void)err_wrap(&err, "%s", buf_str(&many));
        assert_true(text_is_clean(err.message) && strstr(err.message, FFFD) == NULL);
        assert_true(strlen(err.message) > sizeof(err.message) - 20);
    }
}

/* What was tried and why it failed are both there, whatever stands between them. */
static void test_line(void **state)
{
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    char line[65];

    (void)state;
    text_line(line, sizeof(line), "umount:\ntarget is \xfc busy \n\n");
    assert_string_equal(line, "umount: target is " FFFD " busy");
    text_line(line, sizeof(line), "");
    assert_string_equal(line, "");
    buf_append_str(&many, "umount ");
    for (int i = 0; i < 1000; i++) {
        for (int j = 0; j < 4; j++) { /* characters of three bytes, cut at all places */
            CLEANUP(buf_fini) struct buf text = BUF_INIT;

            buf_printf(&text, "%.*s%s: target is busy%.*s", j, "xxx", buf_str(&many), j, "...");
            text_line(line, sizeof(line), buf_str(&text));
            assert_true(text_is_clean(line) && strstr(line, FFFD) == NULL);
            assert_non_null(strstr(line, "umount "));
            assert_non_null(strstr(line, ": target is busy"));
            assert_true(text.len < sizeof(line) ? strcmp(line, buf_str(&text)) == 0 : strstr(line, " ... ") != NULL);
        }
        buf_append_str(&many, "\xe2\x82\xac");
    }
}

static char *end_with(const char *text, const char *parked)
{
    CLEANUP(buf_fini) struct buf buf = BUF_INIT;
    struct store_cmd cmd, back;
    char *ret;

    store_cmd_init(&cmd, STORE_CMD_OP_END);
    cmd.failed = true;
    free(cmd.text);
    cmd.text = mem_strdup(text);
    cmd.parked = mem_calloc(1, sizeof(*cmd.parked));
    cmd.parked[0].text = mem_strdup(parked);
    cmd.n_parked = 1;
    store_cmd_encode(&cmd, &buf);
    assert_string_equal(cmd.text, text); /* the caller's own is untouched */
    store_cmd_fini(&cmd);
    assert_int_equal(store_cmd_decode(buf.data, buf.len, &back, NULL), 0);
    assert_true(text_is_clean(back.parked[0].text) && strlen(back.parked[0].text) <= STORE_TEXT_MAX);
    ret = mem_strdup(back.text);
    store_cmd_fini(&back);
    return ret;
}

/* Nothing gets into the log that a later reader could choke on. */
static void test_commands(void **state)
{
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    CLEANUP(free_ptr)
    char *latin = end_with("B\xfc"
                           "cher",
                           "\xfc");
    CLEANUP(free_ptr) char *cut = NULL;

    (void)state;
    assert_string_equal(latin, "B" FFFD "cher");
    for (int i = 0; i < STORE_TEXT_MAX; i++) {
        buf_append_str(&many, "\xe2\x82\xac");
    }
    cut = end_with(buf_str(&many), buf_str(&many));
    assert_true(text_is_clean(cut) && strstr(cut, FFFD) == NULL);
    assert_int_equal(strlen(cut), STORE_TEXT_MAX - STORE_TEXT_MAX % 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),    cmocka_unit_test(test_cut),  cmocka_unit_test(test_random),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_line), cmocka_unit_test(test_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
