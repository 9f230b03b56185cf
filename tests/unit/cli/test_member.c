/* The members of the cluster: leadership, changes, feature levels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/cli/fixture.h"
#include "tests/unit/cli/script.h"

#define ONE                                                                                                \
    "{\"id\":1,\"peer\":\"a:1\",\"api\":\"a:2\",\"role\":\"voter\",\"becomes\":\"voter\",\"leader\":true," \
    "\"connected\":true,\"lag\":0}"
#define TWO                                                                                  \
    "{\"id\":2,\"peer\":\"b:1\",\"api\":\"b:2\",\"role\":\"standby\",\"becomes\":\"voter\"," \
    "\"leader\":false,\"connected\":false,\"lag\":9}"
#define LIST "{\"members\":[" ONE "," TWO "]}\n"
#define PRINTED                                                       \
    "Id:1  Role:voter, leader  Peer:a:1  Api:a:2  connected  Lag:0\n" \
    "Id:2  Role:standby, becomes voter  Peer:b:1  Api:b:2  not connected  Lag:9\n"

static void test_transfer(void **state)
{
    static const struct exchange any[] = {{"GET", "/cluster/members", 200, LIST, JSON, NULL},
                                          {"POST", "/cluster/transfer", 200, "{\"leader\":3}\n", JSON, "{\"from\":1}"}};
    static const struct exchange one[] = {
        {"POST", "/cluster/transfer", 200, "{\"leader\":2}\n", JSON, "{\"member\":2}"}};
    static const struct exchange refused[] = {{"POST", "/cluster/transfer", 409,
                                               "{\"error\":\"refused\",\"reason\":\"it is not connected\"}\n", JSON,
                                               "{\"member\":7}"}};

    (void)state;
    expect_run(any, 0, "Member 3 leads\n", "", "leader", "transfer");
    expect_run(one, 0, "Member 2 leads\n", "", "leader", "transfer", "2");
    expect_run(refused, 255, "", "Error: refused: it is not connected\n", "leader", "transfer", "7");
}

static void test_list(void **state)
{
    static const struct exchange list[] = {{"GET", "/cluster/members", 200, LIST, JSON, NULL}};

    (void)state;
    expect_run(list, 0, PRINTED, "", "member", "list");
}

static void test_changes(void **state)
{
    static const struct exchange add[] = {{"POST", "/cluster/members", 200, LIST, JSON,
                                           "{\"member\":2,\"peer\":\"b:1\",\"api\":\"b:2\",\"standby\":true}"}};
    static const struct exchange replace[] = {
        {"POST", "/cluster/members", 200, LIST, JSON, "{\"member\":2,\"replace\":true}"}};
    static const struct exchange promote[] = {{"POST", "/cluster/members/2/promote", 200, LIST, JSON, NULL}};
    static const struct exchange remove[] = {{"DELETE", "/cluster/members/2", 200, LIST, JSON, NULL}};
    static const struct exchange remove_leader[] = {
        {"DELETE", "/cluster/members/1", 409, "{\"error\":\"refused\",\"reason\":\"it leads: hand over first\"}\n",
         JSON, NULL},
        {"POST", "/cluster/transfer", 200, "{\"leader\":2}\n", JSON, "{\"from\":1}"},
        {"DELETE", "/cluster/members/1", 200, LIST, JSON, NULL}};
    static const struct exchange remove_last[] = {
        {"DELETE", "/cluster/members/1", 409, "{\"error\":\"refused\",\"reason\":\"fewer than two\"}\n", JSON, NULL}};

    (void)state;
    expect_run(add, 0, PRINTED, "", "member", "add", "2", "--peer", "b:1", "--api=b:2", "--standby");
    expect_run(replace, 0, PRINTED, "", "member", "replace", "2");
    expect_run(promote, 0, PRINTED, "", "member", "promote", "2");
    expect_run(remove, 0, PRINTED, "", "member", "remove", "2");
    expect_run(remove_leader, 0, PRINTED, "", "member", "remove", "1");
    expect_run(remove_last, 255, "", "Error: refused: fewer than two\n", "member", "remove", "1");
}

static void test_upgrade(void **state)
{
#define LEVELS                                                                                                         \
    "{\"feature_level\":1,\"all_know\":2,\"held\":true,\"members\":[{\"id\":1,\"version\":\"0.2\",\"levels\":[1,2]}]}" \
    "\n"
    static const char printed[] = "Feature level: 1, held\nAll members know: 2\nId:1  Version:0.2  Levels:1 to 2\n";
    static const struct exchange status[] = {{"GET", "/cluster/upgrade", 200, LEVELS, JSON, NULL}};
    static const struct exchange hold[] = {{"POST", "/cluster/upgrade/hold", 200, LEVELS, JSON, "{}"}};
    static const struct exchange finalize[] = {{"POST", "/cluster/upgrade/finalize", 200, LEVELS, JSON, "{}"}};

    (void)state;
    expect_run(status, 0, printed, "", "upgrade", "status");
    expect_run(hold, 0, printed, "", "upgrade", "hold");
    expect_run(finalize, 0, printed, "", "upgrade", "finalize");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_upgrade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
