/* A loop that is turned until something has come about, with a deadline. */
#ifndef HECATE_TESTS_UNIT_CONSENSUS_TURNS_H
#define HECATE_TESTS_UNIT_CONSENSUS_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

extern uv_loop_t turns_loop;
extern char turns_folder[];

/* Turns of the loop one by one, without waiting: the test fails when they go on after the deadline of turns_until. */
void turns_begin(void);
void turns_one(const char *what);
void turns_end(void);

bool turns_init(void);
/* Runs the loop until the condition holds; fails the test when that takes half a minute. */
void turns_until(const char *what, bool (*condition)(void));
/* "127.0.0.1:PORT" with a port that is free at the moment. */
void turns_free_address(char *ret_address, size_t size);
/* Runs a program and waits; fails the test unless it succeeds. What it prints is dropped. */
void turns_run(const char *const argv[]);
/* For cmocka_run_group_tests: makes the loop, and turns_folder with the certificates of members 1 and 2. */
int turns_set_up(void **state);
int turns_tear_down(void **state);

#endif
