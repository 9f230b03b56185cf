/* The file calls of a program, watched and disturbed: what a disk may hold after a power cut at any moment, errors at
 * any call. Linked into a test, it takes the place of the C library's open, openat, pwrite, fdatasync, fsync, renameat,
 * unlinkat, close, read and posix_fadvise; outside a watched directory they do what they always do.
 *
 * The model of the disk: an unsynced write may be lost or kept sector by sector, an unsynced creation, rename or
 * removal of a name by itself; a failed sync leaves in memory what will never be written. Watched files are not really
 * synced.
 */
#ifndef HECATE_TESTS_FILES_H
#define HECATE_TESTS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum files_call { FILES_OPEN, FILES_WRITE, FILES_SYNC, FILES_RENAME, FILES_UNLINK, FILES_CLOSE, FILES_READ };

enum files_fault {
    FILES_NO_FAULT,
    FILES_ERROR,   /* that call fails and does nothing */
    FILES_SHORT,   /* that write takes a part; every write after it fails */
    FILES_GARBAGE, /* that write succeeds, and leaves something else there */
    FILES_HALT,    /* that call and all changes after it fail and do nothing: as if the process had been killed */
};

struct files;

/* Watches a directory without subdirectories; what it holds now counts as synced. One at a time is current: the watched
 * one of the newest files_watch that has not been ended. */
struct files *files_watch(const char *dir);
void files_end(struct files *files);
/* How many calls there were: each of them can be disturbed, and a power cut can come before each of them. */
size_t files_calls(const struct files *files);
/* What the call was, and on which thread; -1: a call that has not happened. */
int files_what(const struct files *files, size_t call, size_t *ret_len, int *ret_thread);
void files_disturb(struct files *files, enum files_fault fault, size_t call, int error);
/* Waits while the file of that name is about to be written (call it with NULL to let it go on). */
void files_hold(struct files *files, const char *name);
/* What the disk may hold when power is cut before that call, written into the (new) directory target. Calls of one
 * `files` must not go back, and after a failed sync only the present moment counts. */
void files_power_cut(struct files *files, size_t call, unsigned *seed, const char *target);
void files_remove_dir(const char *dir);

#endif
