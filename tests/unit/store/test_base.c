#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/err.h"
#include "store/base/id.h"
#include "store/base/log.h"
#include "store/base/log_out.h"
#include "store/base/mem.h"

static void test_buf(void **state)
{
    struct buf buf = BUF_INIT;
    char *text;

    (void)state;
    assert_string_equal(buf_str(&buf), "");
    buf_append_str(&buf, "ab");
    buf_append_char(&buf, 'c');
    buf_printf(&buf, "%d", 42);
    assert_string_equal(buf_str(&buf), "abc42");
    assert_int_equal(buf.len, 5);
    buf_clear(&buf);
    assert_string_equal(buf_str(&buf), "");
    for (int i = 0; i < 1000; i++) {
        buf_append(&buf, "0123456789", 10);
    }
    assert_int_equal(buf.len, 10000);
    assert_int_equal(buf.data[10000], '\0');
    text = buf_take(&buf);
    assert_int_equal(strlen(text), 10000);
    free(text);
    assert_null(buf.data);
    text = buf_take(&buf);
    assert_string_equal(text, "");
    free(text);
    buf_fini(&buf);
}

static void test_err(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(&err, E_IO, "disk %d", 3), E_IO);
    assert_string_equal(err.message, "disk 3");
    assert_int_equal(err_wrap(&err, "open %s", "x"), E_IO);
    assert_string_equal(err.message, "open x: disk 3");
    assert_int_equal(err_set(NULL, E_BUSY, "x"), E_BUSY);
    assert_int_equal(err_wrap(NULL, "x"), E_INVALID);
    assert_string_equal(err_text(0), "success");
    assert_string_equal(err_text(E_DAMAGED), "stored data is damaged");
    assert_string_equal(err_text(-999), "unknown error");
}

static void test_id(void **state)
{
    static const char text[] = "00112233445566778899aabbccddeeff";
    struct id id, other;

    (void)state;
    assert_true(id_parse(text, 32, &id));
    assert_int_equal(id.bytes[1], 0x11);
    assert_int_equal(id.bytes[15], 0xff);
    assert_string_equal(id_text(id).text, text);
    assert_false(id_parse(text, 31, &other));
    assert_false(id_parse("00112233445566778899AABBCCDDEEFF", 32, &other)); /* lower case only */
    assert_false(id_parse("g0112233445566778899aabbccddeeff", 32, &other));
    assert_false(id_parse("0g112233445566778899aabbccddeeff", 32, &other));
    assert_true(id_parse("00112233445566778899aabbccddef00", 32, &other));
    assert_true(id_cmp(&id, &other) < 0);
    assert_false(id_equal(id, other));
    assert_true(id_is_none(ID_NONE));
    assert_false(id_is_none(id));
}

static void test_mem(void **state)
{
    char *text = mem_printf("%s-%d", "a", 7);
    char *moved = TAKE_PTR(text);
    uint8_t *zero = mem_calloc(4, 4);
    int *list = mem_realloc_array(NULL, 3, sizeof(*list));

    (void)state;
    assert_null(text);
    assert_string_equal(moved, "a-7");
    free(moved);
    moved = mem_strndup("abcdef", 3);
    assert_string_equal(moved, "abc");
    free(moved);
    moved = mem_dup("xyz", 4);
    assert_string_equal(moved, "xyz");
    free(moved);
    moved = mem_dup(NULL, 0);
    assert_non_null(moved);
    free(moved);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(zero[i], 0);
    }
    free(zero);
    list[2] = 5;
    list = mem_realloc_array(list, 0, sizeof(*list));
    assert_non_null(list);
    free(list);
    zero = mem_alloc(0);
    assert_non_null(zero);
    free(zero);
    zero = mem_calloc(0, 8);
    assert_non_null(zero);
    free(zero);
}

static void test_crc32c(void **state)
{
    uint8_t data[1000];
    uint32_t zeros[8] = {0};

    (void)state;
    /* RFC 3720 B.4 */
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_table(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
    memset(data, 0xff, 32);
    assert_int_equal(crc32c(0, data, 32), 0x62a8ab43);
    assert_int_equal(crc32c(0, "", 0), 0);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + i / 3);
    }
    for (size_t len = 0; len < sizeof(data) - 9; len += 13) {
        for (size_t from = 0; from < 9; from++) {
            uint32_t whole = crc32c(0, data + from, len);

            assert_int_equal(whole, crc32c_table(0, data + from, len));
            assert_int_equal(whole, crc32c(crc32c(0, data + from, len / 3), data + from + len / 3, len - len / 3));
        }
    }
}

/* What is written to standard error meanwhile. */
static char *captured(void (*work)(void))
{
    char *text = mem_calloc(1, 8192);
    int pipe_fds[2], keep;
    ssize_t n;

    assert_int_equal(pipe(pipe_fds), 0);
    fflush(stderr);
    keep = dup(STDERR_FILENO);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    work();
    assert_true(dup2(keep, STDERR_FILENO) >= 0);
    close(keep);
    close(pipe_fds[1]);
    n = read(pipe_fds[0], text, 8191);
    close(pipe_fds[0]);
    assert_true(n >= 0);
    return text;
}

static void log_text(void)
{
    log_set_format(LOG_FORMAT_TEXT);
    log_set_level(LOG_INFO);
    LOG(LOG_DEBUG, "store", "not shown");
    LOG(LOG_NONE, "store", "nor this");
    LOG(LOG_INFO, "raft", "became leader", LF_U64("term", 3), LF_STR("host", "a b"), LF_I64("x", -1),
        LF_STR("y", NULL));
}

static void log_json(void)
{
    log_set_format(LOG_FORMAT_JSON);
    LOG(LOG_ERROR, "api", "bad \"x\"\n\x01", LF_STR("k", "v"), LF_U64("n", 1));
    log_set_format(LOG_FORMAT_TEXT);
}

static void log_levels(void)
{
    assert_false(log_is_journal(NULL, 8, 1234));
    assert_true(log_is_journal("8:1234", 8, 1234));
    assert_false(log_is_journal("8:1234", 8, 1235)); /* of the parent's */
    assert_false(log_is_journal("8", 8, 0));
    log_set_priorities(true);
    LOG(LOG_WARNING, "store", "first");
    log_set_format(LOG_FORMAT_JSON);
    LOG(LOG_CRITICAL, "store", "second");
    log_set_format(LOG_FORMAT_TEXT);
    log_set_priorities(false);
    LOG(LOG_INFO, "store", "third");
}

/* The journal knows a warning by what a line begins with. */
static void test_log_priorities(void **state)
{
    CLEANUP(free_ptr) char *text = captured(log_levels);

    (void)state;
    assert_memory_equal(text, "<4>2", 4);
    assert_non_null(strstr(text, "first\n<2>{\"time\""));
    assert_non_null(strstr(text, "}\n2")); /* of the year */
}

static void test_log(void **state)
{
    char *text = captured(log_text);

    (void)state;
    assert_int_equal(log_get_level(), LOG_INFO);
    assert_non_null(strstr(text, "became leader term=3 host=\"a b\" x=-1 y=\"\"\n"));
    assert_null(strstr(text, "not shown"));
    assert_null(strstr(text, "nor this"));
    free(text);
    text = captured(log_json);
    assert_non_null(strstr(text, "\"level\":\"error\",\"component\":\"api\",\"message\":\"bad \\\"x\\\"\\n\\u0001\""));
    assert_non_null(strstr(text, ",\"k\":\"v\",\"n\":1}\n"));
    free(text);
}

/* Standard error is a pipe that nobody reads: lines are lost, no time is. (Written straight, the first pipe full hangs
 * the test until the alarm.) When it is read again, what is lost is told, and what is left is whole. */
static void test_log_reader_stuck(void **state)
{
    struct buf got = BUF_INIT;
    int pipe_fds[2], keep;
    uint64_t dropped = log_out_dropped();
    bool last = false;

    (void)state;
    (void)alarm(120);
    assert_int_equal(pipe(pipe_fds), 0);
    fflush(stderr);
    keep = dup(STDERR_FILENO);
    assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
    log_start_writer();
    for (unsigned i = 0; i < 30000; i++) {
        LOG(LOG_INFO, "test", "a line that is some hundred characters long, so that the ring is full before the end",
            LF_U64("number", i));
    }
    assert_true(log_out_dropped() > dropped);
    log_out_flush(1); /* in vain; and it does not wait for long */
    while (strstr(buf_str(&got), "number=x\n") == NULL) {
        char data[65536];
        ssize_t n = read(pipe_fds[0], data, sizeof(data));

        assert_true(n > 0);
        buf_append(&got, data, (size_t)n);
        if (!last && strstr(buf_str(&got), "lines were dropped") != NULL) {
            LOG(LOG_INFO, "test", "the last one", LF_STR("number", "x"));
            last = true;
        }
    }
    log_stop_writer();
    assert_true(dup2(keep, STDERR_FILENO) >= 0);
    (void)close(keep);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    for (char *line = got.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        assert_int_equal(line[4], '-');
        assert_int_equal(line[23], 'Z');
        assert_non_null(strstr(line, strstr(line, "dropped") != NULL ? " lines=" : " number="));
    }
    buf_fini(&got);
    (void)alarm(0);
}

static void test_check(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)dup2(null, STDERR_FILENO);
        CHECK(1 == 1);
        CHECK_MSG(1 == 2, "one is not %d", 2);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_err),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_mem),
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_priorities),
        cmocka_unit_test(test_log_reader_stuck),
        cmocka_unit_test(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
