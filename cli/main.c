/* hecate: the command line client. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    struct cli cli;
    int code;

    cli_init(&cli);
    code = cli_run(&cli, argc, argv);
    cli_fini(&cli);
    return code;
}
