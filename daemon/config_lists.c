/* The lists of the configuration: the members, and the addresses that go with leadership. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/config_priv.h"
#include "daemon/keeper/keeper.h"
#include "store/base/mem.h"

static int parse_peer(struct cfg *cfg, size_t at, const json_t *item, const char *source, struct err *reterr)
{
    struct cfg_peer *peer = &cfg->peers[at];
    const char *name;
    json_t *value;

    if (!json_is_object(item)) {
        return err_set(reterr, E_INVALID, "%s: cluster.initial_peers[%zu] must be an object with id, peer and api",
                       source, at);
    }
    json_object_foreach((json_t *)(uintptr_t)item, name, value)
    {
        if (*name == '_') {
            continue;
        }
        if (strcasecmp(name, "id") == 0 && json_is_integer(value) && json_integer_value(value) > 0) {
            peer->id = json_integer_value(value);
        } else if (strcasecmp(name, "peer") == 0 && json_is_string(value)) {
            free(peer->peer);
            peer->peer = mem_strdup(json_string_value(value));
        } else if (strcasecmp(name, "api") == 0 && json_is_string(value)) {
            free(peer->api);
            peer->api = mem_strdup(json_string_value(value));
        } else {
            return err_set(reterr, E_INVALID,
                           "%s: cluster.initial_peers[%zu].%s is unknown or of the wrong type (expected id: a positive "
                           "number, peer: \"host:port\", api: \"host:port\")",
                           source, at, name);
        }
    }
    if (peer->id == 0 || peer->peer == NULL || peer->api == NULL) {
        return err_set(reterr, E_INVALID, "%s: cluster.initial_peers[%zu] needs id, peer and api", source, at);
    }
    return 0;
}

int cfg_parse_peers(struct cfg *cfg, const json_t *list, const char *source, struct err *reterr)
{
    if (!json_is_array(list) || json_array_size(list) > CFG_PEERS_MAX) {
        return err_set(reterr, E_INVALID, "%s: cluster.initial_peers must be a list of at most %d members", source,
                       CFG_PEERS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        int rc;

        cfg->n_peers = i + 1;
        rc = parse_peer(cfg, i, json_array_get(list, i), source, reterr);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int cfg_parse_virtual_ips(struct cfg *cfg, const json_t *list, const char *source, struct err *reterr)
{
    const json_t *item;
    size_t at;

    if (!json_is_array(list) || json_array_size(list) > KEEPER_ADDRESSES_MAX) {
        return err_set(reterr, E_INVALID, "%s: cluster.virtual_ips must be a list of at most %d addresses", source,
                       KEEPER_ADDRESSES_MAX);
    }
    json_array_foreach((json_t *)(uintptr_t)list, at, item)
    {
        if (!json_is_string(item)) {
            return err_set(reterr, E_INVALID, "%s: cluster.virtual_ips[%zu] must be a string", source, at);
        }
        if (keeper_check(json_string_value(item), reterr) != 0) {
            return err_wrap(reterr, "%s: cluster.virtual_ips[%zu]", source, at);
        }
        store_strs_add(&cfg->virtual_ips, json_string_value(item));
    }
    return 0;
}
