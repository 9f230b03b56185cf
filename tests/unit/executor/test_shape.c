/* What gluster is asked to make of a volume's bricks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/executor/script.h"
#include "store/base/mem.h"

#define BRICKS 6

static void expect_shape(const struct store_volume *like, bool arbiter, const char *shape)
{
    char name[] = "v", pool[] = "tp_1", none[] = "";
    struct store_volume volume = *like;
    struct store_brick bricks[BRICKS];
    struct exec_brick items[BRICKS];
    struct exec_config config;
    CLEANUP(buf_fini) struct buf script = BUF_INIT;
    struct exec_step step = {
        .kind = EXEC_VOLUME_CREATE, .volume = &volume, .bricks = items, .n_bricks = BRICKS, .term = 7};
    struct err err = ERR_INIT;

    volume.name = name;
    for (size_t i = 0; i < BRICKS; i++) {
        bricks[i] = (struct store_brick){
            .pool = pool,
            .lv = none,
            .path = none,
            .type = arbiter && i % 3 == 2 ? STORE_BRICK_ARBITER : STORE_BRICK_NORMAL,
        };
        items[i] = (struct exec_brick){&bricks[i], "192.0.2.1"};
    }
    exec_config_init(&config);
    assert_int_equal(script_check(&config, &step, &err), 0);
    script_build(&config, &step, &script);
    assert_non_null(strstr(buf_str(&script), shape));
}

static void test_shapes(void **state)
{
    (void)state;
    expect_shape(&(struct store_volume){.durability = STORE_NONE, .replica = 3}, false, "SHAPE=\n");
    expect_shape(&(struct store_volume){.durability = STORE_REPLICATE, .replica = 1}, false, "SHAPE='replica 1'\n");
    expect_shape(&(struct store_volume){.durability = STORE_REPLICATE, .replica = 2}, false, "SHAPE='replica 2'\n");
    expect_shape(&(struct store_volume){.durability = STORE_REPLICATE, .replica = 3}, false, "SHAPE='replica 3'\n");
    expect_shape(&(struct store_volume){.durability = STORE_REPLICATE, .replica = 3}, true,
                 "SHAPE='replica 3 arbiter 1'\n");
    expect_shape(&(struct store_volume){.durability = STORE_DISPERSE, .disperse_data = 2, .redundancy = 1}, false,
                 "SHAPE='disperse 3 redundancy 1'\n");
    expect_shape(&(struct store_volume){.durability = STORE_DISPERSE, .disperse_data = 4, .redundancy = 2}, false,
                 "SHAPE='disperse 6 redundancy 2'\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
