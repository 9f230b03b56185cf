/* The lists of the configuration: the members, and the addresses that go with leadership. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/config_priv.h"
#include "daemon/keeper/keeper.h"
#include "store/base/mem.h"

static void parse_peer(struct cfg *cfg, size_t at, const json_t *item, const char *source,
                       struct cfg_warnings *warnings)
{
    struct cfg_peer *peer = &cfg->peers[at];
    const char *name;
    json_t *value;

    if (!json_is_object(item)) {
        cfg_wrong(warnings, "%s: cluster.initial_peers[%zu] must be an object with id, peer and api", source, at);
        return;
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
            cfg_wrong(warnings,
                      "%s: cluster.initial_peers[%zu].%s is unknown or of the wrong type (expected id: a positive "
                      "number, peer: \"host:port\", api: \"host:port\")",
                      source, at, name);
        }
    }
    if (peer->id == 0 || peer->peer == NULL || peer->api == NULL) {
        cfg_wrong(warnings, "%s: cluster.initial_peers[%zu] needs id, peer and api", source, at);
    }
}

void cfg_parse_peers(struct cfg *cfg, const json_t *list, const char *source, struct cfg_warnings *warnings)
{
    if (!json_is_array(list) || json_array_size(list) > CFG_PEERS_MAX) {
        cfg_wrong(warnings, "%s: cluster.initial_peers must be a list of at most %d members", source, CFG_PEERS_MAX);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        cfg->n_peers = i + 1;
        parse_peer(cfg, i, json_array_get(list, i), source, warnings);
    }
}

void cfg_parse_virtual_ips(struct cfg *cfg, const json_t *list, const char *source, struct cfg_warnings *warnings)
{
    const json_t *item;
    size_t at;

    if (!json_is_array(list) || json_array_size(list) > KEEPER_ADDRESSES_MAX) {
        cfg_wrong(warnings, "%s: cluster.virtual_ips must be a list of at most %d addresses", source,
                  KEEPER_ADDRESSES_MAX);
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)list, at, item)
    {
        struct err err = ERR_INIT;

        if (!json_is_string(item)) {
            cfg_wrong(warnings, "%s: cluster.virtual_ips[%zu] must be a string", source, at);
        } else if (keeper_check(json_string_value(item), &err) != 0) {
            cfg_wrong(warnings, "%s: cluster.virtual_ips[%zu]: %s", source, at, err.message);
        } else {
            store_strs_add(&cfg->virtual_ips, json_string_value(item));
        }
    }
}
