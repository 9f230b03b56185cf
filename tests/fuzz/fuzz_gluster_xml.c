/* Whatever a node sends as Gluster's answer: each reader takes it or says why not, and steps end in a result. */
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/check.h"
#include "store/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(reader, type)                                                          \
    do {                                                                           \
        struct type answer_;                                                       \
        struct err err_ = ERR_INIT;                                                \
        int rc_ = gluster_xml_##reader((const char *)data, size, &answer_, &err_); \
        CHECK(rc_ == 0 || (rc_ == E_PROTOCOL && *err_.message != '\0'));           \
        CHECK(rc_ == 0 ? answer_.op.text != NULL : answer_.n == 0);                \
        type##_fini(&answer_);                                                     \
    } while (0)

/* The same answer to every question: the conversation ends, and is done only if the last answer allows it. */
static void converse(enum exec_step_kind kind, const uint8_t *data, size_t size)
{
    static char name[] = "rep", pool[] = "tp", lv[] = "lv", path[] = "/var/lib/heketi/mounts/vg_0123/brick_1/brick";
    struct store_volume volume = {.name = name, .durability = STORE_REPLICATE, .replica = 1};
    struct store_brick brick = {.pool = pool, .lv = lv, .path = path};
    const struct exec_brick item = {&brick, "198.18.0.11"};
    const struct exec_step step = {
        .kind = kind, .term = 7, .peer = "198.18.0.12", .volume = &volume, .bricks = &item, .n_bricks = 1};
    char *text = mem_alloc(size + 1);
    struct step_reply reply = {.out = text, .out_len = size, .error = ""};
    struct step_talk talk;
    struct exec_config config;

    memcpy(text, data, size);
    text[size] = '\0';
    exec_config_init(&config);
    step_begin(&talk, &config, &step);
    for (size_t calls = 0; !talk.ended; calls++) {
        CHECK(calls < 100);
        step_hear(&talk, &reply);
    }
    CHECK((talk.result.code == E_OK) == (*talk.result.message == '\0'));
    step_fini(&talk);
    free(text);
}

/* An inventory whose every answer is this, in pieces of odd sizes: it ends, whatever it is. */
static void list(const uint8_t *data, size_t size)
{
    const struct exec_step step = {.kind = EXEC_INVENTORY, .term = 7};
    struct step_talk talk;
    struct exec_config config;

    exec_config_init(&config);
    step_begin(&talk, &config, &step);
    while (!talk.ended) {
        CLEANUP(free_ptr) char *text = mem_strndup((const char *)data, size);
        struct step_reply reply = {.out = text, .out_len = strlen(text), .error = ""};
        bool taken = true;

        for (size_t at = 0, n = 1; taken && step_in_pieces(&talk) && at < size; at += n, n = n % 7 + 1) {
            taken = step_piece(&talk, (const char *)data + at, n < size - at ? n : size - at);
        }
        if (!taken) {
            CHECK(*talk.refused.message != '\0');
            break;
        }
        step_hear(&talk, &reply);
    }
    step_fini(&talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    list(data, size);
    TRY(volumes, gluster_volumes);
    TRY(volume_list, gluster_names);
    TRY(snapshot_list, gluster_names);
    TRY(peers, gluster_peers);
    TRY(states, gluster_states);
    TRY(heals, gluster_heals);
    TRY(heal_summary, gluster_heals);
    TRY(rebalance, gluster_moves);
    TRY(remove_brick, gluster_moves);
    TRY(snapshots, gluster_snapshots);
    converse(EXEC_VOLUME_CREATE, data, size);
    converse(EXEC_VOLUME_DELETE, data, size);
    converse(EXEC_PEER_PROBE, data, size);
    converse(EXEC_PEER_DETACH, data, size);
    return 0;
}
