/* Configurations as bytes: what the library writes is read, whatever else is refused, and nothing is freed twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/core_priv.h"
#include "store/base/buf.h"

static void put_number(struct buf *buf, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        buf_append_char(buf, (char)(value >> (8 * i)));
    }
}

static void put_server(struct buf *buf, uint64_t id, const char *address, uint8_t role)
{
    put_number(buf, id);
    buf_append(buf, address, strlen(address) + 1);
    buf_append_char(buf, (char)role);
}

static void begin(struct buf *buf, uint64_t n)
{
    buf_clear(buf);
    buf_append_char(buf, 1);
    put_number(buf, n);
}

static bool valid(const struct buf *buf)
{
    return core_conf_valid((const uint8_t *)buf->data, buf->len);
}

static void encode(const struct raft_configuration *conf, struct buf *buf)
{
    struct raft_buffer bytes;

    assert_int_equal(raft_configuration_encode(conf, &bytes), 0);
    buf_clear(buf);
    buf_append(buf, bytes.base, bytes.len);
    raft_free(bytes.base);
}

static void test_what_the_library_writes(void **state)
{
    struct raft_configuration conf, back;
    struct buf buf = BUF_INIT;

    (void)state;
    raft_configuration_init(&conf);
    for (uint64_t id = 1; id <= CORE_PEERS_MAX; id++) {
        char address[40];

        (void)snprintf(address, sizeof(address), "%s10.0.0.%lu:8090 h:1",
                       id == 4   ? "+"
                       : id == 5 ? "~"
                                 : "",
                       (unsigned long)id);
        assert_int_equal(raft_configuration_add(&conf, id, address, (int)(id % 3)), 0);
        if (id > 1) {
            encode(&conf, &buf);
            assert_true(core_conf_parse((const uint8_t *)buf.data, buf.len, &back));
            assert_int_equal(back.n, id);
            for (unsigned i = 0; i < back.n; i++) {
                assert_int_equal(back.servers[i].id, conf.servers[i].id);
                assert_int_equal(back.servers[i].role, conf.servers[i].role);
                assert_string_equal(back.servers[i].address, conf.servers[i].address);
            }
            raft_configuration_close(&back);
        }
    }
    for (size_t len = 0; len < buf.len; len++) { /* cut anywhere but in its padding */
        bool padding = len + 7 >= buf.len && memcmp(buf.data + len, "\0\0\0\0\0\0\0", buf.len - len) == 0;

        assert_true(padding || !core_conf_valid((const uint8_t *)buf.data, len));
    }
    raft_configuration_close(&conf);
    buf_fini(&buf);
}

/* The frame that ended all members of the first release: its second member is cut short. */
static void test_cut_in_a_member(void **state)
{
    static const uint8_t bytes[] = {1, 2, 0,   0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,   0,
                                    0, 0, 'a', 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0};
    struct raft_configuration conf;

    (void)state;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        assert_false(core_conf_parse(bytes, len, &conf));
        assert_int_equal(conf.n, 0);
        raft_configuration_close(&conf); /* nothing is in it */
    }
}

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What stands behind the second blank is a key, or the configuration is none. */
static void test_keys(void **state)
{
    static const struct {
        const char *address, *key; /* NULL: refused */
    } cases[] = {
        {"a:1", ""},
        {"a:1 ", ""},
        {"a:1 h:1", ""},
        {"a:1 h:1 " KEY, KEY},
        {"a:1  " KEY, KEY},
        {"+a:1 h:1 " KEY, KEY},
        {"a:1 h:1 ", NULL},
        {"a:1  ", NULL},
        {"a:1 h:1 1" KEY, NULL},
        {"a:1 h:1 " KEY " ", NULL},
        {"a:1 h:1 " KEY " " KEY, NULL},
        {"a:1 h:1 g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
        {"a:1 h:1 A123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
        {"a:1 h:1 123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
    };
    struct raft_configuration conf;
    struct buf buf = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin(&buf, 1);
        put_server(&buf, 1, cases[i].address, RAFT_VOTER);
        assert_int_equal(core_conf_parse((const uint8_t *)buf.data, buf.len, &conf), cases[i].key != NULL);
        if (cases[i].key != NULL) {
            assert_string_equal(core_address_key(conf.servers[0].address), cases[i].key);
        }
        raft_configuration_close(&conf);
    }
    buf_fini(&buf);
}

static void test_refused(void **state)
{
    static const char *const addresses[] = {"", "a\nb", "a\x7f", "\xc3\xa4:1", "++a:1", "+", "a\x01"};
    struct buf buf = BUF_INIT;
    char text[CORE_ADDRESS_MAX + 2];

    (void)state;
    begin(&buf, 1);
    put_server(&buf, 1, "a:1", RAFT_VOTER);
    assert_true(valid(&buf));
    buf_append(&buf, "\0\0\0\0\0\0\0", 7); /* padding */
    assert_true(valid(&buf));
    buf.data[buf.len - 1] = 1;
    assert_false(valid(&buf));
    buf.data[buf.len - 1] = 0;
    buf_append_char(&buf, 0);
    assert_false(valid(&buf));
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        begin(&buf, 1);
        put_server(&buf, 1, addresses[i], RAFT_VOTER);
        assert_false(valid(&buf));
    }
    memset(text, 'a', sizeof(text));
    text[CORE_ADDRESS_MAX] = '\0';
    begin(&buf, 1);
    put_server(&buf, 1, text, RAFT_VOTER);
    assert_true(valid(&buf));
    text[CORE_ADDRESS_MAX] = 'a';
    text[CORE_ADDRESS_MAX + 1] = '\0';
    begin(&buf, 1);
    put_server(&buf, 1, text, RAFT_VOTER);
    assert_false(valid(&buf));
    for (uint8_t role = 3; role != 0; role++) {
        begin(&buf, 2);
        put_server(&buf, 1, "a:1", RAFT_VOTER);
        put_server(&buf, 2, "b:1", role);
        assert_false(valid(&buf));
    }
    for (int i = 0; i < 4; i++) {
        begin(&buf, 2);
        put_server(&buf, 7, "a:1", i == 3 ? RAFT_SPARE : RAFT_VOTER);
        /* the same id, the same address, none, nobody who votes */
        put_server(&buf, i == 0 ? 7 : i == 2 ? 0 : 8, i == 1 ? "a:1" : "b:1", RAFT_STANDBY);
        assert_false(valid(&buf));
    }
    begin(&buf, 1); /* more than it says */
    put_server(&buf, 1, "a:1", RAFT_VOTER);
    put_server(&buf, 2, "b:1", RAFT_VOTER);
    assert_false(valid(&buf));
    begin(&buf, UINT64_MAX); /* fewer */
    put_server(&buf, 1, "a:1", RAFT_VOTER);
    assert_false(valid(&buf));
    buf.data[0] = 2;
    assert_false(valid(&buf));
    begin(&buf, CORE_PEERS_MAX + 1);
    for (uint64_t id = 1; id <= CORE_PEERS_MAX + 1; id++) {
        (void)snprintf(text, sizeof(text), "h%lu:1", (unsigned long)id);
        put_server(&buf, id, text, RAFT_VOTER);
    }
    assert_false(valid(&buf));
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_library_writes),
        cmocka_unit_test(test_cut_in_a_member),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
