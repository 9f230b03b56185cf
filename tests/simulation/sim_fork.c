/* Leaving out a part of the core in a child process, so that an assertion or a sanitizer may end it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/check.h"
#include "tests/simulation/sim.h"

#define CHILD_S 60

unsigned long core_test_skipped;

bool sim_breaks_without(enum core_part part, bool (*fn)(uint64_t seed), uint64_t seed)
{
    int status = 0;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        CHECK(null >= 0 && dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0);
        core_test_skipped |= 1UL << part;
        (void)alarm(CHILD_S); /* it may also go round in circles */
        _exit(fn(seed) ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

unsigned sim_count_breaks(enum core_part part, bool (*fn)(uint64_t seed), uint64_t first_seed, unsigned n)
{
    unsigned broken = 0;

    for (unsigned i = 0; i < n; i++) {
        broken += sim_breaks_without(part, fn, first_seed + i);
    }
    return broken;
}

uint64_t sim_seed(uint64_t otherwise)
{
    const char *text = getenv("HECATE_SEED");

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

unsigned sim_seeds(unsigned otherwise)
{
    const char *text = getenv("HECATE_SIM_SEEDS");
    unsigned long n = text != NULL ? strtoul(text, NULL, 10) : otherwise;

    return n > 0 && n < 100000000 ? (unsigned)n : otherwise;
}
