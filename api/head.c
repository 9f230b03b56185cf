#include "api/head.h"

#include <string.h>
#include <strings.h>

#define LINES_MAX 128 /* h2o takes 100 headers */

/* The next line without its end; false: it has no end yet. */
static bool next_line(const char **data, size_t *len, struct api_head_text *ret_line)
{
    const char *end = memchr(*data, '\n', *len);
    size_t whole;

    if (end == NULL) {
        return false;
    }
    whole = (size_t)(end - *data) + 1;
    *ret_line = (struct api_head_text){*data, whole - 1};
    if (ret_line->len > 0 && ret_line->data[ret_line->len - 1] == '\r') {
        ret_line->len--;
    }
    *data += whole;
    *len -= whole;
    return true;
}

static struct api_head_text until(const char **data, size_t *len, char stop)
{
    const char *end = memchr(*data, stop, *len);
    struct api_head_text text = {*data, end != NULL ? (size_t)(end - *data) : *len};

    *data += text.len;
    *len -= text.len;
    return text;
}

static void request_line(struct api_head_text line, struct api_head *head)
{
    struct api_head_text target;

    head->method = until(&line.data, &line.len, ' ');
    line.data += line.len > 0;
    line.len -= line.len > 0;
    target = until(&line.data, &line.len, ' ');
    head->path = until(&target.data, &target.len, '?');
}

static bool name_is(struct api_head_text name, const char *wanted)
{
    return name.len == strlen(wanted) && strncasecmp(name.data, wanted, name.len) == 0;
}

static void header_line(struct api_head_text line, struct api_head *head)
{
    struct api_head_text name = until(&line.data, &line.len, ':');

    head->lengths += name_is(name, "content-length");
    head->encodings += name_is(name, "transfer-encoding");
    if (!name_is(name, "authorization") || line.len == 0 || head->authorization.data != NULL) {
        return;
    }
    line.data++;
    line.len--;
    while (line.len > 0 && (*line.data == ' ' || *line.data == '\t')) {
        line.data++;
        line.len--;
    }
    while (line.len > 0 && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t')) {
        line.len--;
    }
    head->authorization = line;
}

bool api_head_may_end(const char *data, size_t len, size_t seen)
{
    const char *from = data + (seen > 2 && seen <= len ? seen - 2 : 0), *end = data + len, *lf;

    while ((lf = memchr(from, '\n', (size_t)(end - from))) != NULL) {
        if ((lf - data >= 1 && lf[-1] == '\n') || (lf - data >= 2 && lf[-1] == '\r' && lf[-2] == '\n')) {
            return true;
        }
        from = lf + 1;
    }
    return false;
}

bool api_head_read(const char *data, size_t len, struct api_head *ret_head)
{
    const char *at = data;
    struct api_head_text line;
    unsigned lines = 0;

    *ret_head = (struct api_head){.len = 0};
    do { /* an empty line before the first one is tolerated, as by h2o */
        if (!next_line(&at, &len, &line) || ++lines > LINES_MAX) {
            return false;
        }
    } while (line.len == 0);
    request_line(line, ret_head);
    while (next_line(&at, &len, &line) && ++lines <= LINES_MAX) {
        if (line.len == 0) {
            ret_head->len = (size_t)(at - data);
            return true;
        }
        header_line(line, ret_head);
    }
    return false;
}
