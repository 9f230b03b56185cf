/* Help texts from the tables. */
#include <string.h>

#include "cli/cli.h"
#include "store/base/mem.h"

static void print_flags(FILE *out, const struct cli_flag *flags, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct cli_flag *flag = &flags[i];
        char letter[8] = "   ";
        char name[64];

        if (flag->letter != 0) {
            (void)snprintf(letter, sizeof(letter), "-%c,", flag->letter);
        }
        (void)snprintf(name, sizeof(name), "--%s %s", flag->name, flag->operand != NULL ? flag->operand : "");
        fprintf(out, "  %s %-34s %s", letter, name, flag->help);
        if (flag->preset != NULL) {
            fprintf(out, " (default %s)", flag->preset);
        }
        fputc('\n', out);
    }
}

static void print_command_line(FILE *out, const struct cli_command *command)
{
    char words[96];

    (void)snprintf(words, sizeof(words), "%s%s%s%s%s", command->group, command->name != NULL ? " " : "",
                   command->name != NULL ? command->name : "", *command->operands != '\0' ? " " : "",
                   command->operands);
    fprintf(out, "  %-26s %s\n", words, command->summary);
}

void help_root(const struct cli *cli, FILE *out)
{
    fprintf(out,
            "Command line client of Hecate, a highly available manager of GlusterFS volumes.\n\n"
            "usage: %s [FLAG...] COMMAND\n",
            cli->program);
    for (size_t i = 0; i < cli_n_groups; i++) {
        fputc('\n', out);
        for (size_t j = 0; j < cli_groups[i]->n_commands; j++) {
            print_command_line(out, &cli_groups[i]->commands[j]);
        }
    }
    fprintf(out, "\nFlags of every command:\n");
    print_flags(out, cli_global_flags, cli_n_global_flags);
    fprintf(out, "\n'%s COMMAND --help' tells more about a command.\n", cli->program);
}

void help_group(const struct cli *cli, const struct cli_group *group, FILE *out)
{
    fprintf(out, "%s\n\nusage: %s %s COMMAND [FLAG...]\n\n", group->summary, cli->program, group->name);
    for (size_t i = 0; i < group->n_commands; i++) {
        print_command_line(out, &group->commands[i]);
    }
    fprintf(out, "\nFlags of every command:\n");
    print_flags(out, cli_global_flags, cli_n_global_flags - 1);
}

void help_command(const struct cli *cli, const struct cli_command *command, FILE *out)
{
    fprintf(out, "%s\n\nusage: %s %s%s%s%s%s [FLAG...]\n", command->summary, cli->program, command->group,
            command->name != NULL ? " " : "", command->name != NULL ? command->name : "",
            *command->operands != '\0' ? " " : "", command->operands);
    if (command->help != NULL) {
        fprintf(out, "\n%s\n", command->help);
    }
    if (command->n_flags > 0) {
        fprintf(out, "\nFlags:\n");
        print_flags(out, command->flags, command->n_flags);
    }
    fprintf(out, "\nFlags of every command:\n");
    print_flags(out, cli_global_flags, cli_n_global_flags - 1);
}
