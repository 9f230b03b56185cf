/* Failures of the environment: a code and a message that is complete when it reaches a person.
 *
 * Messages are clean texts (text.h), cut where they are longer. Functions that can fail return 0 or a negative code
 * from the table below and fill *reterr (which may be NULL). A bug is a CHECK, never an error code; a refusal by the
 * rules of the business is a value in a result, never an error.
 */
#ifndef HECATE_STORE_BASE_ERR_H
#define HECATE_STORE_BASE_ERR_H

#define ERR_TABLE(X)                                                          \
    X(INVALID, 1, "invalid argument or configuration")                        \
    X(IO, 2, "input or output failed")                                        \
    X(DAMAGED, 3, "stored data is damaged")                                   \
    X(NOT_FOUND, 4, "not found")                                              \
    X(EXISTS, 5, "exists already")                                            \
    X(NOT_LEADER, 6, "this member is not the leader")                         \
    X(UNKNOWN_OUTCOME, 7, "outcome unknown, it may still happen")             \
    X(TIMEOUT, 8, "timed out")                                                \
    X(CONNECT, 9, "cannot connect")                                           \
    X(AUTH, 10, "authentication failed")                                      \
    X(PROTOCOL, 11, "the peer broke the protocol")                            \
    X(FENCED, 12, "refused by the storage node: a newer term has taken over") \
    X(REMOTE, 13, "a remote command failed")                                  \
    X(BUSY, 14, "too much is in flight, try again later")                     \
    X(CANCELLED, 15, "cancelled")                                             \
    X(UNSUPPORTED, 16, "not supported")

enum err_code {
    E_OK = 0,
#define X(name, number, text) E_##name = -(number),
    ERR_TABLE(X)
#undef X
};

struct err {
    int code;
    char message[1024];
};

#define ERR_INIT \
    {            \
        0, ""    \
    }

/* Sets code and message (err may be NULL); returns code, so that one can write: return err_set(reterr, E_IO, ...). */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* it does not see the body, and would think that the code may become 0 */
#define err_set(err, code, ...) (err_set(err, code, __VA_ARGS__), (code))
#endif
/* Puts "text: " before the message, keeps the code; returns the code. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The table's text for a code ("success" for 0, "unknown error" otherwise). */
const char *err_text(int code);

#endif
