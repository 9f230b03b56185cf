/* Carries out a template while reading it: what comes again is read again, and what is not to be carried out is read
 * all the same, for its end. Before that all of it is read once, so that a mistake is found before anything is done. */
#include "cli/template.h"

#include <stdlib.h>
#include <string.h>

#include "cli/template_priv.h"
#include "store/base/mem.h"

/* What ended a block. */
enum stop { STOP_TEXT, STOP_END, STOP_ELSE };

static bool block(struct run *run, const struct value *dot, bool active, enum stop *ret_stop);

/* The rest of {{if}} and {{with}} after the word. */
static bool choose(struct run *run, const struct value *dot, bool active, bool with)
{
    size_t n_variables = run->n_variables;
    struct value value;
    enum stop stop = STOP_END;
    bool truth, quiet, good;

    if (!evaluate(run, dot, active, &value, &quiet)) {
        return false;
    }
    truth = value_truth(&value);
    good = take_close(run) && block(run, with ? &value : dot, active && truth, &stop);
    value_fini(&value);
    if (good && stop == STOP_ELSE) {
        if (take_word(run, "if")) {
            good = choose(run, dot, active && !truth, false); /* up to the same end */
        } else {
            good = take_close(run) && block(run, dot, active && !truth, &stop) &&
                   (stop == STOP_END || fail_parse(run, "unexpected {{else}}"));
        }
    }
    forget_variables(run, n_variables);
    return good && (stop != STOP_TEXT || fail_parse(run, "unexpected EOF"));
}

/* "$i, $e :=" or "$e :=" of a range; names of length 0 when there are none. */
static void take_range_names(struct run *run, struct variable names[2])
{
    const char *start = run->at;
    size_t n = 0;

    names[0] = names[1] = (struct variable){0};
    for (bool more = true; more && n < 2; n++) {
        if (!take_sign(run, "$")) {
            break;
        }
        names[n] = (struct variable){.name = run->at, .len = word_length(run->at)};
        run->at += names[n].len;
        more = take_sign(run, ",");
    }
    if (n == 0 || !take_sign(run, ":=")) {
        run->at = start;
        names[0] = names[1] = (struct variable){0};
    } else if (n == 1) {
        names[1] = names[0];
        names[0] = (struct variable){0};
    }
}

/* The body once, for one element. */
static bool range_once(struct run *run, const char *body, const struct variable names[2], struct value *key,
                       struct value *element, enum stop *ret_stop)
{
    size_t n_variables = run->n_variables;
    bool good = (names[0].len == 0 || declare(run, names[0].name, names[0].len, key)) &&
                (names[1].len == 0 || declare(run, names[1].name, names[1].len, element));

    run->at = body;
    good = good && block(run, element, true, ret_stop);
    forget_variables(run, n_variables);
    value_fini(key);
    value_fini(element);
    return good;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All elements; *ret_n: how many. */
static bool range_all(struct run *run, const char *body, const struct variable names[2], const struct value *over,
                      size_t *ret_n, enum stop *ret_stop)
{
    bool list = over->type->kind == TYPE_LIST, good = true;
    size_t n = list ? json_array_size(over->json) : json_object_size(over->json), at = 0;
    const char **keys = mem_calloc(n + 1, sizeof(*keys)), *key;
    json_t *item;

    if (!list) {
        json_object_foreach(over->json, key, item)
        {
            keys[at++] = key;
        }
        qsort(keys, n, sizeof(*keys), compare_texts);
    }
    for (size_t i = 0; i < n && good; i++) {
        struct value index =
            list ? value_own(&type_int, json_integer((json_int_t)i)) : value_own(&type_string, json_string(keys[i]));
        struct value element = value_make(over->type->element,
                                          list ? json_array_get(over->json, i) : json_object_get(over->json, keys[i]));

        good = range_once(run, body, names, &index, &element, ret_stop);
    }
    free(keys);
    *ret_n = n;
    return good;
}

static bool range(struct run *run, const struct value *dot, bool active)
{
    struct variable names[2];
    enum stop stop = STOP_END;
    struct value over;
    const char *from;
    size_t n = 0;
    bool good;

    take_range_names(run, names);
    skip_blanks(run);
    from = run->at;
    if (!pipeline(run, dot, active, &over)) {
        return false;
    }
    good = true;
    if (active && over.type->kind != TYPE_LIST && over.type->kind != TYPE_MAP) {
        CLEANUP(free_ptr) char *problem = mem_printf("range can't iterate over type %s", over.type->name);

        good = fail_run(run, from, problem);
    }
    good = good && take_close(run);
    if (good && active) {
        good = range_all(run, run->at, names, &over, &n, &stop);
    }
    if (good && n == 0) { /* read it once, for its end */
        size_t n_variables = run->n_variables;

        good = (names[0].len == 0 || declare(run, names[0].name, names[0].len, dot)) &&
               (names[1].len == 0 || declare(run, names[1].name, names[1].len, dot)) && block(run, dot, false, &stop);
        forget_variables(run, n_variables);
    }
    value_fini(&over);
    if (good && stop == STOP_ELSE) {
        good = take_close(run) && block(run, dot, active && n == 0, &stop) &&
               (stop == STOP_END || fail_parse(run, "unexpected {{else}}"));
    }
    return good && (stop != STOP_TEXT || fail_parse(run, "unexpected EOF"));
}

static bool comment(struct run *run)
{
    const char *end = strstr(run->at, "*/");

    if (end == NULL) {
        return fail_parse(run, "unclosed comment");
    }
    run->at = end + 2;
    return take_close(run);
}

static bool print_action(struct run *run, const struct value *dot, bool active)
{
    struct value value;
    bool quiet;

    if (!evaluate(run, dot, active, &value, &quiet)) {
        return false;
    }
    if (active && !quiet) {
        value_print(run->out, &value);
    }
    value_fini(&value);
    return take_close(run);
}

/* The text up to the next action; false when there is none. */
static bool take_text(struct run *run, bool active)
{
    const char *open = strstr(run->at, "{{");
    const char *end = open != NULL ? open : run->at + strlen(run->at);
    bool trim = open != NULL && open[2] == '-' && strchr(BLANKS, open[3]) != NULL && open[3] != '\0';
    size_t len = (size_t)(end - run->at);

    while (trim && len > 0 && strchr(BLANKS, run->at[len - 1]) != NULL) {
        len--;
    }
    if (active) {
        buf_append(run->out, run->at, len);
    }
    run->at = open != NULL ? open + (trim ? 4 : 2) : end;
    return open != NULL;
}

/* Text and actions up to {{end}} (after it), {{else}} (after the word) or the end of the text. */
static bool block(struct run *run, const struct value *dot, bool active, enum stop *ret_stop)
{
    bool good = true;

    if (++run->depth > DEPTH_MAX) {
        return fail_parse(run, "nested too deeply");
    }
    *ret_stop = STOP_TEXT;
    while (good && *ret_stop == STOP_TEXT && take_text(run, active)) {
        skip_blanks(run);
        if (strncmp(run->at, "/*", 2) == 0) {
            good = comment(run);
        } else if (take_word(run, "end")) {
            *ret_stop = STOP_END;
            good = take_close(run);
        } else if (take_word(run, "else")) {
            *ret_stop = STOP_ELSE;
        } else if (take_word(run, "if")) {
            good = choose(run, dot, active, false);
        } else if (take_word(run, "with")) {
            good = choose(run, dot, active, true);
        } else if (take_word(run, "range")) {
            good = range(run, dot, active);
        } else {
            good = print_action(run, dot, active);
        }
    }
    run->depth--;
    return good;
}

static bool run_all(struct run *run, bool active)
{
    enum stop stop = STOP_TEXT;
    bool good;

    run->at = run->text;
    good = declare(run, "", 0, &run->root) && block(run, &run->root, active, &stop);
    if (good && stop != STOP_TEXT) {
        good = fail_parse(run, stop == STOP_END ? "unexpected {{end}}" : "unexpected {{else}}");
    }
    forget_variables(run, 0);
    return good;
}

int template_run(const char *text, json_t *topology, struct buf *out, char **ret_error)
{
    struct run run = {.text = text, .root = value_make(&type_topology, topology), .out = out};
    bool good = run_all(&run, false) && run_all(&run, true);

    value_fini(&run.root);
    *ret_error = run.error;
    return good ? 0 : -1;
}
