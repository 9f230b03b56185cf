/* The helper of the store's unit tests, built for this folder too. */
#include "tests/unit/store/world.c" /* NOLINT(bugprone-suspicious-include) */
