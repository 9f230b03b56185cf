/* A pretended leader for tests: a listening socket that does what the test says. */
#ifndef HECATE_TESTS_UNIT_API_PEER_H
#define HECATE_TESTS_UNIT_API_PEER_H

#include "tests/unit/api/fixture.h"

int peer_listen(uint16_t *ret_port);
/* Accepts the next connection and reads a whole request; its text goes to *request. Runs the loop meanwhile. */
int peer_accept(struct fixture *fixture, int listener, struct buf *request);
/* Reads the next request on a connection. */
void peer_read(struct fixture *fixture, int fd, struct buf *request);
/* A port on which nobody listens. */
uint16_t peer_dead_port(void);

/* A certificate authority and a certificate for 127.0.0.1 in a new directory: ca.crt, api.crt, api.key. malloc'ed path.
 */
char *peer_certificates(void);
void peer_certificates_remove(char *dir);

#endif
