/* Runs whole commands against small HTTP servers in threads of the test, which follow a script. */
#ifndef HECATE_TESTS_UNIT_CLI_FIXTURE_H
#define HECATE_TESTS_UNIT_CLI_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cli.h"

/* One expected request and its answer. */
struct exchange {
    const char *method, *path;
    int status;          /* 0: the connection is closed without an answer */
    const char *answer;  /* body; NULL: empty */
    const char *headers; /* "Name: value\r\n..."; NULL: none */
    const char *body;    /* JSON that must have been sent; NULL: no body */
};

struct server;

/* Listens on a free port of the loopback address. auth: every request must carry a token of admin with this key that
 * fits its method and path; NULL: no Authorization header may be sent. */
struct server *server_start(const struct exchange *script, size_t n, const char *key);
const char *server_url(const struct server *server); /* http://127.0.0.1:PORT */
/* The Idempotency-Key of request i ("" when none). */
const char *server_request_key(const struct server *server, size_t i);
/* Ends it. All of the script must have been asked, in order, and nothing else; fails the test otherwise. */
void server_stop(struct server *server);
/* A base URL that refuses connections. */
const char *refusing_url(void);

struct outcome {
    int code;
    char *out, *err;
    uint64_t slept_ms; /* instead of sleeping */
    unsigned sleeps;
    uint64_t random; /* what random gives is counted up from here */
};

/* Runs `hecate ARGS...` (NULL-terminated) with HEKETI_CLI_SERVER=server, user admin, key "admin-secret" in the
 * environment; server NULL: nothing in the environment. */
void run_cli(struct outcome *ret_outcome, const char *server, ...) __attribute__((sentinel));
void outcome_fini(struct outcome *outcome);
/* For the commands that follow: how long silence is borne; 0: as usual. */
void set_silence_ms(uint32_t ms);
/* The environment that run_cli gives besides; NULL: none. */
void set_env(const char *name, const char *value);

/* A file of tests/unit/cli/data; the caller frees. */
char *read_data(const char *name);

/* Runs a command against a script and expects output, error and exit code. */
#define expect_run(script, want_code, want_out, want_err, ...)                                  \
    do {                                                                                        \
        struct server *server_ = server_start(script, sizeof(script) / sizeof(*(script)), KEY); \
        struct outcome outcome_;                                                                \
        run_cli(&outcome_, server_url(server_), __VA_ARGS__, NULL);                             \
        assert_string_equal(outcome_.err, want_err);                                            \
        assert_string_equal(outcome_.out, want_out);                                            \
        assert_int_equal(outcome_.code, want_code);                                             \
        outcome_fini(&outcome_);                                                                \
        server_stop(server_);                                                                   \
    } while (0)

#define KEY "admin-secret"

#endif
