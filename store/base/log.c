#include "store/base/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/log_out.h"
#include "store/base/text.h"

#define STOP_MS 300 /* for a reader to take what is left */

static _Atomic int current_level = LOG_INFO;
static _Atomic int current_format = LOG_FORMAT_TEXT;
static _Atomic bool priorities;

static const char *const level_names[] = {"none", "critical", "error", "warning", "info", "debug"};

void log_set_level(enum log_level level)
{
    current_level = (int)level;
}

enum log_level log_get_level(void)
{
    return (enum log_level)current_level;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++) {
        if (strcmp(level_names[i], name) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_priorities(bool on)
{
    priorities = on;
}

bool log_is_journal(const char *stream, uint64_t device, uint64_t inode)
{
    unsigned long its_device, its_inode;

    return stream != NULL && sscanf(stream, "%lu:%lu", &its_device, &its_inode) == 2 && its_device == device &&
           its_inode == inode;
}

void log_set_format(enum log_format format)
{
    current_format = (int)format;
}

static void append_quoted(struct buf *buf, const char *text)
{
    size_t left = strlen(text);
    const char *p = text;

    buf_append_char(buf, '"');
    for (size_t len; left > 0; p += len, left -= len) {
        unsigned char c = (unsigned char)*p;

        len = text_utf8_len(p, left);
        if (len == 0) {
            len = 1;
            text_append(buf, p, 1);
        } else if (c == '"' || c == '\\') {
            buf_append_char(buf, '\\');
            buf_append_char(buf, *p);
        } else if (c == '\n') {
            buf_append_str(buf, "\\n");
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(buf, "\\u%04x", c);
        } else {
            buf_append(buf, p, len);
        }
    }
    buf_append_char(buf, '"');
}

/* Nothing in it could be taken for something else, by a reader or by a terminal. */
static bool is_plain(const char *text)
{
    if (!text_is_clean(text)) {
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == '"' || *p == '=' || *p == '\\' || (unsigned char)*p == 0x7f) {
            return false;
        }
    }
    return *text != '\0';
}

static void append_value(struct buf *buf, const struct log_field *field, bool json)
{
    const char *str = field->str != NULL ? field->str : "";

    switch (field->type) {
    case LOG_FIELD_STR:
        if (!json && is_plain(str)) {
            buf_append_str(buf, str);
        } else {
            append_quoted(buf, str);
        }
        break;
    case LOG_FIELD_U64:
        buf_printf(buf, "%" PRIu64, field->u64);
        break;
    case LOG_FIELD_I64:
        buf_printf(buf, "%" PRId64, field->i64);
        break;
    }
}

static void append_time(struct buf *buf)
{
    struct timespec now;
    struct tm tm;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    (void)gmtime_r(&now.tv_sec, &tm);
    buf_printf(buf, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
               tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

static void format(struct buf *line, enum log_level level, const char *component, const char *message,
                   const struct log_field *fields, size_t n_fields)
{
    static const int syslog_levels[] = {
        [LOG_CRITICAL] = 2, [LOG_ERROR] = 3, [LOG_WARNING] = 4, [LOG_INFO] = 6, [LOG_DEBUG] = 7};
    bool json = current_format == LOG_FORMAT_JSON;

    if (priorities) {
        buf_printf(line, "<%d>", syslog_levels[level]);
    }
    if (json) {
        buf_append_str(line, "{\"time\":\"");
        append_time(line);
        buf_printf(line, "\",\"level\":\"%s\",\"component\":\"%s\",\"message\":", level_names[level], component);
        append_quoted(line, message);
    } else {
        append_time(line);
        buf_printf(line, " %-8s %-10s ", level_names[level], component);
        text_append(line, message, strlen(message));
    }
    for (size_t i = 0; i < n_fields; i++) {
        buf_printf(line, json ? ",\"%s\":" : " %s=", fields[i].key);
        append_value(line, &fields[i], json);
    }
    buf_append_str(line, json ? "}\n" : "\n");
}

void log_write(enum log_level level, const char *component, const char *message, const struct log_field *fields,
               size_t n_fields)
{
    struct buf line = BUF_INIT;

    if (level == LOG_NONE || (int)level > current_level) {
        return;
    }
    format(&line, level, component, message, fields, n_fields);
    log_out(line.data, line.len);
    buf_fini(&line);
}

static void tell_dropped(struct buf *line, uint64_t dropped)
{
    const struct log_field fields[] = {LF_U64("lines", dropped)};

    format(line, LOG_WARNING, "log", "lines were dropped: standard error did not take them in time", fields, 1);
}

void log_start_writer(void)
{
    log_out_start(STDERR_FILENO, tell_dropped);
}

void log_stop_writer(void)
{
    log_out_stop(STOP_MS);
}
