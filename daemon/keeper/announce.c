#include "daemon/keeper/announce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARP_BYTES 28
#define NA_BYTES 32
#define HOP_LIMIT 255 /* receivers drop anything else (RFC 4861 7.1.2) */

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* ---- frames ---- */

void announce_arp_frame(uint8_t frame[28], bool reply, const uint8_t mac[6], const uint8_t address[4])
{
    static const uint8_t head[7] = {0, ARPHRD_ETHER, 0x08, 0x00, 6, 4, 0};

    memcpy(frame, head, sizeof(head));
    frame[7] = reply ? ARPOP_REPLY : ARPOP_REQUEST;
    memcpy(frame + 8, mac, 6);
    memcpy(frame + 14, address, 4);
    memcpy(frame + 18, everybody, 6);
    memcpy(frame + 24, address, 4);
}

bool announce_parse_arp(const uint8_t *frame, size_t len, struct announce_claim *claim)
{
    static const uint8_t head[7] = {0, ARPHRD_ETHER, 0x08, 0x00, 6, 4, 0};

    if (len < ARP_BYTES || memcmp(frame, head, sizeof(head)) != 0 ||
        (frame[7] != ARPOP_REPLY && frame[7] != ARPOP_REQUEST)) {
        return false;
    }
    memset(claim, 0, sizeof(*claim));
    claim->family = AF_INET;
    memcpy(claim->mac, frame + 8, 6);
    memcpy(claim->bytes, frame + 14, 4);
    claim->answer = memcmp(frame + 14, frame + 24, 4) != 0; /* a gratuitous one names the address twice */
    return claim->bytes[0] != 0;                            /* a probe (RFC 5227) claims nothing */
}

void announce_arp_probe(uint8_t frame[28], const uint8_t mac[6], const uint8_t address[4])
{
    announce_arp_frame(frame, false, mac, address);
    memset(frame + 14, 0, 4); /* sender: nobody, so that no cache learns anything */
    memset(frame + 18, 0, 6);
}

/* The ones' complement sum over the pseudo header and the message (RFC 4443 2.3). */
static uint16_t icmp6_sum(const uint8_t *packet, size_t message_bytes)
{
    uint32_t sum = IPPROTO_ICMPV6 + (uint32_t)message_bytes;

    for (size_t i = 8; i < 40 + message_bytes; i += 2) { /* both addresses, then the message */
        sum += (uint32_t)packet[i] << 8 | packet[i + 1];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

void announce_solicitation(uint8_t packet[ANNOUNCE_SOLICIT_BYTES], const uint8_t address[16], uint8_t group[6])
{
    static const uint8_t nodes[13] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff};
    uint16_t sum;

    memset(packet, 0, ANNOUNCE_SOLICIT_BYTES);
    packet[0] = 0x60;
    packet[5] = 24; /* bytes that follow the header */
    packet[6] = IPPROTO_ICMPV6;
    packet[7] = HOP_LIMIT;
    memcpy(packet + 24, nodes, sizeof(nodes)); /* the source stays ::, as in duplicate address detection */
    memcpy(packet + 37, address + 13, 3);
    packet[40] = ND_NEIGHBOR_SOLICIT;
    memcpy(packet + 48, address, 16);
    sum = icmp6_sum(packet, 24);
    packet[42] = (uint8_t)(sum >> 8);
    packet[43] = (uint8_t)sum;
    group[0] = group[1] = 0x33;
    memcpy(group + 2, packet + 36, 4);
}

void announce_na_packet(uint8_t packet[32], const uint8_t mac[6], const uint8_t address[16])
{
    memset(packet, 0, NA_BYTES);
    packet[0] = ND_NEIGHBOR_ADVERT;
    packet[4] = 0x20; /* override what caches have */
    memcpy(packet + 8, address, 16);
    packet[24] = ND_OPT_TARGET_LINKADDR;
    packet[25] = 1; /* in units of 8 bytes */
    memcpy(packet + 26, mac, 6);
}

bool announce_parse_na(const uint8_t *packet, size_t len, struct announce_claim *claim)
{
    if (len < NA_BYTES || packet[0] != ND_NEIGHBOR_ADVERT || packet[1] != 0 || packet[24] != ND_OPT_TARGET_LINKADDR ||
        packet[25] != 1) {
        return false;
    }
    memset(claim, 0, sizeof(*claim));
    claim->family = AF_INET6;
    claim->answer = true; /* to nobody, as ours is, or not asked for: they look the same */
    memcpy(claim->bytes, packet + 8, 16);
    memcpy(claim->mac, packet + 26, 6);
    return true;
}

/* ---- sockets ---- */

int announce_open_arp(void)
{
    return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ARP));
}

static bool icmp6_options(int fd)
{
    struct icmp6_filter filter;
    int on = 1, hops = HOP_LIMIT, off = 0;

    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ND_NEIGHBOR_ADVERT, &filter);
    return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) == 0 &&
           setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) == 0 &&
           setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off)) == 0 &&
           setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) == 0 &&
           setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)) == 0;
}

int announce_open_icmp6(void)
{
    int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);

    if (fd >= 0 && !icmp6_options(fd)) {
        (void)close(fd); /* a socket */
        return -1;
    }
    return fd;
}

static int interface_mac(const char *name, uint8_t mac[6])
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0) {
        return errno;
    }
    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    rc = ioctl(fd, SIOCGIFHWADDR, &request) == 0 ? 0 : errno;
    (void)close(fd); /* a socket */
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    return rc;
}

bool announce_is_ours(const uint8_t mac[6])
{
    struct if_nameindex *interfaces = if_nameindex();
    bool ours = false;

    for (size_t i = 0; interfaces != NULL && interfaces[i].if_index != 0 && !ours; i++) {
        uint8_t own[6];

        ours = interface_mac(interfaces[i].if_name, own) == 0 && memcmp(own, mac, 6) == 0;
    }
    if_freenameindex(interfaces);
    return ours;
}

int announce_open_probe(void)
{
    return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int announce_probe(int fd, unsigned interface, const char *name, int family, const uint8_t *address)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)interface, .sll_halen = 6};
    uint8_t data[ANNOUNCE_SOLICIT_BYTES], mac[6];
    size_t len;
    int error = interface_mac(name, mac);

    if (error != 0) {
        return error;
    }
    if (family == AF_INET) {
        to.sll_protocol = htons(ETH_P_ARP);
        memcpy(to.sll_addr, everybody, 6);
        announce_arp_probe(data, mac, address);
        len = ARP_BYTES;
    } else {
        to.sll_protocol = htons(ETH_P_IPV6);
        announce_solicitation(data, address, to.sll_addr);
        len = ANNOUNCE_SOLICIT_BYTES;
    }
    return sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

int announce_arp(int fd, unsigned interface, const char *name, const uint8_t address[4])
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = (int)interface, .sll_halen = 6};
    uint8_t frame[ARP_BYTES], mac[6];
    int error = interface_mac(name, mac);

    memcpy(to.sll_addr, everybody, 6);
    for (int reply = 0; reply < 2 && error == 0; reply++) {
        announce_arp_frame(frame, reply != 0, mac, address);
        if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
            error = errno;
        }
    }
    return error;
}

int announce_icmp6(int fd, unsigned interface, const char *name, const uint8_t address[16])
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_scope_id = interface};
    uint8_t packet[NA_BYTES], mac[6];
    struct iovec data = {packet, sizeof(packet)};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
    struct msghdr message = {&to, sizeof(to), &data, 1, control, sizeof(control), 0};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    struct in6_pktinfo from = {.ipi6_ifindex = interface};
    int error = interface_mac(name, mac);

    if (error != 0) {
        return error;
    }
    memcpy(&from.ipi6_addr, address, 16);
    head->cmsg_level = IPPROTO_IPV6;
    head->cmsg_type = IPV6_PKTINFO;
    head->cmsg_len = CMSG_LEN(sizeof(from));
    memcpy(CMSG_DATA(head), &from, sizeof(from));
    (void)inet_pton(AF_INET6, "ff02::1", &to.sin6_addr); /* all nodes on the link: a constant */
    announce_na_packet(packet, mac, address);
    return sendmsg(fd, &message, 0) < 0 ? errno : 0;
}

/* ---- hearing ---- */

bool announce_heard_arp(int fd, struct announce_claim *claim)
{
    uint8_t frame[64];

    for (;;) {
        struct sockaddr_ll from = {.sll_pkttype = 0};
        socklen_t from_len = sizeof(from);
        ssize_t len = recvfrom(fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

        if (len < 0) {
            return false;
        }
        if (from.sll_pkttype != PACKET_OUTGOING && announce_parse_arp(frame, (size_t)len, claim)) {
            claim->interface = (unsigned)from.sll_ifindex;
            return true;
        }
    }
}

/* What came along with a packet: its interface, and whether it is from this very link. */
static bool from_link(struct msghdr *message, unsigned *ret_interface)
{
    bool near = false;

    *ret_interface = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(head), sizeof(info));
            *ret_interface = info.ipi6_ifindex;
        } else if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_HOPLIMIT) {
            int hops;

            memcpy(&hops, CMSG_DATA(head), sizeof(hops));
            near = hops == HOP_LIMIT;
        }
    }
    return near;
}

bool announce_heard_icmp6(int fd, struct announce_claim *claim)
{
    uint8_t packet[256];

    for (;;) {
        struct iovec data = {packet, sizeof(packet)};
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
        struct msghdr message = {
            .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        ssize_t len = recvmsg(fd, &message, MSG_DONTWAIT);
        unsigned interface;

        if (len < 0) {
            return false;
        }
        if (from_link(&message, &interface) && announce_parse_na(packet, (size_t)len, claim)) {
            claim->interface = interface;
            return true;
        }
    }
}
