/* The head of a request as it lies in a connection's buffer, for what has to be known before h2o has the whole request,
 * or what h2o does not tell. Pure; decides nothing that h2o decides. */
#ifndef HECATE_API_HEAD_H
#define HECATE_API_HEAD_H

#include <stdbool.h>
#include <stddef.h>

struct api_head_text {
    const char *data; /* into the buffer; NULL: not there */
    size_t len;
};

struct api_head {
    size_t len;                                       /* with the empty line at its end */
    struct api_head_text method, path, authorization; /* path: as sent, without the query */
    unsigned lengths, encodings;                      /* how many Content-Length, Transfer-Encoding */
};

/* Is there an empty line's end in what came after the first `seen` bytes? If not, the head is not complete. */
bool api_head_may_end(const char *data, size_t len, size_t seen);
/* False: the head is not complete yet, or none that h2o takes. */
bool api_head_read(const char *data, size_t len, struct api_head *ret_head);

#endif
