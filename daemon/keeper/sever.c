#include "daemon/keeper/sever.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "store/base/mem.h"

#define BUFFER_BYTES 32768  /* what the kernel fills at most in one piece of a list */
#define SEQUENCE_RESET 1000 /* of lists: their family */
#define TIMEOUT_US 100000   /* then the address goes all the same */
/* Not those that this side has closed: a reset would take from a client what it has not read yet. */
#define STATES (1U << TCP_ESTABLISHED | 1U << TCP_SYN_RECV | 1U << TCP_CLOSE_WAIT)

struct found {
    const struct address *address;
    struct inet_diag_req_v2 *ends; /* one for each */
    size_t n;
};

static struct mnl_socket *open_diag(void)
{
    const struct timeval timeout = {.tv_usec = TIMEOUT_US};
    struct mnl_socket *diag = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);

    if (diag != NULL &&
        (mnl_socket_bind(diag, 0, MNL_SOCKET_AUTOPID) < 0 ||
         setsockopt(mnl_socket_get_fd(diag), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0)) {
        int error = errno;

        (void)mnl_socket_close(diag); /* a socket */
        errno = error;
        return NULL;
    }
    return diag;
}

/* 0 or errno. */
static int ask(struct mnl_socket *diag, uint16_t type, uint16_t flags, uint32_t sequence,
               const struct inet_diag_req_v2 *what, mnl_cb_t cb, void *user)
{
    _Alignas(struct nlmsghdr) char buffer[BUFFER_BYTES];
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    int rc;

    request->nlmsg_type = type;
    request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    request->nlmsg_seq = sequence;
    memcpy(mnl_nlmsg_put_extra_header(request, sizeof(*what)), what, sizeof(*what));
    if (mnl_socket_sendto(diag, request, request->nlmsg_len) < 0) {
        return errno;
    }
    do {
        ssize_t len = mnl_socket_recvfrom(diag, buffer, sizeof(buffer));

        if (len < 0) {
            return errno;
        }
        rc = mnl_cb_run(buffer, (size_t)len, sequence, mnl_socket_get_portid(diag), cb, user);
    } while (rc > 0);
    return rc < 0 ? errno : 0;
}

/* A connection over IPv4 may belong to a socket of IPv6. */
static bool is_local(const struct address *address, const struct inet_diag_msg *message)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *source = (const uint8_t *)message->id.idiag_src;

    if (address->family == AF_INET6) {
        return message->idiag_family == AF_INET6 && memcmp(source, address->bytes, 16) == 0;
    }
    return message->idiag_family == AF_INET
               ? memcmp(source, address->bytes, 4) == 0
               : memcmp(source, mapped, 12) == 0 && memcmp(source + 12, address->bytes, 4) == 0;
}

static int connection(const struct nlmsghdr *header, void *user)
{
    const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
    struct found *found = user;

    if (mnl_nlmsg_get_payload_len(header) >= sizeof(*message) && found->n < SEVER_MAX &&
        is_local(found->address, message)) {
        found->ends[found->n++] = (struct inet_diag_req_v2){
            .sdiag_family = message->idiag_family, .sdiag_protocol = IPPROTO_TCP, .id = message->id};
    }
    return MNL_CB_OK;
}

static int list(struct mnl_socket *diag, int family, struct found *found)
{
    const struct inet_diag_req_v2 all = {
        .sdiag_family = (uint8_t)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = STATES};

    return ask(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, (uint32_t)family, &all, connection, found);
}

static int reset_all(struct mnl_socket *diag, const struct found *found)
{
    int error = 0;

    for (size_t i = 0; i < found->n; i++) {
        int rc = ask(diag, SOCK_DESTROY, NLM_F_ACK, SEQUENCE_RESET, &found->ends[i], NULL, NULL);

        if (rc == EOPNOTSUPP || rc == EAGAIN) { /* not by this kernel, or not in time: the others neither */
            return rc;
        }
        error = rc != 0 && rc != ENOENT ? rc : error;
    }
    return error;
}

int sever_connections(const struct address *address, struct err *reterr)
{
    CLEANUP(free_ptr) struct inet_diag_req_v2 *ends = mem_calloc(SEVER_MAX, sizeof(*ends));
    struct found found = {.address = address, .ends = ends};
    struct mnl_socket *diag = open_diag();
    int error;

    if (diag == NULL) {
        return err_set(reterr, E_UNSUPPORTED, "cannot ask for the connections of %s: %s", address->text,
                       strerror(errno));
    }
    error = address->family == AF_INET ? list(diag, AF_INET, &found) : 0;
    error = error == 0 ? list(diag, AF_INET6, &found) : error;
    error = error == 0 || found.n > 0 ? reset_all(diag, &found) : error;
    (void)mnl_socket_close(diag); /* a socket */
    return error == 0 ? 0
                      : err_set(reterr, error == EOPNOTSUPP ? E_UNSUPPORTED : E_IO,
                                "cannot reset the connections of %s: %s", address->text, strerror(error));
}
