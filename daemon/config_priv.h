/* Shared by the files that read the configuration. */
#ifndef HECATE_DAEMON_CONFIG_PRIV_H
#define HECATE_DAEMON_CONFIG_PRIV_H

#include <jansson.h>

#include "daemon/config.h"

/* cluster.initial_peers and cluster.virtual_ips. Errors tell the place and what is wrong there. */
void cfg_parse_peers(struct cfg *cfg, const json_t *list, const char *source, struct cfg_warnings *warnings);
void cfg_parse_virtual_ips(struct cfg *cfg, const json_t *list, const char *source, struct cfg_warnings *warnings);

/* Notes what is wrong, as an error of E_INVALID. */
void cfg_wrong(struct cfg_warnings *warnings, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cfg_warn(struct cfg_warnings *warnings, char *text); /* takes the text */
/* Warns of values with which Heketi goes on as if they were not there; numbers become their defaults, words are taken
 * so by those who read them. */
void cfg_skip_values(struct cfg *cfg, const char *source, struct cfg_warnings *warnings);

#endif
