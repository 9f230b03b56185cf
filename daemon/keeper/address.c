#include "daemon/keeper/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keeper/announce.h"
#include "store/base/check.h"

#define BUFFER_BYTES 8192

/* ---- text ---- */

static int bad(struct err *reterr, const char *text)
{
    return err_set(reterr, E_INVALID,
                   "'%s' is no virtual address: expected ADDRESS%%INTERFACE or ADDRESS/PREFIX%%INTERFACE, for example "
                   "192.0.2.10%%eth0",
                   text);
}

static bool parse_prefix(const char *text, unsigned max, uint8_t *ret_prefix)
{
    unsigned value = 0;

    if (*text == '\0' || strlen(text) > 3) {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (unsigned)(*text - '0');
    }
    *ret_prefix = (uint8_t)value;
    return *text == '\0' && value > 0 && value <= max;
}

int address_parse(const char *text, struct address *address, struct err *reterr)
{
    char copy[sizeof(address->text)];
    char *interface, *prefix;
    bool v6;

    memset(address, 0, sizeof(*address));
    if (strlen(text) >= sizeof(copy)) {
        return bad(reterr, text);
    }
    memcpy(copy, text, strlen(text) + 1);
    memcpy(address->text, text, strlen(text) + 1);
    interface = strchr(copy, '%');
    if (interface == NULL || interface[1] == '\0' || strlen(interface + 1) >= IFNAMSIZ ||
        strpbrk(interface + 1, "/ \t") != NULL) {
        return bad(reterr, text);
    }
    *interface++ = '\0';
    memcpy(address->interface, interface, strlen(interface) + 1);
    prefix = strchr(copy, '/');
    if (prefix != NULL) {
        *prefix++ = '\0';
    }
    v6 = strchr(copy, ':') != NULL;
    address->family = v6 ? AF_INET6 : AF_INET;
    address->prefix = v6 ? 128 : 32;
    if (inet_pton(address->family, copy, address->bytes) != 1 ||
        (prefix != NULL && !parse_prefix(prefix, v6 ? 128 : 32, &address->prefix))) {
        return bad(reterr, text);
    }
    return 0;
}

/* ---- the kernel ---- */

int address_open(const struct address *addresses, size_t n, struct address_door *door, struct err *reterr)
{
    memset(door, 0, sizeof(*door));
    door->arp = door->icmp6 = door->probe = -1;
    door->netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (door->netlink == NULL || mnl_socket_bind(door->netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
        int rc = err_set(reterr, E_IO, "cannot open a netlink socket: %s", strerror(errno));

        address_close(door);
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        int *door_fd = addresses[i].family == AF_INET ? &door->arp : &door->icmp6;

        if (*door_fd < 0) {
            *door_fd = addresses[i].family == AF_INET ? announce_open_arp() : announce_open_icmp6();
        }
        if (door->probe < 0) {
            door->probe = announce_open_probe();
        }
        if (*door_fd < 0 || door->probe < 0) {
            int rc = err_set(reterr, E_IO, "cannot open a raw socket to announce %s: %s%s", addresses[i].text,
                             strerror(errno), errno == EPERM ? " (CAP_NET_RAW is needed)" : "");

            address_close(door);
            return rc;
        }
    }
    return 0;
}

void address_close(struct address_door *door)
{
    if (door->netlink != NULL) {
        (void)mnl_socket_close(door->netlink); /* a socket */
    }
    if (door->arp >= 0) {
        (void)close(door->arp); /* a socket */
    }
    if (door->icmp6 >= 0) {
        (void)close(door->icmp6); /* a socket */
    }
    if (door->probe >= 0) {
        (void)close(door->probe); /* a socket */
    }
    door->netlink = NULL;
    door->arp = door->icmp6 = door->probe = -1;
}

/* Sends a request and waits for its acknowledgement: 0 or errno. */
static int ask(struct address_door *door, struct nlmsghdr *request)
{
    char answer[BUFFER_BYTES];
    unsigned port = mnl_socket_get_portid(door->netlink);
    int rc;

    request->nlmsg_seq = ++door->sequence;
    if (mnl_socket_sendto(door->netlink, request, request->nlmsg_len) < 0) {
        return errno;
    }
    do {
        ssize_t len = mnl_socket_recvfrom(door->netlink, answer, sizeof(answer));

        if (len < 0) {
            return errno;
        }
        rc = mnl_cb_run(answer, (size_t)len, door->sequence, port, NULL, NULL);
    } while (rc > 0);
    return rc < 0 ? errno : 0;
}

static struct nlmsghdr *begin(char *buffer, uint16_t type, uint16_t flags, const struct address *address,
                              unsigned interface)
{
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    struct ifaddrmsg *message;
    size_t len = address->family == AF_INET ? 4 : 16;

    request->nlmsg_type = type;
    request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
    message->ifa_family = (uint8_t)address->family;
    message->ifa_prefixlen = address->prefix;
    message->ifa_scope = RT_SCOPE_UNIVERSE;
    message->ifa_index = interface;
    mnl_attr_put(request, IFA_LOCAL, len, address->bytes);
    mnl_attr_put(request, IFA_ADDRESS, len, address->bytes);
    return request;
}

static int no_interface(const struct address *address, struct err *reterr)
{
    return err_set(reterr, E_IO, "virtual address %s: there is no interface %s", address->text, address->interface);
}

int address_add(struct address_door *door, const struct address *address, uint32_t lifetime_s, struct err *reterr)
{
    const struct ifa_cacheinfo lifetime = {.ifa_prefered = lifetime_s, .ifa_valid = lifetime_s};
    char buffer[BUFFER_BYTES];
    unsigned interface = if_nametoindex(address->interface);
    struct nlmsghdr *request;
    int error;

    if (interface == 0) {
        return no_interface(address, reterr);
    }
    request = begin(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address, interface);
    mnl_attr_put(request, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
    mnl_attr_put_u32(request, IFA_FLAGS, IFA_F_NODAD);
    error = ask(door, request);
    if (error != 0) {
        return err_set(reterr, E_IO, "cannot add the virtual address %s: %s%s", address->text, strerror(error),
                       error == EPERM ? " (CAP_NET_ADMIN is needed)" : "");
    }
    return 0;
}

int address_remove(struct address_door *door, const struct address *address, struct err *reterr)
{
    char buffer[BUFFER_BYTES];
    unsigned interface = if_nametoindex(address->interface);
    int error;

    if (interface == 0) {
        return 0; /* gone with its interface */
    }
    error = ask(door, begin(buffer, RTM_DELADDR, 0, address, interface));
    if (error != 0 && error != EADDRNOTAVAIL) {
        return err_set(reterr, E_IO, "cannot remove the virtual address %s: %s", address->text, strerror(error));
    }
    return 0;
}

int address_announce(struct address_door *door, const struct address *address, struct err *reterr)
{
    unsigned interface = if_nametoindex(address->interface);
    int error;

    if (interface == 0) {
        return no_interface(address, reterr);
    }
    error = address->family == AF_INET ? announce_arp(door->arp, interface, address->interface, address->bytes)
                                       : announce_icmp6(door->icmp6, interface, address->interface, address->bytes);
    if (error != 0 && error != ENETDOWN && error != ENXIO) {
        return err_set(reterr, E_IO, "cannot announce the virtual address %s: %s", address->text, strerror(error));
    }
    return 0;
}

int address_probe(struct address_door *door, const struct address *address, struct err *reterr)
{
    unsigned interface = if_nametoindex(address->interface);
    int error;

    if (interface == 0) {
        return no_interface(address, reterr);
    }
    error = announce_probe(door->probe, interface, address->interface, address->family, address->bytes);
    if (error != 0 && error != ENETDOWN && error != ENXIO && error != EAGAIN) {
        return err_set(reterr, E_IO, "cannot ask who else has the virtual address %s: %s", address->text,
                       strerror(error));
    }
    return 0;
}

bool address_conflict(struct address_door *door, const struct address *addresses, size_t n, size_t *ret_index,
                      uint8_t mac[6], bool *ret_answer)
{
    struct announce_claim claim;

    while ((door->arp >= 0 && announce_heard_arp(door->arp, &claim)) ||
           (door->icmp6 >= 0 && announce_heard_icmp6(door->icmp6, &claim))) {
        for (size_t i = 0; i < n; i++) {
            const struct address *address = &addresses[i];
            size_t len = address->family == AF_INET ? 4 : 16;

            if (address->family == claim.family && memcmp(address->bytes, claim.bytes, len) == 0 &&
                if_nametoindex(address->interface) == claim.interface && !announce_is_ours(claim.mac)) {
                *ret_index = i;
                *ret_answer = claim.answer;
                memcpy(mac, claim.mac, 6);
                return true;
            }
        }
    }
    return false;
}
