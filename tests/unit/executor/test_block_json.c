/* What gluster-block answers: real forms, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/block_json.h"
#include "daemon/executor/json_few.h"
#include "store/base/buf.h"
#include "store/base/mem.h"

#define INFO                                                                                          \
    "{ \"NAME\": \"lun\", \"VOLUME\": \"hv\", \"GBID\": \"5f3a\", \"SIZE\": \"2.0 GiB\", \"HA\": 2, " \
    "\"IOTIMEOUT\": \"43 Seconds\", \"PASSWORD\": \"p-91d2\", \"EXPORTED ON\": [ \"h1\", \"h2\" ]%s }\n"

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint32_t first_gib, last_gib; /* all of which it may be */
    } good[] = {
        {"10.0 GiB", 10, 10},         {"1.0 GiB", 1, 1},    {"1023.0 GiB", 1023, 1023}, {"1.0 TiB", 960, 1088},
        {"1.5 TiB", 1472, 1600},      {"10GiB", 10, 10},    {"10 G", 10, 10},           {"7GB", 7, 7},
        {"1.0 PiB", 983040, 1114112}, {"2048.0 MiB", 2, 2},
    };
    static const char *const bad[] = {"",         "GiB",      "x",   "-1 GiB",  "1.GiB",
                                      "1.0 XiB",  "1.0 GiBs", "1 2", "1.0 BiB", "99999999999999 GiB",
                                      "9999 EiB", "1.0.0 GiB"};
    struct block_size size;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!block_size_parse(good[i].text, &size) || !block_size_is(&size, good[i].first_gib) ||
            !block_size_is(&size, good[i].last_gib) || block_size_is(&size, good[i].first_gib - 1) ||
            block_size_is(&size, good[i].last_gib + 1)) {
            fail_msg("%s: %lu to %lu", good[i].text, (unsigned long)size.low, (unsigned long)size.high);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (block_size_parse(bad[i], &size)) {
            fail_msg("%s is a size", bad[i]);
        }
    }
    assert_true(block_size_parse("0.0 B", &size));
    assert_int_equal(size.high, 0);
    assert_false(block_size_is(&size, 0)); /* not known */
    assert_true(block_size_parse("1.5 TiB", &size));
    assert_int_equal(block_size_gib(&size), 1536);
    assert_true(block_size_parse("512.0 B", &size));
    assert_int_equal(block_size_gib(&size), 0);
}

static int read_info(struct block_answer *answer, const char *more, struct err *err)
{
    CLEANUP(free_ptr) char *text = mem_printf(INFO, more);

    *err = (struct err)ERR_INIT;
    return block_json_info(text, strlen(text), answer, err);
}

static void test_info(void **state)
{
    struct block_answer answer;
    struct err err;

    (void)state;
    assert_int_equal(read_info(&answer, "", &err), 0);
    assert_false(answer.failed || answer.half_made || answer.resize_failed);
    assert_string_equal(answer.name, "lun");
    assert_string_equal(answer.volume, "hv");
    assert_string_equal(answer.gbid, "5f3a");
    assert_string_equal(answer.password, "p-91d2");
    assert_true(block_size_is(&answer.size, 2));
    assert_int_equal(answer.ha_count, 2);
    assert_int_equal(answer.hosts.n, 2);
    assert_string_equal(answer.hosts.items[1], "h2");
    block_answer_fini(&answer);
    assert_int_equal(read_info(&answer, ", \"RESIZE FAILED ON\": { \"h1\": \"1.5 GiB\", \"h2\": \"1.0 GiB\" }", &err),
                     0);
    assert_true(answer.resize_failed);
    assert_int_equal(block_size_gib(&answer.smallest), 1);
    block_answer_fini(&answer);
    assert_int_equal(read_info(&answer, ", \"RESIZE FAILED ON\": { \"h1\": null }", &err), 0);
    assert_true(answer.resize_failed && answer.smallest.high == 0);
    block_answer_fini(&answer);
    assert_int_equal(read_info(&answer, ", \"ENCOUNTERED FAILURES ON\": [ \"h3\" ]", &err), 0);
    assert_true(answer.half_made);
    block_answer_fini(&answer);
}

static void test_half_made(void **state)
{
    static const char *const texts[] = {
        "{\"NAME\":\"l\",\"VOLUME\":\"hv\",\"GBID\":\"5\",\"SIZE\":\"2.0 GiB\",\"HA\":3,\"PASSWORD\":\"\",\"EXPORTED "
        "ON\":"
        "[\"h1\"]}",
        "{\"NAME\":\"l\",\"VOLUME\":\"hv\",\"GBID\":\"5\",\"SIZE\":\"0.0 B\",\"HA\":1,\"PASSWORD\":\"\",\"EXPORTED "
        "ON\":"
        "[\"h1\"]}",
        "{\"NAME\":\"l\",\"GBID\":\"5\",\"SIZE\":\"2.0 GiB\",\"HA\":1}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct block_answer answer;
        struct err err = ERR_INIT;

        assert_int_equal(block_json_info(texts[i], strlen(texts[i]), &answer, &err), 0);
        assert_true(answer.half_made);
        block_answer_fini(&answer);
    }
}

static void test_outcomes(void **state)
{
    static const struct {
        const char *text;
        bool failed;
        const char *why;
    } cases[] = {
        {"{ \"IQN\": \"iqn.x:5\", \"PORTAL(S)\": [ \"h1:3260\" ], \"RESULT\": \"SUCCESS\" }", false, ""},
        {"{ \"SUCCESSFUL ON\": [ \"h1\" ], \"RESULT\": \"SUCCESS\" }", false, ""},
        {"{ \"RESULT\": \"FAIL\", \"errCode\": 2, \"errMsg\": \"block hv\\/lun doesn't exist\" }", true,
         "block hv/lun doesn't exist"},
        {"{ \"FAILED ON\": [ \"h1\", \"h2\" ], \"RESULT\": \"FAIL\" }", true, "failed on h1 h2"},
        {"{ \"IQN\": \"x\", \"FAILED ON\": [ \"h1\" ], \"RESULT\": \"FAIL\", \"errCode\": 255, \"errMsg\": \"no\" }",
         true, "no; failed on h1"},
        {"{ \"RESULT\": \"FAIL\", \"errCode\": 5, \"errMsg\": null }", true, ""},
        {"{ \"errMsg\": \"odd\" }", true, "odd"},
        {"{ \"RESULT\": \"SKIPPED\" }", true, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct block_answer answer;
        struct err err = ERR_INIT;

        assert_int_equal(block_json_result(cases[i].text, strlen(cases[i].text), &answer, &err), 0);
        assert_int_equal(answer.failed, cases[i].failed);
        assert_string_equal(answer.text, cases[i].why);
        block_answer_fini(&answer);
    }
}

static void test_garbage(void **state)
{
    static const char *const results[] = {"",
                                          "x",
                                          "[]",
                                          "{",
                                          "{}",
                                          "{\"RESULT\":1}",
                                          "{\"RESULT\":\"FAIL\",\"errCode\":\"2\"}",
                                          "{\"RESULT\":\"FAIL\",\"errMsg\":[]}",
                                          "{\"RESULT\":\"FAIL\",\"FAILED ON\":\"h1\"}",
                                          "{\"RESULT\":\"FAIL\",\"FAILED ON\":[1]}"};
    static const char *const infos[] = {
        "{}",
        "{\"SIZE\":\"2.0 GiB\"}",
        "{\"SIZE\":2,\"HA\":1}",
        "{\"SIZE\":\"2.0 GiB\",\"HA\":\"1\"}",
        "{\"SIZE\":\"2.0 GiB\",\"HA\":-1}",
        "{\"SIZE\":\"2.0 GiB\",\"HA\":1,\"GBID\":7}",
        "{\"SIZE\":\"2.0 GiB\",\"HA\":1,\"EXPORTED ON\":{}}",
        "{\"SIZE\":\"2.0 GiB\",\"HA\":1,\"RESIZE FAILED ON\":[]}",
        "{\"SIZE\":\"2.0 GiB\",\"HA\":1,\"RESIZE FAILED ON\":{\"h\":\"big\"}}",
    };
    struct block_answer answer;
    struct buf large = BUF_INIT;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        err = (struct err)ERR_INIT;
        assert_int_equal(block_json_result(results[i], strlen(results[i]), &answer, &err), E_PROTOCOL);
        assert_true(err.message[0] != '\0' && answer.text == NULL);
    }
    for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
        err = (struct err)ERR_INIT;
        assert_int_equal(block_json_info(infos[i], strlen(infos[i]), &answer, &err), E_PROTOCOL);
        assert_true(err.message[0] != '\0' && answer.text == NULL);
    }
    buf_append_str(&large, "{\"RESULT\":\"FAIL\",\"FAILED ON\":[\"h\"");
    for (int i = 0; i < BLOCK_JSON_HOSTS_MAX; i++) {
        buf_append_str(&large, ",\"h\"");
    }
    buf_append_str(&large, "]}");
    assert_int_equal(block_json_result(large.data, large.len, &answer, &err), E_PROTOCOL);
    buf_clear(&large);
    buf_append_str(&large, "{\"RESULT\":\"FAIL\",\"errMsg\":\"");
    for (size_t i = 0; i < JSON_BYTES_MAX; i++) {
        buf_append_char(&large, 'x');
    }
    buf_append_str(&large, "\"}");
    assert_int_equal(block_json_result(large.data, large.len, &answer, &err), E_PROTOCOL);
    buf_fini(&large);
}

/* A value takes long, however short it is. */
static void test_values_are_bounded(void **state)
{
    static const char *const values[] = {"[]", "{}", "1", "\"\""};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        CLEANUP(buf_fini) struct buf many = BUF_INIT;
        struct block_answer answer;
        struct err err = ERR_INIT;

        buf_append_str(&many, "{\"a\":[1");
        for (int n = 0; n < JSON_VALUES_MAX; n++) {
            buf_printf(&many, ",%s", values[i]);
        }
        buf_append_str(&many, "]}");
        assert_true(many.len < JSON_BYTES_MAX);
        assert_int_equal(block_json_info(many.data, many.len, &answer, &err), E_PROTOCOL);
        assert_string_equal(err.message, "gluster-block's answer: it has more than 4096 values");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),    cmocka_unit_test(test_info),    cmocka_unit_test(test_half_made),
        cmocka_unit_test(test_outcomes), cmocka_unit_test(test_garbage), cmocka_unit_test(test_values_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
