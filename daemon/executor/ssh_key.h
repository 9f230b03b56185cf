/* User keys for SSH. RSA keys need a way round: libssh2 1.10 signs with SHA-1 only, which OpenSSH refuses; so we make
 * the public blob with the algorithm's newer name and sign ourselves. Everything else is left to the library. */
#ifndef HECATE_DAEMON_EXECUTOR_SSH_KEY_H
#define HECATE_DAEMON_EXECUTOR_SSH_KEY_H

#include <libssh2.h>
#include <openssl/evp.h>

#include "store/base/err.h"

struct ssh_key;

/* The RSA or ECDSA key in a text of OpenSSH's format, without passphrase; NULL: there is none. (ssh_key_openssh.c) */
EVP_PKEY *ssh_key_openssh(const char *text);

/* Reads a private key without passphrase (PEM or OpenSSH format). E_INVALID says what is wrong with the file. */
int ssh_key_load(const char *file, struct ssh_key **ret_key, struct err *reterr);
void ssh_key_free(struct ssh_key *key);
/* One try to authenticate; LIBSSH2_ERROR_EAGAIN: call again. attempt counts from 0; *ret_more: another attempt exists.
 */
int ssh_key_authenticate(struct ssh_key *key, LIBSSH2_SESSION *session, const char *user, unsigned attempt,
                         int *ret_more);

#endif
