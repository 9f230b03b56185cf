/* Structured logging: one line per event. store/, codecs and parsers never log; they return errors.
 *
 * LOG(LOG_INFO, "raft", "became leader", LF_U64("term", term), LF_STR("host", host));
 *
 * Text goes to standard error for people (`time level component message key=value ...`, values quoted when needed) or,
 * by log_set_format, as one JSON object per line. Never pass secrets.
 */
#ifndef HECATE_STORE_BASE_LOG_H
#define HECATE_STORE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_NONE, LOG_CRITICAL, LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum log_field_type { LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64 };

struct log_field {
    const char *key;
    enum log_field_type type;
    const char *str;
    uint64_t u64;
    int64_t i64;
};

#define LF_STR(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_STR, .str = (v)})
#define LF_U64(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_U64, .u64 = (v)})
#define LF_I64(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_I64, .i64 = (v)})

void log_set_level(enum log_level level); /* default LOG_INFO; may be called at any time */
enum log_level log_get_level(void);
const char *log_level_name(enum log_level level); /* "none", "critical", ... */
bool log_level_parse(const char *name, enum log_level *ret_level);
void log_set_format(enum log_format format);
/* Each line begins with its level as the system's journal reads and removes it: "<4>" is a warning. */
void log_set_priorities(bool on);
/* Is standard error, of this device and inode, the stream to the journal that JOURNAL_STREAM names (NULL: none)? A
 * child may have another one than its parent. */
bool log_is_journal(const char *stream, uint64_t device, uint64_t inode);
/* From now on a thread writes, and nobody who logs waits for who reads standard error: lines that it does not take are
 * dropped and counted (log_out.h). Forks come before. */
void log_start_writer(void);
void log_stop_writer(void); /* what is left goes out first, if it is taken soon */
/* Thread-safe: one write per line. fields may be NULL when n_fields is 0. */
void log_write(enum log_level level, const char *component, const char *message, const struct log_field *fields,
               size_t n_fields);

#define LOG(level, component, message, ...)                                                                          \
    do {                                                                                                             \
        const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                                                 \
        log_write((level), (component), (message), log_fields_ + 1, sizeof(log_fields_) / sizeof(*log_fields_) - 1); \
    } while (0)

#endif
