/* A loop that is turned until something has come about, with a deadline. */
#ifndef HECATE_TESTS_UNIT_CONSENSUS_TURNS_H
#define HECATE_TESTS_UNIT_CONSENSUS_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

extern uv_loop_t turns_loop;

bool turns_init(void);
/* Runs the loop until the condition holds; fails the test when that takes half a minute. */
void turns_until(const char *what, bool (*condition)(void));
/* "127.0.0.1:PORT" with a port that is free at the moment. */
void turns_free_address(char *ret_address, size_t size);

#endif
