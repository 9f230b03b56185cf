/* Figures of the database under Heketi's names, in Prometheus' text format (heketi-rest.md 10). Pure. */
#ifndef HECATE_API_METRICS_OUT_H
#define HECATE_API_METRICS_OUT_H

#include "store/base/buf.h"
#include "store/store.h"

/* The two comment lines before a family's values. */
void api_metric_family(struct buf *buf, const char *name, const char *type, const char *help);
/* As Go writes it: the shortest text that reads back as the same number, with an exponent from 1e+06 on. */
void api_metric_number(struct buf *buf, double value);
/* All families, by name; a family without a value is left out. */
void api_out_metrics(struct buf *buf, const struct store *store);

#endif
