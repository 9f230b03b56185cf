/* Shared by template.c (blocks) and template_pipeline.c (what stands within an action). */
#ifndef HECATE_CLI_TEMPLATE_PRIV_H
#define HECATE_CLI_TEMPLATE_PRIV_H

#include "cli/template.h"

#define VARIABLES_MAX 64
#define DEPTH_MAX 64
#define BLANKS " \t\r\n"

struct variable {
    const char *name; /* in the text, after the dollar sign */
    size_t len;
    struct value value;
};

struct run {
    const char *text, *at;
    struct value root;
    struct variable variables[VARIABLES_MAX];
    size_t n_variables;
    unsigned depth;
    struct buf *out;
    char *error;
};

/* All return false after a failure, which sets the error. */
bool fail_parse(struct run *run, const char *problem);
/* from: where the failing part begins; it ends at the present place. */
bool fail_run(struct run *run, const char *from, const char *problem);

void skip_blanks(struct run *run);
/* Takes this word or sign if it comes next. */
bool take_word(struct run *run, const char *word);
bool take_sign(struct run *run, const char *sign);
size_t word_length(const char *at);
/* The end of an action, and the blanks after it that it trims. */
bool take_close(struct run *run);

bool pipeline(struct run *run, const struct value *dot, bool active, struct value *ret_value);
/* A pipeline, perhaps into a variable (then *ret_quiet: nothing is printed). */
bool evaluate(struct run *run, const struct value *dot, bool active, struct value *ret_value, bool *ret_quiet);
bool declare(struct run *run, const char *name, size_t len, const struct value *value);
void forget_variables(struct run *run, size_t n);

#endif
