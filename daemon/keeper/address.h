/* Virtual addresses in the kernel: rtnetlink(7) through libmnl, and their announcement on the link.
 *
 * Addresses are added with a finite lifetime (ifaddrmsg with IFA_CACHEINFO), so that the kernel removes them when
 * nobody refreshes them; IPv6 ones without duplicate address detection, since they must be usable at once. Needs
 * CAP_NET_ADMIN, and CAP_NET_RAW for announcing.
 */
#ifndef HECATE_DAEMON_KEEPER_ADDRESS_H
#define HECATE_DAEMON_KEEPER_ADDRESS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/err.h"

struct address {
    int family; /* AF_INET or AF_INET6 */
    uint8_t bytes[16];
    uint8_t prefix; /* /32 and /128 unless said otherwise: no route comes with it */
    char interface[IFNAMSIZ];
    char text[64]; /* as configured, for messages */
};

/* "192.0.2.10%eth0", "192.0.2.10/24%eth0", "2001:db8::10%eth0". E_INVALID says what was expected. */
int address_parse(const char *text, struct address *ret_address, struct err *reterr);

/* The kernel's doors, opened once. */
struct address_door {
    struct mnl_socket *netlink;
    unsigned sequence;
    int arp, icmp6, probe; /* raw sockets; -1 where not needed */
};
int address_open(const struct address *addresses, size_t n, struct address_door *ret_door, struct err *reterr);
void address_close(struct address_door *door);

/* Adds the address or gives it its full lifetime again. E_IO. */
int address_add(struct address_door *door, const struct address *address, uint32_t lifetime_s, struct err *reterr);
/* One that is gone already is removed. E_IO. */
int address_remove(struct address_door *door, const struct address *address, struct err *reterr);
/* IPv4: gratuitous ARP, as request and as reply (RFC 5227); IPv6: unsolicited neighbour advertisement with the override
 * flag (RFC 4861 7.2.6). An interface that is down is no failure: E_IO otherwise. */
int address_announce(struct address_door *door, const struct address *address, struct err *reterr);

/* Asks who else has the address; the answer is heard by address_conflict. As for announcing, an interface that is down
 * is no failure. */
int address_probe(struct address_door *door, const struct address *address, struct err *reterr);

/* Somebody else speaks for one of the addresses: its index and the other's link address, and whether that may be an
 * answer to a question of ours; false: nothing (more) was heard. Reads what has come in on arp and icmp6 without
 * waiting. */
bool address_conflict(struct address_door *door, const struct address *addresses, size_t n, size_t *ret_index,
                      uint8_t ret_mac[6], bool *ret_answer);

#endif
