/* hecate volume unclaimed: what kubectl prints, against what the server has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"
#include "tests/unit/cli/script.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddd"
#define E "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

/* By its annotation, by its path, by the name of a prefix; and one of another kind. */
#define VOLUMES                                                                                                     \
    "{\"kind\":\"List\",\"items\":["                                                                                \
    "{\"kind\":\"PersistentVolume\",\"metadata\":{\"annotations\":{\"gluster.kubernetes.io/heketi-volume-id\":\"" A \
    "\"}},\"spec\":{\"glusterfs\":{\"path\":\"other\"}}},"                                                          \
    "{\"kind\":\"PersistentVolume\",\"spec\":{\"glusterfs\":{\"path\":\"/vol_" B "\"}}},"                           \
    "{\"kind\":\"PersistentVolume\",\"spec\":{\"glusterfs\":{\"path\":\"dept_ns_claim_1\"}}},"                      \
    "{\"kind\":\"PersistentVolume\",\"spec\":{\"nfs\":{\"path\":\"/vol_" D "\"}}}]}"

static char *file_with(const char *text)
{
    char path[] = "/tmp/hecate-volumes.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    return mem_strdup(path);
}

static const struct exchange asked[] = {
    {"GET", "/volumes", 200, "{\"volumes\":[\"" A "\",\"" B "\",\"" C "\",\"" D "\",\"" E "\"]}", JSON, NULL},
    {"GET", "/volumes/" C, 200, "{\"id\":\"" C "\",\"name\":\"dept_ns_claim_1\",\"size\":1}", JSON, NULL},
    {"GET", "/volumes/" D, 200, "{\"id\":\"" D "\",\"name\":\"vol_" D "\",\"size\":7,\"gid\":2000}", JSON, NULL},
    {"GET", "/volumes/" E, 200, "{\"id\":\"" E "\",\"name\":\"vol_" E "\",\"size\":9,\"block\":true}", JSON, NULL},
};

static void test_list(void **state)
{
    CLEANUP(free_ptr) char *path = file_with(VOLUMES);

    (void)state;
    expect_run(asked, 0, "Id:" D "    Name:vol_" D " Size (GiB):7 Gid:2000\n", "", "volume", "unclaimed", path);
    expect_run(asked, 0, "[{\"id\":\"" D "\",\"name\":\"vol_" D "\",\"size\":7,\"gid\":2000}]", "", "volume",
               "unclaimed", path, "--json");
    assert_int_equal(unlink(path), 0);
}

static void refused(const char *text, const char *part)
{
    CLEANUP(free_ptr) char *path = file_with(text);
    struct outcome outcome;

    run_cli(&outcome, refusing_url(), "volume", "unclaimed", path, NULL);
    assert_int_equal(outcome.code, 255);
    assert_non_null(strstr(outcome.err, part));
    assert_string_equal(outcome.out, "");
    outcome_fini(&outcome);
    assert_int_equal(unlink(path), 0);
}

/* Else every volume would look as if it were nobody's. */
static void test_of_something_else(void **state)
{
    static const char none[] = "names no PersistentVolume of GlusterFS";

    (void)state;
    refused("{}", none);
    refused("[]", none);
    refused("{\"items\":[]}", none);
    refused("{\"items\":{}}", none);
    refused("{\"items\":[1,null,{\"kind\":\"PersistentVolume\",\"spec\":{\"nfs\":{}}}]}", none);
    refused("{\"items\":[{\"kind\":\"Endpoints\",\"spec\":{\"glusterfs\":{\"path\":\"x\"}}}]}", none);
    refused("Error from server", "line 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list), cmocka_unit_test(test_of_something_else)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
