/* hecate db backup, db import. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"
#include "tests/unit/cli/script.h"

/* Ends with an error that begins so, without asking anybody. */
#define expect_refused(want, ...)                                      \
    do {                                                               \
        struct outcome outcome_;                                       \
        run_cli(&outcome_, refusing_url(), __VA_ARGS__, NULL);         \
        assert_int_equal(outcome_.code, 255);                          \
        assert_true(strncmp(outcome_.err, (want), strlen(want)) == 0); \
        outcome_fini(&outcome_);                                       \
    } while (0)

static char *content(const char *path, mode_t *ret_mode)
{
    FILE *file = fopen(path, "rb");
    char text[256];
    struct stat stat;
    size_t n;

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &stat), 0);
    *ret_mode = stat.st_mode & 0777;
    n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    (void)fclose(file); /* only read from */
    return mem_strdup(text);
}

/* The file is there as a whole, for its owner only, or is as it was. */
static void test_backup(void **state)
{
    static const struct exchange good[] = {{"GET", "/backup/db", 200, "all of it", NULL, NULL}};
    static const struct exchange bad[] = {{"GET", "/backup/db", 401, "Administrator access required\n", TEXT, NULL}};
    char folder[] = "/tmp/hecate-backup.XXXXXX";
    CLEANUP(free_ptr) char *path = NULL, *said = NULL, *absent = NULL, *wrong = NULL;
    mode_t mode;

    (void)state;
    assert_non_null(mkdtemp(folder));
    path = mem_printf("%s/backup", folder);
    absent = mem_printf("%s/absent/backup", folder);
    said = mem_printf("9 bytes in %s\n", path);
    wrong = mem_printf("Error: %s.new: No such file or directory\n", absent);
    expect_run(good, 0, said, "", "db", "backup", path);
    for (int i = 0; i < 2; i++) {
        CLEANUP(free_ptr) char *text = content(path, &mode);

        assert_string_equal(text, "all of it");
        assert_int_equal(mode, 0600);
        if (i == 0) {
            expect_run(bad, 255, "", "Error: Administrator access required\n", "db", "backup", path);
        }
    }
    expect_refused(wrong, "db", "backup", absent); /* nobody is asked for what cannot be kept */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left in it */
}

static void test_import(void **state)
{
    static const char told[] =
        "{\"ok\":true,\"counts\":{\"clusters\":1,\"nodes\":3,\"devices\":4,\"volumes\":5,\"bricks\":15,"
        "\"operations\":2},\"error_count\":0,\"errors\":[],\"warnings\":[\"odd\"]}";
    static const struct exchange good[] = {{"POST", "/db/import", 200, told, JSON, "{\"clusterentries\":{}}"}};
    static const struct exchange bad[] = {{"POST", "/db/import", 400,
                                           "{\"error_count\":2,\"errors\":[\"one\",\"two\"],\"warnings\":[]}", JSON,
                                           "{\"clusterentries\":{}}"}};
    static const struct exchange refused[] = {
        {"POST", "/db/import", 401, "Administrator access required\n", TEXT, "{\"clusterentries\":{}}"}};
    char path[] = "/tmp/hecate-import.XXXXXX";
    CLEANUP(free_ptr) char *broken = NULL;
    FILE *file = fdopen(mkstemp(path), "w");

    (void)state;
    assert_non_null(file);
    fprintf(file, "{\"clusterentries\":{}}");
    assert_int_equal(fclose(file), 0);
    expect_run(good, 0, "warning: odd\n1 clusters, 3 nodes, 4 devices, 5 volumes, 15 bricks, 2 unfinished operations\n",
               "", "db", "import", path);
    expect_run(bad, 255, "", "error: one\nerror: two\nError: nothing was imported\n", "db", "import", path);
    expect_run(refused, 255, "", "Error: Administrator access required\n", "db", "import", path);
    assert_int_equal(truncate(path, 5), 0);
    broken = mem_printf("Error: %s: line 1, column 5: ", path);
    expect_refused(broken, "db", "import", path);
    assert_int_equal(unlink(path), 0);
    expect_refused("Error: unable to open ", "db", "import", path);
    expect_refused("Error: missing file\n", "db", "import");
    expect_refused("Error: missing file\n", "db", "backup");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_import),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
