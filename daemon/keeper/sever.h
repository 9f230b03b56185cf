/* Ends the TCP connections of an address that goes: sock_diag(7) through libmnl.
 *
 * Without its address a connection can send nothing any more, not even its end: the client would wait until its own
 * keepalive gives up, or for ever. So it gets a reset while the address is still there. Needs CAP_NET_ADMIN, and a
 * kernel with CONFIG_INET_DIAG_DESTROY.
 */
#ifndef HECATE_DAEMON_KEEPER_SEVER_H
#define HECATE_DAEMON_KEEPER_SEVER_H

#include "daemon/keeper/address.h"

#define SEVER_MAX 8192 /* more than a member has connections */

/* Resets all connections with this local address that this host has not closed itself, at most SEVER_MAX. One that has
 * ended meanwhile is no failure. Takes less than a second, whatever the kernel does. E_UNSUPPORTED: the kernel cannot
 * do it. E_IO. */
int sever_connections(const struct address *address, struct err *reterr);

#endif
