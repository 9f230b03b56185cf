/* A strict reader of configurations. They come from other members and from the disk; the library's own reader trusts
 * lengths, and frees what it has read when it fails.
 *
 * u8 format 1 | u64 number of members | per member: u64 id, address and NUL, u8 role | zeros up to a multiple of 8,
 * integers little endian.
 */
#include <string.h>

#include "consensus/core_priv.h"
#include "store/base/mem.h"

#define FORMAT 1
#define HEADER 9
#define CONF_ID_MAX (UINT64_C(1) << 63)

struct reader {
    const uint8_t *at, *end;
};

static bool get_u64(struct reader *reader, uint64_t *ret_value)
{
    if (reader->end - reader->at < 8) {
        return false;
    }
    *ret_value = 0;
    for (int i = 7; i >= 0; i--) {
        *ret_value = *ret_value << 8 | reader->at[i];
    }
    reader->at += 8;
    return true;
}

static bool get_text(struct reader *reader, const char **ret_text)
{
    const uint8_t *end = memchr(reader->at, '\0', (size_t)(reader->end - reader->at));

    if (end == NULL) {
        return false;
    }
    *ret_text = (const char *)reader->at;
    reader->at = end + 1;
    return true;
}

const char *core_address_key(const char *address)
{
    const char *note = strchr(address, ' ');
    const char *key = note != NULL ? strchr(note + 1, ' ') : NULL;

    return key != NULL ? key + 1 : "";
}

/* None, or one as it must be; a blank with nothing behind it is neither. */
static bool key_valid(const char *address, size_t len)
{
    const char *key = core_address_key(address);

    return *key == '\0' ? len > 0 && (address[len - 1] != ' ' || strchr(address, ' ') == address + len - 1)
                        : strspn(key, "0123456789abcdef") == CORE_KEY_LEN && key[CORE_KEY_LEN] == '\0';
}

bool core_address_valid(const char *address)
{
    size_t len = strlen(address);

    for (size_t i = 0; i < len; i++) {
        if (address[i] < ' ' || address[i] > '~') {
            return false;
        }
    }
    return key_valid(address, len) && len <= CORE_ADDRESS_MAX && core_goal(address) == CORE_SPARE;
}

/* The library compares ids and addresses with those that it has; it refuses only what is there already. */
static bool get_server(struct reader *reader, struct raft_configuration *conf)
{
    const char *address;
    uint64_t id;
    uint8_t role;

    if (!get_u64(reader, &id) || !get_text(reader, &address) || reader->at == reader->end) {
        return false;
    }
    role = *reader->at++;
    return id > 0 && id <= CONF_ID_MAX && role <= RAFT_SPARE && core_address_valid(core_plain_address(address)) &&
           raft_configuration_add(conf, id, address, role) == 0;
}

static bool get_all(struct reader *reader, struct raft_configuration *conf)
{
    uint64_t n;

    if (reader->at == reader->end || *reader->at++ != FORMAT || !get_u64(reader, &n) || n > CORE_PEERS_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!get_server(reader, conf)) {
            return false;
        }
    }
    if (reader->end - reader->at >= 8) {
        return false;
    }
    while (reader->at < reader->end) {
        if (*reader->at++ != 0) {
            return false;
        }
    }
    return core_conf_voters(conf, 0) > 0;
}

bool core_conf_parse(const uint8_t *data, size_t len, struct raft_configuration *ret_conf)
{
    struct reader reader = {.at = data, .end = data + len};

    raft_configuration_init(ret_conf);
    if (len < HEADER || len > CORE_CONF_MAX || !get_all(&reader, ret_conf)) {
        raft_configuration_close(ret_conf);
        raft_configuration_init(ret_conf);
        return false;
    }
    return true;
}

bool core_conf_valid(const uint8_t *data, size_t len)
{
    struct raft_configuration conf;
    bool valid = core_conf_parse(data, len, &conf);

    raft_configuration_close(&conf);
    return valid;
}

void core_conf_decode(const uint8_t *data, size_t len, struct raft_configuration *ret_conf)
{
    CHECK_MSG(core_conf_parse(data, len, ret_conf), "a configuration that was checked when it came cannot be read");
}
