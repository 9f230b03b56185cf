/* Inside the core. Everything that touches the fields of struct raft is in core_raft.c. */
#ifndef HECATE_CONSENSUS_CORE_PRIV_H
#define HECATE_CONSENSUS_CORE_PRIV_H

#include <raft.h>

#include "consensus/core.h"
#include "consensus/core_test.h"
#include "consensus/wire.h"
#include "store/base/check.h"

_Static_assert(RAFT_VERSION_NUMBER == 2201, "the rules of ownership are those of libraft 0.22.1");

#define CORE_EARLY_TRIES 10
#define CORE_GREET_EVERY_US 100000
#define CORE_CONF_MAX ((size_t)16 << 10) /* bytes of a configuration */

struct core_entry {
    uint64_t term;
    uint64_t end; /* bytes of all entries up to this one, since the process began */
    uint8_t type;
    uint32_t len;
    uint8_t *data;
};

struct core_vote { /* a vote request that came too early, kept until the promise ends */
    bool kept;
    struct raft_request_vote message;
    uint64_t number;
};

struct core_flow {        /* leader: the log on its way to one follower (core_flow.c) */
    uint64_t term;        /* of our leadership; 0: nothing was named on this connection */
    uint64_t named;       /* the library takes everything up to here for sent */
    uint64_t sent;        /* the next frame begins behind it */
    uint64_t base, high;  /* frames that left and may still arrive are between, as far as not acknowledged */
    uint64_t match;       /* acknowledged */
    uint64_t progress_us; /* when that grew, or something was sent after nothing was under way */
    bool probing;         /* nothing acknowledged yet: one frame at a time */
};

struct core_word { /* what its newest HELLO said (core_word.c) */
    uint64_t at_us, term, admits, last_index, conf_index, follows;
    bool has_us; /* a configuration came along: one that has us, or it would not have come */
};

struct core_doubt { /* a member says that our log ends before what we have acknowledged; by 0: none does */
    uint64_t by, term, index;
    uint64_t since_us;
};

/* The configuration that a member, or one that our log does not know, has told last (core_judge.c). */
#define CORE_TOLD_MAX ((size_t)2 * CORE_PEERS_MAX)
struct core_told {
    uint64_t by; /* 0: nobody */
    uint64_t index, digest, at_us;
};

struct core_peer_state {
    bool connected; /* we can send */
    uint64_t connected_us;
    bool heard;
    uint64_t last_heard_us;
    bool hello_seen; /* its newest HELLO: */
    enum core_disk_state state;
    struct id cluster_id;
    uint64_t peers_digest;
    struct core_word word;
    bool refuted; /* what it said of our log was not so */
    bool form_acked;
    bool joining;    /* it said so: CORE_JOINING */
    bool configured; /* named by the configuration file: believed as long as no log says who the members are */
    bool gone;       /* in no configuration: nothing that it says counts, and another may have its place */
    uint64_t told_index, told_members; /* of the configuration that it has told last: a digest of who is in it */
    uint64_t moved_index;              /* of the configuration in which it has told its own address; 0: it has not */
    struct core_vote vote;
    struct core_flow flow;
    uint64_t echo_us; /* leader: the newest of our numbers that came back from it */
    /* core_term.c */
    uint64_t named_term;           /* its own, as it said when it was heard last */
    uint64_t moves_us;             /* the moves of our term that it has had are spread up to here */
    uint64_t moved_to;             /* the term that the last one led to; 0: it has been given back */
    uint64_t deposed_us, pause_us; /* when its word made us give up, and for how long that will not do again */
    /* outgoing snapshot */
    bool sending;
    bool wanted; /* the library has asked for one, and it has not begun */
    uint64_t send_index, send_offset, acked_offset, progress_us;
    uint64_t begun_us, again_us; /* of the last one; and when the next one may begin */
    unsigned restarts;           /* without any progress */
    /* incoming ones of it that were refused, one after the other; and until when none is looked at */
    unsigned refusals;
    uint64_t refused_until_us;
};

/* Whom another member names to one that does not vote: it may have been away while members changed. */
struct core_introduced {
    uint64_t by;    /* 0: of the configuration file */
    bool firm;      /* two members have told the same */
    uint64_t index; /* of the configuration that was told so */
    uint64_t until; /* our own log has to come so far: of the latest one that was told at all */
    uint64_t ids[CORE_PEERS_MAX];
    size_t n;
};

struct core_image { /* the snapshot being sent, kept while somebody needs it */
    bool loading;
    uint64_t index, term, conf_index;
    uint8_t *conf, *data;
    size_t conf_len, data_len;
};

struct core_incoming { /* the snapshot being received */
    uint64_t from, index, term, conf_index, total;
    uint64_t leader_term; /* of its sender */
    uint8_t *conf, *data;
    size_t conf_len, cap, offset; /* cap: of data, which grows with what has come */
    bool judged;                  /* by its head */
};

/* A snapshot that is whole: nothing of it counts, and nothing is given up for it, before it can be read. */
struct core_decoding {
    bool active;
    uint64_t from, term;
};

struct core {
    struct core_config config;
    struct core_env env;
    struct raft raft;
    bool raft_started;
    bool failed;
    enum core_disk_state disk_state;
    bool state_writing; /* DISK_STATE is under way */
    struct id cluster_id;
    uint64_t peers_digest;
    uint64_t hello_us; /* when greetings go out next: while forming to all, as leader to newcomers */

    /* the log in memory: entries[i] has index first + i */
    struct core_entry *entries;
    size_t n_entries, cap_entries;
    uint64_t first;
    uint64_t bytes_before; /* the end of what came before the first entry: struct core_entry */
    uint64_t snapshot_index, snapshot_term, snapshot_conf_index;
    bool snapshot_taking;
    uint64_t snapshot_refused; /* of the last own one that could not be read again; 0: none */
    uint64_t snapshot_len;     /* bytes of the last one */
    uint64_t applied_index, conf_applied_index;
    uint8_t *conf; /* the configuration at conf_applied_index, encoded */
    size_t conf_len;
    uint64_t *changes; /* indexes of configurations in the log above conf_applied_index, ascending */
    size_t n_changes;
    bool members_changed;                /* the table of peers is to follow the configurations */
    bool stale_message;                  /* the library is looking at a message of an older term */
    bool answering;                      /* it is looking at a follower's answer to entries */
    uint64_t term_on_disk, vote_on_disk; /* as last given to the disk */
    uint64_t commit_seen;

    struct disk_op **appends; /* in flight, in order */
    size_t n_appends;
    size_t metas;      /* in flight: frames wait for them */
    uint64_t metas_us; /* since when there are any */
    struct core_frame {
        uint64_t peer;
        uint8_t *data;
        size_t len;
    } * held;
    size_t n_held, held_bytes;

    struct lease lease;
    uint64_t lease_ping_us; /* leader: when numbers go out next */
    uint64_t lead_us;       /* leader: since when */
    uint64_t lead_term;     /* the last one in which we led */
    uint64_t barrier_index; /* leader: serving needs this applied; 0: not yet submitted */
    bool submit_barrier;
    bool was_serving;
    uint64_t timeout_us; /* the last RAFT_TIMEOUT */
    enum core_role role;
    uint64_t seen_term, seen_leader;
    uint64_t led_term;   /* the last one of which we have heard the leader */
    uint64_t led_by;     /* who that was */
    bool led_took;       /* we have taken entries or a snapshot of it */
    uint64_t led_commit; /* what it said last that is committed */

    uint64_t closed_leader; /* whose connection closed */
    uint64_t closed_us;
    unsigned early_tries; /* of an election in turns: how many candidacies; 0: none */
    uint64_t try_us;      /* the next one */
    uint64_t random;
    uint64_t transfer_to, transfer_number, transfer_until_us; /* leader: ordered */
    bool transfer_sent;
    uint64_t order_number; /* target: the order that we campaign for */

    struct core_peer_state peers[CORE_PEERS_MAX];
    struct core_introduced introduced;
    struct core_told told[CORE_TOLD_MAX];
    uint64_t told_conf_index; /* of the newest configuration that a member has told of */
    bool keys_known;          /* as the owner knows it */
    uint64_t ask_us;          /* when the members may be asked again who they are */
    uint64_t word_ask_us;     /* the same, who leads */
    struct core_doubt doubt;
    bool acked;          /* this process has acknowledged entries */
    uint64_t join_index; /* JOINING: the configuration that the log has to reach; 0: not heard since the start */
    struct core_image image;
    struct core_incoming incoming;
    struct core_decoding decoding;
    struct disk_op *decoded; /* what the library is being told of */
    struct core_refusal refusal;
};

/* core.c */
uint64_t core_now(struct core *core);
int core_peer_index(const struct core *core, uint64_t id); /* -1: unknown */
void core_fail(struct core *core, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Notes what a member sent; code: why the owner cannot take it. */
void core_refuse(struct core *core, uint64_t by, uint64_t index, int code, const char *text);
void core_settle(struct core *core); /* applies, sends what became due, tells of changes; after every input */
bool core_apply_waits(const struct core *core); /* there are committed entries to be applied */

/* core_log.c: the log in memory */
uint64_t core_last_index(const struct core *core);
const struct core_entry *core_entry(const struct core *core, uint64_t index); /* NULL: not there */
uint64_t core_entry_term(const struct core *core, uint64_t index);            /* 0: not known */
/* Bytes of the entries from..to, as far as they are in memory. */
uint64_t core_log_bytes(const struct core *core, uint64_t from, uint64_t to);
void core_log_append(struct core *core, uint64_t term, uint8_t type, const void *data, uint32_t len);
void core_log_cut(struct core *core, uint64_t from);   /* drops from.., in memory and in appends in flight */
void core_log_trim(struct core *core, uint64_t below); /* forgets entries below */
void core_log_reset(struct core *core, uint64_t snapshot_index);

/* core_raft.c: raft_step and the order of actions */
void core_raft_start(struct core *core, const struct disk_image *image);
void core_raft_step(struct core *core, struct raft_event *event);
int core_raft_submit(struct core *core, struct raft_entry *entries, unsigned n); /* 0 or raft's refusal */
void core_raft_timeout(struct core *core);
void core_raft_election(struct core *core); /* now, whatever the library's timer says */
/* When a candidate's next candidacy begins, from now; later_us: on top of the usual. */
void core_next_try(struct core *core, uint64_t later_us);
uint64_t core_raft_heard_us(const struct core *core); /* follower: the leader's last message */
/* A follower that has heard nothing of a leader of its term at all, or for an election timeout. */
bool core_raft_silent(struct core *core);
enum core_role core_raft_role(const struct core *core);
void core_raft_persisted(struct core *core, const struct disk_op *op);
bool core_raft_installing(const struct core *core);
bool core_raft_pre_voting(const struct core *core); /* a candidate that asks whether it would be elected */
uint64_t core_raft_leader(const struct core *core);
/* Rule 6: what the library should know; 0: no uncommitted one. */
void core_raft_set_configurations(struct core *core, uint64_t uncommitted, uint64_t committed);
/* core_decode.c: configurations as bytes */
/* Reads what comes from another member or the disk. false: it is none, and nothing is to be closed. */
bool core_conf_parse(const uint8_t *data, size_t len, struct raft_configuration *ret_conf);
bool core_conf_valid(const uint8_t *data, size_t len);
/* Reads what was checked when it came. */
void core_conf_decode(const uint8_t *data, size_t len, struct raft_configuration *ret_conf);
/* core_conf.c */
void core_conf_appended(struct core *core, uint64_t index); /* a configuration in the log */
void core_conf_cut(struct core *core, uint64_t from);
void core_conf_applied(struct core *core, uint64_t index, const uint8_t *conf, size_t len);
void core_conf_correct(struct core *core); /* rule 6, after each step */
void core_conf_read(const struct core *core, uint64_t index, struct raft_configuration *ret_conf);
enum core_voting core_conf_voting(const struct core *core, uint64_t id);
bool core_conf_has(const struct core *core, uint64_t id);
uint64_t core_conf_newest(const struct core *core); /* index of the configuration that counts; 0: none is known yet */
uint64_t core_conf_until(const struct core *core, uint64_t index); /* of the last one up to index; 0: none is known */
/* Whether a leader may have made `after` of `before` in one change (rules 7 and 8). */
bool core_conf_succeeds(const struct raft_configuration *before, const struct raft_configuration *after);
uint64_t core_conf_before(const struct core *core); /* of the one before it, or of this one if it is applied; 0: none */
const struct raft_configuration *core_raft_configuration(const struct core *core); /* the newest */
bool core_conf_names(const struct raft_configuration *conf, uint64_t id);          /* it is a member there */
unsigned core_conf_voters(const struct raft_configuration *conf, uint64_t but); /* who vote there, without that one */
/* core_judge.c */
uint64_t core_judge_digest(const struct raft_configuration *conf);
/* It has told a configuration that has itself and us. */
void core_judge_note(struct core *core, uint64_t by, uint64_t index, uint64_t digest);
/* The next configuration in a log. before: the one before it, NULL none is known. */
bool core_judge_next(const struct core *core, const struct raft_configuration *before,
                     const struct raft_configuration *conf);
enum core_judgement {
    CORE_JUDGED_TAKE,
    CORE_JUDGED_WAIT,   /* until another member has told it as well */
    CORE_JUDGED_REFUSE, /* nobody sends such a one */
};
/* That of a snapshot: it may be several changes ahead of ours. */
enum core_judgement core_judge_jump(const struct core *core, uint64_t by, uint64_t index,
                                    const struct raft_configuration *conf);
/* JOINING: others have told the configuration that our log has reached; it has us. */
bool core_judge_joined(const struct core *core);
/* core_members.c */
bool core_formed(const struct core *core);   /* FORMED, JOINED or JOINING */
bool core_learning(const struct core *core); /* our own log does not say yet who the members are */
void core_members_update(struct core *core); /* the table of peers follows the configurations */
/* What this peer says counts: it is in our newest or committed configuration, or we have none and the configuration
 * file names it, or one of those has named it to us. */
bool core_speaks(const struct core *core, int at);
bool core_members_ours(const struct core *core, uint64_t id); /* it is in our newest configuration or the one before */
/* A greeting of one that speaks: takes over whom it names. (from -1: of one that does not; for tests.) */
void core_members_introduced(struct core *core, int from, const struct wire *wire);
/* A frame of one that does not speak (at -1: not even known): it may have to be told, or asked about. */
void core_members_stranger(struct core *core, int at, const struct wire *wire);
void core_members_pursue(struct core *core);            /* the leader makes of members what they are to be */
uint64_t core_admits(struct core *core, uint64_t peer); /* for a greeting: enum wire_admits */
bool core_keys_known(struct core *core);                /* struct core_status */
enum core_voting core_goal(const char *address);        /* SPARE: none */
const char *core_plain_address(const char *address);    /* without its goal */
/* core_timers.c */
/* To all members: the leader's clock, 0 none; and to whom it hands over, 0 nobody. */
void core_send_number(struct core *core, uint64_t number, uint64_t successor);
/* core_transfer.c */
void core_transfer_poll(struct core *core, uint64_t now);

/* core_send.c */
void core_send(struct core *core, uint64_t peer, const struct wire *wire);
void core_flush_held(struct core *core);
void core_send_raft(struct core *core, const struct raft_message *message);
void core_send_entries(struct core *core, uint64_t peer, uint64_t prev,
                       uint64_t n); /* those after prev, in one frame */
/* core_flow.c */
void core_flow_named(struct core *core, size_t at, const struct raft_append_entries *message); /* by the library */
void core_flow_pump(struct core *core);             /* sends what may leave by now; after every input */
void core_flow_reset(struct core *core, size_t at); /* a new connection: what was under way is lost */
/* core_recv.c */
void core_raft_recv(struct core *core, struct raft_message *message);
/* core_lead.c */
/* It says that it leads in this term, and another one does. */
bool core_leads_another(const struct core *core, uint64_t from, uint64_t term);
/* It says that it leads in this term, not before ours, and nothing but its word says so: those who may know are asked.
 */
bool core_lead_is_doubtful(struct core *core, uint64_t from, uint64_t term);
/* Another member than this one and ourselves votes, as far as we know: whoever leads has such a one behind him, or our
 * vote. */
bool core_lead_has_third(const struct core *core, uint64_t from);
bool core_lead_is_firm(const struct core *core); /* who leads, as we have heard, has given us something */
/* The frame is of a later term, in which its sender cannot be yet. */
bool core_is_claim(struct core *core, size_t at, const struct wire *wire);
void core_deliver_votes(struct core *core);
void core_recv_vote(struct core *core, size_t at, const struct wire *wire);
void core_recv_vote_result(struct core *core, uint64_t from, const struct wire *wire);
void core_recv_timeout_now(struct core *core, uint64_t from, const struct wire *wire);
void core_recv_lease(struct core *core, uint64_t from, const struct wire *wire);
void core_recv_lease_ack(struct core *core, size_t at, const struct wire *wire);
/* core_term.c */
uint64_t core_term_reach(const struct core *core); /* the latest term of which a frame is taken as it is */
/* A later term is about to be taken over because this peer names it: now? It counts as having been, if so. */
bool core_term_believe(struct core *core, size_t at, uint64_t term);
/* The frame would make us take a later term over, and is not believed now. */
bool core_term_in_excess(struct core *core, size_t at, const struct wire *wire);
/* Who leads has our vote, and has committed in this term: what it took of our moves to get there, it gets back. */
void core_term_give_back(struct core *core);
/* Of a frame beyond reach only that is left: its term comes as near as that, and it brings and grants nothing. */
void core_term_bring_near(struct wire *wire, uint64_t reach);
void core_term_approach(struct core *core, uint64_t from, uint64_t term); /* takes it over, and nothing else */
/* core_form.c */
void core_form_init(struct core *core);
struct id core_wire_cluster(const struct wire *wire);
void core_form_poll(struct core *core, uint64_t now);
void core_form_greet(struct core *core, uint64_t peer, bool ask_back); /* ask_back: its greeting was lost */
bool core_form_recv(struct core *core, size_t from, const struct wire *wire);
void core_form_done(struct core *core, const struct disk_op *op);
/* Admitted to a cluster that is there, by the configuration at this index. */
void core_form_join(struct core *core, struct id cluster_id, uint64_t index);
/* A greeting of one of the configuration file that another member's word has silenced: only what it says of us. */
void core_form_recv_word(struct core *core, size_t from, const struct wire *wire);
/* core_word.c */
void core_word_note(struct core *core, size_t at, const struct wire *wire); /* of a greeting */
void core_word_weigh(struct core *core);                                    /* after a greeting; may end the member */
void core_word_ask(struct core *core);                                      /* all for a greeting, from time to time */
/* A member that is neither this leader nor ourselves has just said that it follows it in this term. */
bool core_word_is_followed(const struct core *core, uint64_t leader, uint64_t term);
/* This member takes no part: the frame is not for it. */
bool core_word_in_doubt(struct core *core, uint64_t from, const struct wire *wire);
uint64_t core_word_poll(struct core *core, uint64_t now); /* the next deadline */
/* core_snapshot.c */
void core_snapshot_send(struct core *core, uint64_t peer, uint64_t index);
bool core_snapshot_recv(struct core *core, size_t from, const struct wire *wire);
void core_snapshot_acked(struct core *core, size_t from, const struct wire *wire);
void core_snapshot_loaded(struct core *core, struct disk_op *op);
void core_snapshot_poll(struct core *core);
void core_snapshot_closed(struct core *core, uint64_t peer); /* nothing more comes from it on this connection */
void core_snapshot_decoded(struct core *core, struct disk_op *op);
void core_snapshot_installed(struct core *core, struct disk_op *op);
uint64_t core_snapshot_due_bytes(const struct core *core); /* a snapshot is due when the log behind it has as many */
void core_snapshot_maybe_take(struct core *core);
void core_snapshot_taken(struct core *core, struct disk_op *op);

#endif
