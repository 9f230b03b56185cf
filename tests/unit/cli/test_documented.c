/* Every command and every flag is in the manual page and is completed by bash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/cli/fixture.h"

static void each_command(void (*fn)(const struct cli_command *command, void *user), void *user)
{
    for (size_t i = 0; i < cli_n_groups; i++) {
        for (size_t j = 0; j < cli_groups[i]->n_commands; j++) {
            fn(&cli_groups[i]->commands[j], user);
        }
    }
}

/* Manual pages write \- for a hyphen, \fB and the like for a font, quotes round arguments of a macro. */
static void plain(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\\' && from[1] == 'f' && from[2] != '\0') {
            from += 2;
        } else if (*from != '\\' && *from != '"') {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static void in_manual(const struct cli_command *command, void *user)
{
    CLEANUP(free_ptr)
    char *words = mem_printf("%s%s%s", command->group, command->name != NULL ? " " : "",
                             command->name != NULL ? command->name : "");
    const char *at = strstr(user, words);

    if (at == NULL) {
        fail_msg("the manual page does not know '%s'", words);
    }
    for (size_t i = 0; i < command->n_flags; i++) {
        CLEANUP(free_ptr) char *flag = mem_printf("--%s", command->flags[i].name);

        if (strstr(at, flag) == NULL) {
            fail_msg("the manual page does not know %s of '%s'", flag, words);
        }
    }
}

static void test_manual(void **state)
{
    CLEANUP(free_ptr) char *text = read_data("../../../../docs/man/hecate.1");

    (void)state;
    plain(text);
    each_command(in_manual, text);
    for (size_t i = 0; i < cli_n_global_flags; i++) {
        CLEANUP(free_ptr) char *flag = mem_printf("--%s", cli_global_flags[i].name);

        assert_non_null(strstr(text, flag));
    }
}

/* ---- completion ---- */

/* A line for bash: what follows these words (a word that has been begun is the last one) must have all of `expected`.
 */
static void add_question(struct buf *script, const char *words, const char *last, const char *expected)
{
    buf_printf(script, "ask '%s' '%s' '%s'\n", words, last, expected);
}

/* Each word of the command after those before it, and its flags. */
static void add_command(const struct cli_command *command, void *user)
{
    struct buf words = BUF_INIT;
    const char *at = command->name != NULL ? command->name : "";

    add_question(user, "", "", command->group);
    buf_append_str(&words, command->group);
    while (*at != '\0') {
        size_t len = strcspn(at, " ");
        CLEANUP(free_ptr) char *word = mem_strndup(at, len);

        add_question(user, buf_str(&words), "", word);
        buf_printf(&words, " %s", word);
        at += len + (at[len] == ' ');
    }
    for (size_t i = 0; i < command->n_flags; i++) {
        CLEANUP(free_ptr) char *flag = mem_printf("--%s", command->flags[i].name);

        add_question(user, buf_str(&words), "--", flag);
    }
    for (size_t i = 0; i + 1 < cli_n_global_flags; i++) { /* all but --version, which needs no command */
        CLEANUP(free_ptr) char *flag = mem_printf("--%s", cli_global_flags[i].name);

        add_question(user, buf_str(&words), "--", flag);
    }
    buf_fini(&words);
}

static void test_completion(void **state)
{
    static const char head[] = "_hecate_ids() { :; }\n" /* no server here */
                               "ask() {\n"
                               "  COMP_WORDS=(hecate $1 \"$2\") COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()\n"
                               "  _hecate\n"
                               "  [[ \" ${COMPREPLY[*]} \" == *\" $3 \"* ]] && return\n"
                               "  echo \"hecate $1: '$3' is not completed, only: ${COMPREPLY[*]}\" >&2\n"
                               "  exit 1\n"
                               "}\n";
    CLEANUP(free_ptr) char *completion = read_data("../../../../cli/completion.bash");
    struct buf script = BUF_INIT;
    int status;
    pid_t pid;

    (void)state;
    buf_printf(&script, "%s%s", completion, head);
    each_command(add_command, &script);
    pid = fork();
    if (pid == 0) {
        execl("/bin/bash", "bash", "-c", buf_str(&script), (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    buf_fini(&script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_completion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
