/* Frames that say who has an address: gratuitous ARP and unsolicited neighbour advertisements, sent and heard. */
#ifndef HECATE_DAEMON_KEEPER_ANNOUNCE_H
#define HECATE_DAEMON_KEEPER_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>

/* Non-blocking sockets; -1 and errno. */
int announce_open_arp(void);
int announce_open_icmp6(void);

/* 0 or errno. IPv4: a request and a reply with the own address as sender and target, to everybody on the link. */
int announce_arp(int fd, unsigned interface, const char *name, const uint8_t address[4]);
/* From the address itself, which must be there. */
int announce_icmp6(int fd, unsigned interface, const char *name, const uint8_t address[16]);

struct announce_claim { /* somebody says that an address is his */
    int family;
    uint8_t bytes[16], mac[6];
    unsigned interface;
};
/* The next claim that has come in; false: none. Frames of other kinds and damaged ones are skipped. */
bool announce_heard_arp(int fd, struct announce_claim *ret_claim);
bool announce_heard_icmp6(int fd, struct announce_claim *ret_claim);
bool announce_is_ours(const char *interface, const uint8_t mac[6]);

/* Pure: the frames. ARP without Ethernet header: 28 bytes; neighbour advertisement: 32 bytes (the kernel fills in the
 * checksum). */
void announce_arp_frame(uint8_t frame[28], bool reply, const uint8_t mac[6], const uint8_t address[4]);
void announce_na_packet(uint8_t packet[32], const uint8_t mac[6], const uint8_t address[16]);
bool announce_parse_arp(const uint8_t *frame, size_t len, struct announce_claim *ret_claim);
bool announce_parse_na(const uint8_t *packet, size_t len, struct announce_claim *ret_claim);

#endif
