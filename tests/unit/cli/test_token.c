/* Tokens: the check value of the contract 5.3, and tokens made by another implementation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cli/fixture.h"

static void test_qsh(void **state)
{
    char *qsh = token_qsh("GET", "/clusters");

    (void)state;
    assert_string_equal(qsh, "4749a59de87c27c9b2f495c5f1309b2525681dfe30c8a7b83625901b132a9c26");
    free(qsh);
}

static void expect_token(const char *user, const char *key, const char *want)
{
    char *token = token_make(user, key, "GET", "/clusters", 1700000000);

    assert_string_equal(token, want);
    free(token);
}

static void test_tokens(void **state)
{
    (void)state;
    expect_token("admin", "My Secret",
                 "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhZG1pbiIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxN"
                 "zAwMDAwMzAwLCJxc2giOiI0NzQ5YTU5ZGU4N2MyN2M5YjJmNDk1YzVmMTMwOWIyNTI1NjgxZGZlMzBjOGE3YjgzNjI"
                 "1OTAxYjEzMmE5YzI2In0.Sc7QMs_4QCD3CZ0kxyTCeA_l7Ss621hOB7yMkEuo-Yg");
    /* No user: no issuer, which the server refuses with a message of its own. */
    expect_token("", "",
                 "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDMwMCwicXNoI"
                 "joiNDc0OWE1OWRlODdjMjdjOWIyZjQ5NWM1ZjEzMDliMjUyNTY4MWRmZTMwYzhhN2I4MzYyNTkwMWIxMzJhOWMyNiJ"
                 "9.tOTwmLDnLd-wz6W8uW2hfwNK2IwGNpTU0VBtjg52nWE");
}

/* The key does not stay in the command line, which every user of the machine can read. */
static void test_secret_is_wiped(void **state)
{
    char one[] = "--secret=abc", two[] = "--secret", value[] = "def";
    char *argv[] = {(char[]){"hecate"}, (char[]){"cluster"}, (char[]){"list"}, one, two, value, (char[]){"--bad"}};
    struct cli cli;

    (void)state;
    cli_init(&cli);
    cli.err = fopen("/dev/null", "w");
    assert_int_equal(cli_run(&cli, 7, argv), 255);
    (void)fclose(cli.err);
    assert_string_equal(one, "--secret=");
    assert_memory_equal(one + 9, "\0\0\0", 4);
    assert_memory_equal(value, "\0\0\0", 4);
    assert_non_null(strstr(cli.error, "--bad"));
    cli_fini(&cli);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qsh),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_secret_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
