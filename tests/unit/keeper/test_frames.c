/* Text of addresses; frames that claim an address. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/keeper/address.h"
#include "daemon/keeper/announce.h"
#include "store/base/mem.h"

static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x17};

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *interface;
        int family;
        uint8_t prefix;
    } good[] = {
        {"192.0.2.10%eth0", "eth0", AF_INET, 32},
        {"192.0.2.10/24%bond0.17", "bond0.17", AF_INET, 24},
        {"2001:db8::10%eth0", "eth0", AF_INET6, 128},
        {"2001:db8::10/64%eth0", "eth0", AF_INET6, 64},
    };
    static const char *const bad[] = {"",
                                      "192.0.2.10",
                                      "192.0.2.10%",
                                      "192.0.2.10%interface-that-is-long",
                                      "192.0.2.300%eth0",
                                      "192.0.2.10/33%eth0",
                                      "192.0.2.10/%eth0",
                                      "192.0.2.10/0%eth0",
                                      "192.0.2.10/-1%eth0",
                                      "192.0.2.10/24x%eth0",
                                      "2001:db8::10/129%eth0",
                                      "2001:db8:::10%eth0",
                                      "host.example%eth0",
                                      "192.0.2.10%e h0",
                                      "192.0.2.10%../x",
                                      "2001:0db8:0000:0000:0000:0000:0000:0010/128%eth0-and-a-very-long-rest-of-it"};
    struct address address;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(address_parse(good[i].text, &address, &err), 0);
        assert_string_equal(address.interface, good[i].interface);
        assert_string_equal(address.text, good[i].text);
        assert_int_equal(address.family, good[i].family);
        assert_int_equal(address.prefix, good[i].prefix);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(address_parse(bad[i], &address, &err), E_INVALID);
        assert_non_null(strstr(err.message, "expected ADDRESS%INTERFACE"));
        assert_non_null(strstr(err.message, bad[i]));
    }
}

static void test_arp(void **state)
{
    static const uint8_t address[4] = {192, 0, 2, 10}, nobody[4] = {0, 0, 0, 0};
    struct announce_claim claim;
    uint8_t frame[28];

    (void)state;
    for (int reply = 0; reply < 2; reply++) {
        announce_arp_frame(frame, reply != 0, mac, address);
        assert_int_equal(frame[7], reply != 0 ? 2 : 1);
        assert_memory_equal(frame + 24, address, 4); /* target: itself */
        assert_true(announce_parse_arp(frame, sizeof(frame), &claim));
        assert_int_equal(claim.family, AF_INET);
        assert_memory_equal(claim.bytes, address, 4);
        assert_memory_equal(claim.mac, mac, 6);
    }
    for (size_t len = 0; len < sizeof(frame); len++) {
        CLEANUP(free_ptr) uint8_t *cut = mem_dup(frame, len);

        assert_false(announce_parse_arp(cut, len, &claim));
    }
    announce_arp_frame(frame, false, mac, nobody); /* a probe */
    assert_false(announce_parse_arp(frame, sizeof(frame), &claim));
    for (size_t at = 0; at < 8; at++) { /* other hardware, protocol, lengths, operation */
        announce_arp_frame(frame, false, mac, address);
        frame[at] ^= 0x40;
        assert_false(announce_parse_arp(frame, sizeof(frame), &claim));
    }
}

static void test_neighbour_advertisement(void **state)
{
    struct announce_claim claim;
    uint8_t packet[32], address[16];

    (void)state;
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::10", address), 1);
    announce_na_packet(packet, mac, address);
    assert_int_equal(packet[0], 136);
    assert_int_equal(packet[4], 0x20);
    assert_true(announce_parse_na(packet, sizeof(packet), &claim));
    assert_int_equal(claim.family, AF_INET6);
    assert_memory_equal(claim.bytes, address, 16);
    assert_memory_equal(claim.mac, mac, 6);
    for (size_t len = 0; len < sizeof(packet); len++) {
        CLEANUP(free_ptr) uint8_t *cut = mem_dup(packet, len);

        assert_false(announce_parse_na(cut, len, &claim));
    }
    packet[0] = 135; /* a solicitation claims nothing */
    assert_false(announce_parse_na(packet, sizeof(packet), &claim));
}

/* A question claims nothing, and its answer is known as such. */
static void test_probe_frames(void **state)
{
    static const uint8_t other[6] = {2, 0, 0, 0, 0, 2}, v4[4] = {192, 0, 2, 10};
    /* 2001:db8::1:2 is asked for at ff02::1:ff01:2. */
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [13] = 1, [15] = 2};
    static const uint8_t want_group[6] = {0x33, 0x33, 0xff, 1, 0, 2};
    uint8_t frame[28], packet[ANNOUNCE_SOLICIT_BYTES], group[6];
    struct announce_claim claim;
    uint32_t sum = 58 + 24;

    (void)state;
    announce_arp_probe(frame, mac, v4);
    assert_false(announce_parse_arp(frame, sizeof(frame), &claim));
    announce_arp_frame(frame, true, other, v4); /* what a host answers: to the one who asked, who has no address */
    memcpy(frame + 18, mac, 6);
    memset(frame + 24, 0, 4);
    assert_true(announce_parse_arp(frame, sizeof(frame), &claim));
    assert_true(claim.answer);
    assert_memory_equal(claim.mac, other, 6);
    announce_arp_frame(frame, true, other, v4);
    assert_true(announce_parse_arp(frame, sizeof(frame), &claim));
    assert_false(claim.answer);
    announce_solicitation(packet, v6, group);
    assert_memory_equal(group, want_group, 6);
    assert_memory_equal(packet + 48, v6, 16);
    assert_int_equal(packet[7], 255);
    for (size_t i = 8; i < sizeof(packet); i += 2) { /* with its sum in it, it sums up to nothing */
        sum += (uint32_t)packet[i] << 8 | packet[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_frames),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_arp),
        cmocka_unit_test(test_neighbour_advertisement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
