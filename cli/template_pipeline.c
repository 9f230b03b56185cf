/* What stands within an action of a template: operands, functions, pipelines, variables. */
#include "cli/template_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"

#define ARGS_MAX 16

/* ---- errors ---- */

bool fail_parse(struct run *run, const char *problem)
{
    unsigned line = 1;

    if (run->error == NULL) {
        for (const char *c = run->text; c < run->at; c++) {
            line += *c == '\n';
        }
        run->error = mem_printf("failed to parse template: template: topology:%u: %s", line, problem);
    }
    return false;
}

bool fail_run(struct run *run, const char *from, const char *problem)
{
    const char *start = run->text;
    unsigned line = 1;

    if (run->error == NULL) {
        for (const char *c = run->text; c < from; c++) {
            if (*c == '\n') {
                line++;
                start = c + 1;
            }
        }
        run->error = mem_printf("failed to execute template: template: topology:%u:%zu: executing \"topology\" at "
                                "<%.*s>: %s",
                                line, (size_t)(from - start), (int)(run->at - from), from, problem);
    }
    return false;
}

/* ---- reading ---- */

void skip_blanks(struct run *run)
{
    run->at += strspn(run->at, BLANKS);
}

size_t word_length(const char *at)
{
    size_t len = 0;

    while (isalnum((unsigned char)at[len]) || at[len] == '_') {
        len++;
    }
    return len;
}

bool take_word(struct run *run, const char *word)
{
    size_t len = strlen(word);

    skip_blanks(run);
    if (word_length(run->at) != len || memcmp(run->at, word, len) != 0) {
        return false;
    }
    run->at += len;
    return true;
}

bool take_sign(struct run *run, const char *sign)
{
    skip_blanks(run);
    if (strncmp(run->at, sign, strlen(sign)) != 0) {
        return false;
    }
    run->at += strlen(sign);
    return true;
}

bool take_close(struct run *run)
{
    if (take_sign(run, "}}")) {
        return true;
    }
    if (strchr(BLANKS, run->at[-1]) != NULL && take_sign(run, "-}}")) {
        skip_blanks(run);
        return true;
    }
    return fail_parse(run, *run->at == '\0' ? "unclosed action" : "unexpected text in an action");
}

/* Does the action or the pipeline end here? */
static bool at_end(struct run *run)
{
    skip_blanks(run);
    return *run->at == '\0' || strchr("|)}", *run->at) != NULL || strncmp(run->at, "-}}", 3) == 0;
}

/* ---- operands ---- */

static bool take_string(struct run *run, struct value *ret_value)
{
    char quote = *run->at++;
    struct buf text = BUF_INIT;

    for (; *run->at != quote; run->at++) {
        char c = *run->at;

        if (c == '\0' || (quote == '"' && c == '\n')) {
            buf_fini(&text);
            return fail_parse(run, "unterminated quoted string");
        }
        if (quote == '"' && c == '\\' && run->at[1] != '\0') {
            c = *++run->at;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        buf_append_char(&text, c);
    }
    run->at++;
    *ret_value = value_own(&type_string, json_stringn_nocheck(buf_str(&text), text.len));
    buf_fini(&text);
    return true;
}

static bool take_number(struct run *run, struct value *ret_value)
{
    char *int_end, *float_end;
    long long whole = strtoll(run->at, &int_end, 0);
    double number = strtod(run->at, &float_end);

    if (word_length(float_end > int_end ? float_end : int_end) > 0) {
        return fail_parse(run, "bad number syntax");
    }
    *ret_value =
        float_end > int_end ? value_own(&type_float, json_real(number)) : value_own(&type_int, json_integer(whole));
    run->at = float_end > int_end ? float_end : int_end;
    return true;
}

static struct variable *find_variable(struct run *run, const char *name, size_t len)
{
    for (size_t i = run->n_variables; i-- > 0;) {
        if (run->variables[i].len == len && memcmp(run->variables[i].name, name, len) == 0) {
            return &run->variables[i];
        }
    }
    return NULL;
}

/* Fields after an operand; value is replaced. */
static bool take_fields(struct run *run, const char *from, bool active, struct value *value)
{
    while (*run->at == '.' && word_length(run->at + 1) > 0) {
        const char *name = run->at + 1;
        size_t len = word_length(name);
        struct value field;

        run->at = name + len;
        if (!active) {
            continue;
        }
        if (!value_field(value, name, len, &field)) {
            CLEANUP(free_ptr)
            char *problem = mem_printf("can't evaluate field %.*s in type %s", (int)len, name, value->type->name);

            value_fini(value);
            return fail_run(run, from, problem);
        }
        value_fini(value);
        *value = field;
    }
    return true;
}

static bool take_constant(struct run *run, struct value *ret_value)
{
    static const char *const words[] = {"true", "false", "nil"};

    for (size_t i = 0; i < 3; i++) {
        if (take_word(run, words[i])) {
            *ret_value = i < 2 ? value_own(&type_bool, json_boolean(i == 0)) : value_own(&type_nil, json_null());
            return true;
        }
    }
    return fail_parse(run, "unexpected word or sign in an action");
}

static bool operand(struct run *run, const struct value *dot, bool active, struct value *ret_value)
{
    const char *from;
    bool quiet;

    skip_blanks(run);
    from = run->at;
    if (*from == '"' || *from == '`') {
        return take_string(run, ret_value);
    }
    if (isdigit((unsigned char)*from) || ((*from == '-' || *from == '+') && isdigit((unsigned char)from[1]))) {
        return take_number(run, ret_value);
    }
    if (*from == '(') {
        run->at++;
        if (!evaluate(run, dot, active, ret_value, &quiet)) {
            return false;
        }
        if (!take_sign(run, ")")) {
            value_fini(ret_value);
            return fail_parse(run, "unclosed left paren");
        }
    } else if (*from == '$') {
        size_t len = word_length(from + 1);
        const struct variable *variable = find_variable(run, from + 1, len);

        if (variable == NULL) {
            return fail_parse(run, "undefined variable");
        }
        run->at += 1 + len;
        *ret_value = value_copy(&variable->value);
    } else if (*from == '.') {
        run->at += word_length(from + 1) == 0;
        *ret_value = value_copy(dot);
    } else {
        return take_constant(run, ret_value);
    }
    return take_fields(run, from, active, ret_value);
}

/* ---- pipelines ---- */

static bool call(struct run *run, const char *from, template_fn fn, bool active, const struct value *args, size_t n,
                 struct value *ret_value)
{
    struct buf problem = BUF_INIT;
    bool good = true;

    if (!active) {
        *ret_value = value_own(&type_nil, json_null());
    } else if (!fn(args, n, ret_value, &problem)) {
        CLEANUP(free_ptr)
        char *text = mem_printf("error calling %.*s: %s", (int)word_length(from), from, buf_str(&problem));

        good = fail_run(run, from, text);
    }
    buf_fini(&problem);
    return good;
}

/* A function with its arguments, or one operand. piped: what comes from before, NULL for nothing. */
static bool command(struct run *run, const struct value *dot, bool active, const struct value *piped,
                    struct value *ret_value)
{
    struct value args[ARGS_MAX];
    const char *from;
    template_fn fn;
    size_t n = 0;
    bool good = true;

    skip_blanks(run);
    from = run->at;
    fn = template_function(from, word_length(from));
    if (fn == NULL) {
        if (!operand(run, dot, active, ret_value)) {
            return false;
        }
        if (!at_end(run) || piped != NULL) {
            value_fini(ret_value);
            return fail_parse(run,
                              piped != NULL ? "a pipeline goes on with a function" : "only functions take arguments");
        }
        return true;
    }
    run->at += word_length(from);
    while (good && !at_end(run)) {
        good = n + 1 < ARGS_MAX ? operand(run, dot, active, &args[n]) : fail_parse(run, "too many arguments");
        n += good;
    }
    if (good && piped != NULL) {
        args[n++] = value_copy(piped);
    }
    good = good && call(run, from, fn, active, args, n, ret_value);
    while (n > 0) {
        value_fini(&args[--n]);
    }
    return good;
}

bool pipeline(struct run *run, const struct value *dot, bool active, struct value *ret_value)
{
    struct value value, next;

    if (++run->depth > DEPTH_MAX) {
        return fail_parse(run, "nested too deeply");
    }
    if (!command(run, dot, active, NULL, &value)) {
        return false;
    }
    while (take_sign(run, "|")) {
        bool good = command(run, dot, active, &value, &next);

        value_fini(&value);
        if (!good) {
            return false;
        }
        value = next;
    }
    run->depth--;
    *ret_value = value;
    return true;
}

bool declare(struct run *run, const char *name, size_t len, const struct value *value)
{
    if (run->n_variables >= VARIABLES_MAX) {
        return fail_parse(run, "too many variables");
    }
    run->variables[run->n_variables++] = (struct variable){.name = name, .len = len, .value = value_copy(value)};
    return true;
}

void forget_variables(struct run *run, size_t n)
{
    while (run->n_variables > n) {
        value_fini(&run->variables[--run->n_variables].value);
    }
}

bool evaluate(struct run *run, const struct value *dot, bool active, struct value *ret_value, bool *ret_quiet)
{
    const char *name, *start;
    struct variable *variable;
    bool fresh, known;
    size_t len;

    skip_blanks(run);
    start = run->at;
    *ret_quiet = false;
    if (*start == '$') {
        name = start + 1;
        len = word_length(name);
        run->at = name + len;
        fresh = take_sign(run, ":=");
        known = !fresh && take_sign(run, "=");
        if (fresh || known) {
            *ret_quiet = true;
            if (!pipeline(run, dot, active, ret_value)) {
                return false;
            }
            if (fresh) {
                return declare(run, name, len, ret_value);
            }
            variable = find_variable(run, name, len);
            if (variable == NULL) {
                return fail_parse(run, "undefined variable");
            }
            value_fini(&variable->value);
            variable->value = value_copy(ret_value);
            return true;
        }
        run->at = start;
    }
    return pipeline(run, dot, active, ret_value);
}
