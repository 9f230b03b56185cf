/* Steps on Gluster as traces: what is asked, what is answered, what comes of it. */
#ifndef HECATE_TESTS_UNIT_EXECUTOR_TRACE_H
#define HECATE_TESTS_UNIT_EXECUTOR_TRACE_H

#include "daemon/executor/step.h"

#define ID "00000000000000000000000000000000"
#define MOUNTS "/var/lib/heketi/mounts/vg_0123"
#define REP_BRICKS \
    "198.18.0.11:" MOUNTS "/brick_1/brick 198.18.0.12:" MOUNTS "/brick_1/brick 198.18.0.13:" MOUNTS "/brick_1/brick"
#define SNAPS "/run/gluster/snaps/6d6489b2ab4341878c07a080995d56bf"
#define INFO(name) "volume info " name
#define TRACE_EXCHANGES_MAX 12

/* What is answered is a file in data/, or a text that begins with '<'. In front of it "!": gluster's exit status is 1;
 * "?": trace_check_troubles leaves out refusals: the step goes on after one, or has words of its own for it;
 * "~": it goes on whatever Gluster says; "=": the recorded volume is another one, which has the name of the one asked
 * for. */
struct exchange {
    const char *asked; /* the words; before them "sync " and "wait " where the script does that first */
    const char *answer;
};

struct trace {
    const char *name;
    enum exec_step_kind kind;
    const char *volume; /* "rep", "arb", "disp", "dist", or another name: as dist. NULL: "none" */
    unsigned options;   /* of the volume; of a replacement, not 0: healing is not looked at; of a delete: an undo */
    uint32_t snapshot_limit; /* of a check: not 0: of an expand */
    struct exchange exchanges[TRACE_EXCHANGES_MAX];
    int code;
    bool permanent;
    const char *message; /* NULL: any */
};

/* The step of a trace: on three hosts the bricks brick_1 of rep, brick_2 of arb, brick_3 of disp, brick_4 of others
 * (two); an expand's are brick_5. A moving brick is the first one, its replacement brick_5 on the same host; clones are
 * made from the volume "source", which has the bricks of rep. The database knows the bricks of each, and brick_5 on
 * each host; of twin, a clone, those that Gluster has mounted in SNAPS. */
struct trace_stage {
    struct exec_config config;
    struct store_volume volume;
    struct store_brick bricks[3], coming, known[6];
    struct exec_brick items[3], known_items[6];
    struct exec_step step;
};

/* The gluster command of a script as words; every script is fenced before it. free(). */
char *trace_asked(const char *script);
void trace_answer(struct step_talk *talk, const char *name);
/* Plays the first n exchanges; the caller ends it with step_fini. */
void trace_play(struct step_talk *talk, struct trace_stage *stage, const struct trace *trace, size_t n);
/* Plays them all; each ends as it says. */
void trace_check(const struct trace *traces, size_t n);
/* Every answer of every trace is replaced by each way in which things go wrong. */
void trace_check_troubles(const struct trace *traces, size_t n);
/* The main function of a program that has nothing but traces: both checks as tests. */
int trace_main(const struct trace *traces, size_t n);

#endif
