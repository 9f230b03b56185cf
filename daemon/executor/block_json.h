/* What gluster-block answers with --json, as structs. Pure; never trusts its input.
 *
 * Sizes come as people read them ("10.0 GiB", "1.5 TiB"): a text stands for all sizes that are written so.
 */
#ifndef HECATE_DAEMON_EXECUTOR_BLOCK_JSON_H
#define HECATE_DAEMON_EXECUTOR_BLOCK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"
#include "store/types.h"

#define BLOCK_JSON_HOSTS_MAX 256

struct block_size { /* from, and up to: bytes; 0 and 0: not known */
    uint64_t low, high;
};
/* "1.5 TiB", "10GiB", "512.0 B": units to E, with or without iB or B. False: no size. */
bool block_size_parse(const char *text, struct block_size *ret_size);
bool block_size_is(const struct block_size *size, uint32_t gib); /* may it be so many GiB? */
uint32_t block_size_gib(const struct block_size *size);          /* rounded down */

struct block_answer {
    bool failed; /* RESULT is not SUCCESS, or there is an errMsg */
    int64_t number;
    char *text; /* why; "" when it does not say */
    /* of info, unless it failed */
    char *name, *volume, *gbid;
    char *password; /* a secret; "" without authentication */
    struct block_size size;
    uint64_t ha_count;
    struct store_strs hosts;    /* that export it */
    struct block_size smallest; /* of those on which growing failed; not known: there are none */
    bool resize_failed;
    bool half_made; /* some host has failed to configure it, or to clean it up */
};

/* Any answer; RESULT, errCode, errMsg, and which hosts failed. E_PROTOCOL says what is wrong with it. */
int block_json_result(const char *text, size_t len, struct block_answer *ret_answer, struct err *reterr);
/* `info`: has no RESULT when all is well. */
int block_json_info(const char *text, size_t len, struct block_answer *ret_answer, struct err *reterr);
void block_answer_fini(struct block_answer *answer);

#endif
