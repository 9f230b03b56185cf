/* A bounded reader of XML that fills structs by a table. Pure.
 *
 * Each rule says where the text of an element (or an attribute) goes: into the answer itself, or into the item of the
 * nearest list around it. Elements without a rule are skipped. Broken, cut, too deep or too large input is an error,
 * never half an answer; declarations of types and entities are refused.
 */
#ifndef HECATE_DAEMON_EXECUTOR_XML_H
#define HECATE_DAEMON_EXECUTOR_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/err.h"

/* Read at once, and what takes long in it; with all of these at most some 17 ms. */
#define XML_BYTES_MAX ((size_t)4 << 20)
#define XML_DEPTH_MAX 24
#define XML_TEXT_MAX ((size_t)16384)
#define XML_ITEMS_MAX ((size_t)10000)         /* the same: some 5 ms */
#define XML_STREAM_LIST_MAX ((size_t)262144)  /* items of a list; of one in an item 16384 */
#define XML_ELEMENTS_MAX ((size_t)32768)      /* of whatever name, with their attributes: some 15 ms */
#define XML_EVENTS_MAX (4 * XML_ELEMENTS_MAX) /* pieces of text, comments, instructions: some 3 ms */
#define XML_MARKUP_MAX ((size_t)1 << 20)      /* bytes of tags, comments, instructions: some 8 ms */
#define XML_NAME_MAX ((size_t)64)             /* bytes of the name of an element or attribute */
#define XML_TAG_MAX ((size_t)65536)           /* bytes from the end of a tag to that of the next one */
#define XML_RULES_MAX 64

enum xml_kind {
    XML_TEXT,   /* char *, malloc'ed; never NULL in an answer, "" where the element is absent */
    XML_NUMBER, /* int64_t; anything but a number is an error */
    XML_COUNT,  /* int64_t; anything but a number of 0 or more is -1 ("-", "N/A", absent) */
    XML_FLAG,   /* bool: not "0" and not empty */
    XML_IS_1,   /* bool: exactly "1" */
    XML_LIST,   /* each element is an item: an array at offset, its length (size_t) at n_offset */
};

struct xml_rule {
    const char *path; /* from the root, with slashes; an attribute: "a/b@name"; the text of an
                         item itself: "a/b/." */
    enum xml_kind kind;
    size_t offset;
    size_t n_offset, size; /* XML_LIST: size of an item */
    bool needed;           /* exactly once in each item (or in the answer): else an error that names it */
};

/* answer is overwritten. E_PROTOCOL says what is wrong and leaves the answer empty (all zero). */
int xml_read(const struct xml_rule *rules, size_t n_rules, const char *text, size_t len, void *answer, size_t size,
             struct err *reterr);
/* Frees what the rules allocated, leaves zeros. */
void xml_free(const struct xml_rule *rules, size_t n_rules, void *answer, size_t size);

/* The same for an answer that comes in pieces and may be large: only what the rules keep of it takes memory, at most
 * kept_max bytes (about), and XML_STREAM_LIST_MAX items of each list. What it borrows must live until xml_stream_end.
 */
struct xml_stream;
struct xml_stream *xml_stream_new(const struct xml_rule *rules, size_t n_rules, size_t kept_max, void *answer,
                                  size_t size);
/* After the first failure, which xml_stream_end tells as well, all others fail. */
int xml_stream_piece(struct xml_stream *stream, const char *data, size_t len, struct err *reterr);
size_t xml_stream_kept(const struct xml_stream *stream); /* bytes so far */
/* Frees the stream. Unlike xml_read it leaves what was read in the answer, for xml_free, when it fails: half an answer,
 * in which texts may be NULL. */
int xml_stream_end(struct xml_stream *stream, struct err *reterr);

#endif
