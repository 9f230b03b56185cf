/* Changes of volumes and block volumes, and the volume for the database of a Heketi. */
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

/* ---- volumes ---- */

static void test_expand(void **state)
{
    CLEANUP(free_ptr) char *want = read_data("volume-big.txt");
    CLEANUP(free_ptr) char *answer = read_data("volume-big.json");
    const struct exchange script[] = {
        {"POST", "/volumes/" V1 "/expand", 202, NULL, AT_QUEUE, "{\"expand_size\":2}"},
        PENDING,
        ENDS_AT("/volumes/" V1),
        {"GET", "/volumes/" V1, 200, answer, JSON, NULL},
    };
    static const struct exchange json[] = {
        {"POST", "/volumes/" V1 "/expand", 202, NULL, AT_QUEUE, "{\"expand_size\":1}"},
        ENDS_AT("/volumes/" V1),
        {"GET", "/volumes/" V1, 200, "{\"size\":6}\n", JSON, NULL},
    };
    static const struct exchange refused[] = {
        {"POST", "/volumes/" V1 "/expand", 500, "Failed to allocate volume expansion: No space\n", TEXT,
         "{\"expand_size\":-1}"},
    };

    (void)state;
    expect_run(script, 0, want, "", "volume", "expand", V1, "--expand-size=2");
    expect_run(json, 0, "{\"size\":6}", "", "volume", "expand", "--volume=" V1, "--expand-size=1", "--json");
    expect_run(refused, 255, "", "Error: Failed to allocate volume expansion: No space\n", "volume", "expand", V1,
               "--expand-size=-1");
}

static void test_dry_run(void **state)
{
#define DRY_BODY                                                                                               \
    "{\"size\":1,\"name\":\"\",\"durability\":{\"type\":\"none\",\"replicate\":{\"replica\":3},\"disperse\":{" \
    "\"data\":4,"                                                                                              \
    "\"redundancy\":2}},\"snapshot\":{\"enable\":false,\"factor\":1.0},\"oldestclient\":\"3.8\"}"
#define IMPOSSIBLE                                                                                \
    "{\"possible\":false,\"error\":\"Failed to allocate new volume: No "                          \
    "space\",\"reasons\":[{\"cluster\":\"c\",\"reason\":"                                         \
    "\"no "                                                                                       \
    "node\"},{\"cluster\":\"c\",\"node\":\"n\",\"host\":\"n1\",\"device\":\"d\",\"name\":\"/dev/" \
    "sdb\",\"reason\":\"full\"}]}"
    static const struct exchange possible[] = {
        {"POST", "/volumes?dry_run=true", 200,
         "{\"possible\":true,\"volume\":{\"cluster\":\"" C1 "\",\"bricks\":[{\"size\":1048576,\"node\":\"" N1
         "\",\"device\":\"" D1 "\"}]}}\n",
         JSON, DRY_BODY},
    };
    static const struct exchange existing[] = {
        {"POST", "/volumes?dry_run=true", 200, "{\"possible\":true,\"existing\":\"" V1 "\"}\n", JSON, DRY_BODY},
    };
    static const struct exchange impossible[] = {
        {"POST", "/volumes?dry_run=true", 200, IMPOSSIBLE "\n", JSON, DRY_BODY},
    };

    (void)state;
    expect_run(possible, 0,
               "Nothing was made. It would be as follows.\nCluster Id: " C1 "\nBricks:\nSize (GiB):1        Node:" N1
               "    Device:" D1 "\n",
               "", "volume", "create", "--size=1", "--durability=none", "--oldest-client=3.8", "--dry-run");
    expect_run(existing, 0, "An equal request has made it already.\nVolume Id: " V1 "\n", "", "volume", "create",
               "--size=1", "--durability=none", "--oldest-client=3.8", "--dry-run");
    expect_run(impossible, 255, "",
               "Error: Failed to allocate new volume: No space\n  cluster c: no node\n  n1 /dev/sdb: full\n", "volume",
               "create", "--size=1", "--durability=none", "--oldest-client=3.8", "--dry-run");
    expect_run(impossible, 0, IMPOSSIBLE, "", "volume", "create", "--size=1", "--durability=none",
               "--oldest-client=3.8", "--dry-run", "--json");
}

static void test_clone(void **state)
{
    CLEANUP(free_ptr) char *want = read_data("volume-two.txt");
    CLEANUP(free_ptr) char *answer = read_data("volume-two.json");
    const struct exchange script[] = {
        {"POST", "/volumes/" V1 "/clone", 202, NULL, AT_QUEUE, "{\"name\":\"copy\"}"},
        ENDS_AT("/volumes/" D1),
        {"GET", "/volumes/" D1, 200, answer, JSON, NULL},
    };
    static const struct exchange unnamed[] = {{"POST", "/volumes/" V1 "/clone", 404, "Id not found\n", TEXT, "{}"}};

    (void)state;
    expect_run(script, 0, want, "", "volume", "clone", V1, "--name=copy");
    expect_run(unnamed, 255, "", "Error: Id not found\n", "volume", "clone", V1);
}

static void test_restriction(void **state)
{
    CLEANUP(free_ptr) char *want = read_data("volume-hv.txt");
    CLEANUP(free_ptr) char *answer = read_data("volume-hv.json");
    const struct exchange lock[] = {
        {"POST", "/volumes/" V1 "/block-restriction", 202, NULL, AT_QUEUE, "{\"restriction\":\"locked\"}"},
        ENDS_AT("/volumes/" V1),
        {"GET", "/volumes/" V1, 200, answer, JSON, NULL},
    };
    static const struct exchange unlock[] = {
        {"POST", "/volumes/" V1 "/block-restriction", 202, NULL, AT_QUEUE, "{\"restriction\":\"\"}"},
        {"GET", Q1, 500, "Failed to set block restriction: no\n", TEXT, NULL},
    };

    (void)state;
    expect_run(lock, 0, want, "", "volume", "set-block-hosting-restriction", "locked", V1);
    expect_run(unlock, 255, "", "Error: Failed to set block restriction: no\n", "volume",
               "set-block-hosting-restriction", "unlocked", V1);
}

#define HOSTS "\"mount\":{\"glusterfs\":{\"hosts\":[\"192.0.2.13\",\"192.0.2.11\"],\"device\":\"192.0.2.13:v\"}}"

static void test_endpoint(void **state)
{
    static const struct exchange script[] = {{"GET", "/volumes/" V1, 200, "{" HOSTS "}\n", JSON, NULL}};

    (void)state;
    expect_run(script, 0,
               "{\"subsets\": [{\"addresses\":[{\"ip\":\"192.0.2.13\"}],\"ports\":[{\"port\":1}]},"
               "{\"addresses\":[{\"ip\":\"192.0.2.11\"}],\"ports\":[{\"port\":1}]}]}",
               "", "volume", "endpoint", "patch", V1);
}

/* ---- block volumes ---- */

#define BLOCK                                                                                                  \
    "{\"size\":2,\"name\":\"lun\",\"hacount\":3,\"id\":\"" V1 "\",\"blockvolume\":{\"hosts\":[\"192.0.2.13\"," \
    "\"192.0.2.11\"],\"iqn\":\"fakeIQN\",\"lun\":0,\"username\":\"u\",\"password\":\"p\"},\"cluster\":\"" C1   \
    "\",\"blockhostingvolume\":\"" D1 "\",\"usablesize\":1}"
#define BLOCK_SHOWN                                                                                              \
    "Name: lun\nSize: 2\nUsableSize: 1\nVolume Id: " V1 "\nCluster Id: " C1 "\nHosts: [192.0.2.13 192.0.2.11]\n" \
    "IQN: fakeIQN\nLUN: 0\nHacount: 3\nUsername: u\nPassword: p\nBlock Hosting Volume: " D1 "\n"

static void test_block_create(void **state)
{
    static const struct exchange script[] = {
        {"POST", "/blockvolumes", 202, NULL, AT_QUEUE, "{\"size\":2,\"name\":\"\"}"},
        ENDS_AT("/blockvolumes/" V1),
        {"GET", "/blockvolumes/" V1, 200, BLOCK "\n", JSON, NULL},
    };
    static const struct exchange all[] = {
        {"POST", "/blockvolumes", 500, "insufficient block hosts online\n", TEXT,
         "{\"size\":1,\"name\":\"lun2\",\"clusters\":[\"" C1 "\",\"" C2 "\"],\"hacount\":2,\"auth\":true}"},
    };

    (void)state;
    expect_run(script, 0, BLOCK_SHOWN, "", "blockvolume", "create", "--size=2");
    expect_run(script, 0, BLOCK, "", "blockvolume", "create", "--size=2", "--json");
    expect_run(all, 255, "", "Error: insufficient block hosts online\n", "blockvolume", "create", "--size=1", "--ha=2",
               "--auth", "--name=lun2", "--clusters=" C1 "," C2);
}

static void test_block_others(void **state)
{
    static const struct exchange list[] = {
        {"GET", "/blockvolumes", 200, "{\"blockvolumes\":[\"" V1 "\"]}\n", JSON, NULL},
        {"GET", "/blockvolumes/" V1, 200, BLOCK "\n", JSON, NULL},
    };
    static const struct exchange info[] = {{"GET", "/blockvolumes/" V1, 200, BLOCK "\n", JSON, NULL}};
    static const struct exchange expand[] = {
        {"POST", "/blockvolumes/" V1 "/expand", 202, NULL, AT_QUEUE, "{\"new_size\":5}"},
        ENDS_AT("/blockvolumes/" V1),
        {"GET", "/blockvolumes/" V1, 200, BLOCK "\n", JSON, NULL},
    };
    static const struct exchange delete[] = {{"DELETE", "/blockvolumes/" V1, 202, NULL, AT_QUEUE, NULL}, DONE};

    (void)state;
    expect_run(list, 0, "Id:" V1 "    Cluster:" C1 "    Name:lun\n", "", "blockvolume", "list");
    expect_run(info, 0, BLOCK_SHOWN, "", "blockvolume", "info", V1);
    expect_run(expand, 0, BLOCK_SHOWN, "", "blockvolume", "expand", V1, "--new-size=5");
    expect_run(expand, 0, BLOCK, "", "blockvolume", "expand", "--blockvolume=" V1, "--new-size=5", "--json");
    expect_run(delete, 0, "Volume " V1 " deleted\n", "", "blockvolume", "delete", V1);
}

/* ---- setup-openshift-heketi-storage ---- */

#define SETUP_BODY(options)                                                                                           \
    "{\"size\":2,\"name\":\"heketidbstorage\",\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}," \
    "\"glustervolumeoptions\":[" options "],\"snapshot\":{\"enable\":false,\"factor\":1.0}}"
#define OPTIONS                                                                                            \
    "\"user.heketi.dbstoragelevel 1\",\"performance.stat-prefetch off\",\"performance.write-behind off\"," \
    "\"performance.open-behind off\",\"performance.quick-read off\",\"performance.strict-o-direct on\","   \
    "\"performance.read-ahead off\",\"performance.io-cache off\",\"performance.readdir-ahead off\""

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    struct buf text = BUF_INIT;
    char chunk[1024];
    size_t n;

    assert_non_null(file);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buf_append(&text, chunk, n);
    }
    (void)fclose(file);
    return buf_take(&text);
}

static void test_setup(void **state)
{
    static const struct exchange script[] = {
        {"GET", "/volumes", 200, "{\"volumes\":[\"" V1 "\"]}\n", JSON, NULL},
        {"GET", "/volumes/" V1, 200, "{\"name\":\"other\"}\n", JSON, NULL},
        {"POST", "/volumes", 202, NULL, AT_QUEUE, SETUP_BODY(OPTIONS ",\"a b\"")},
        ENDS_AT("/volumes/" D1),
        {"GET", "/volumes/" D1, 200, "{\"id\":\"" D1 "\"," HOSTS "}\n", JSON, NULL},
        {"GET", "/backup/db", 200, "database", NULL, NULL},
    };
    char path[] = "/tmp/hecate-setup-XXXXXX";
    CLEANUP(free_ptr) char *flag = NULL, *saving = NULL, *want = read_data("setup.json"), *have = NULL;

    (void)state;
    (void)close(mkstemp(path));
    flag = mem_printf("--listfile=%s", path);
    saving = mem_printf("Saving %s\n", path);
    expect_run(script, 0, saving, "", "setup-heketi-db-storage", flag, "--image=example/heketi:1",
               "--append-volume-options=a b", "--node-selector=disk=ssd,x=y");
    have = read_file(path);
    assert_string_equal(have, want);
    (void)unlink(path);
}

/* What was made is removed when the objects cannot be written. */
static void test_setup_fails(void **state)
{
    static const struct exchange existing[] = {
        {"GET", "/volumes", 200, "{\"volumes\":[\"" V1 "\"]}\n", JSON, NULL},
        {"GET", "/volumes/" V1, 200, "{\"name\":\"heketidbstorage\"}\n", JSON, NULL},
    };
    static const struct exchange script[] = {
        {"GET", "/volumes", 200, "{\"volumes\":[]}\n", JSON, NULL},
        {"POST", "/volumes", 202, NULL, AT_QUEUE, SETUP_BODY("\"k v\"")},
        ENDS_AT("/volumes/" D1),
        {"GET", "/volumes/" D1, 200, "{\"id\":\"" D1 "\"," HOSTS "}\n", JSON, NULL},
        {"GET", "/backup/db", 500, "no backup\n", TEXT, NULL},
        {"DELETE", "/volumes/" D1, 202, NULL, AT_QUEUE, NULL},
        PENDING,
        DONE,
    };

    (void)state;
    expect_run(existing, 255, "", "Error: Volume heketidbstorage already exists\n", "setup-openshift-heketi-storage");
    expect_run(script, 255, "", "Error: no backup\n", "setup-kubernetes-heketi-storage",
               "--gluster-volume-options=k v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),       cmocka_unit_test(test_dry_run),  cmocka_unit_test(test_clone),
        cmocka_unit_test(test_restriction),  cmocka_unit_test(test_endpoint), cmocka_unit_test(test_block_create),
        cmocka_unit_test(test_block_others), cmocka_unit_test(test_setup),    cmocka_unit_test(test_setup_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
