/* A Heketi dump (heketi-storage.md 11.2) becomes a database of ours. Pure.
 *
 * Everything keeps its id, name, LV, pool and path. What the dump says twice is compared, what is derived is computed
 * again; any contradiction that the new database could not keep refuses the whole dump, lesser ones are told. Which
 * bricks of a volume form a set, and in which order, is not in a dump: it is a guess, until it is learnt from Gluster
 * (order.h). */
#ifndef HECATE_DAEMON_IMPORT_H
#define HECATE_DAEMON_IMPORT_H

#include <jansson.h>

#include "store/store.h"

#define IMPORT_BYTES_MAX \
    (64u << 20)               /* that a client may send: more than 15,000 volumes; no limit below 1 GiB offline */
#define IMPORT_LINES_MAX 1000 /* more errors or warnings are only counted */

struct import_report {
    struct store_strs errors, warnings;
    size_t n_errors, n_warnings;
    struct store_counts counts;
    char generation[64]; /* DB_GENERATION_ID, "" when there is none */
};

/* 0 with a whole store (store_check has passed), or E_INVALID with the errors in the report. */
int import_dump(const char *json, size_t len, struct store **ret_store, struct import_report *ret_report);
void import_report_fini(struct import_report *report);
/* The report as a document; new reference. */
json_t *import_report_json(const struct import_report *report);

#endif
