/* Frames that say, or ask, who has an address: gratuitous ARP and unsolicited neighbour advertisements, sent and heard;
 * questions of one who claims nothing himself (ARP probes, RFC 5227; neighbour solicitations from nobody, RFC 4862). */
#ifndef HECATE_DAEMON_KEEPER_ANNOUNCE_H
#define HECATE_DAEMON_KEEPER_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Non-blocking sockets; -1 and errno. */
int announce_open_arp(void);
int announce_open_icmp6(void);

/* 0 or errno. IPv4: a request and a reply with the own address as sender and target, to everybody on the link. */
int announce_arp(int fd, unsigned interface, const char *name, const uint8_t address[4]);
/* From the address itself, which must be there. */
int announce_icmp6(int fd, unsigned interface, const char *name, const uint8_t address[16]);

/* A socket for questions, which hears nothing. */
int announce_open_probe(void);
/* 0 or errno. Whoever has the address answers, and is heard as a claim. */
int announce_probe(int fd, unsigned interface, const char *name, int family, const uint8_t *address);

struct announce_claim { /* somebody says that an address is his */
    int family;
    bool answer; /* perhaps only because we have asked */
    uint8_t bytes[16], mac[6];
    unsigned interface;
};
/* The next claim that has come in; false: none. Frames of other kinds and damaged ones are skipped. */
bool announce_heard_arp(int fd, struct announce_claim *ret_claim);
bool announce_heard_icmp6(int fd, struct announce_claim *ret_claim);
/* Of any interface of this host: two may be on one link, and the kernel answers on both. */
bool announce_is_ours(const uint8_t mac[6]);

/* Pure: the frames. ARP without Ethernet header: 28 bytes; neighbour advertisement: 32 bytes (the kernel fills in the
 * checksum). */
void announce_arp_frame(uint8_t frame[28], bool reply, const uint8_t mac[6], const uint8_t address[4]);
void announce_na_packet(uint8_t packet[32], const uint8_t mac[6], const uint8_t address[16]);
void announce_arp_probe(uint8_t frame[28], const uint8_t mac[6], const uint8_t address[4]);
#define ANNOUNCE_SOLICIT_BYTES 64
/* With its IPv6 header; to the solicited-node group, whose link address goes to ret_group. */
void announce_solicitation(uint8_t packet[ANNOUNCE_SOLICIT_BYTES], const uint8_t address[16], uint8_t ret_group[6]);
bool announce_parse_arp(const uint8_t *frame, size_t len, struct announce_claim *ret_claim);
bool announce_parse_na(const uint8_t *packet, size_t len, struct announce_claim *ret_claim);

#endif
