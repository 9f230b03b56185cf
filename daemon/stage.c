#include "daemon/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/import.h"
#include "store/base/mem.h"
#include "store/store.h"

#define STAGE_MAX ((off_t)1 << 30)

char *stage_path(const struct cfg *cfg)
{
    return mem_printf("%s/load.snapshot", cfg->data_dir);
}

static int stage_open(const char *path, int *ret_fd, struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0) {
        return err_set(reterr, E_IO, "cannot open %s: %s", path, strerror(errno));
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > STAGE_MAX) {
        (void)close(fd); /* only read from */
        return err_set(reterr, E_INVALID, "%s must be a regular file of at most 1 GiB", path);
    }
    *ret_fd = fd;
    return 0;
}

int stage_check(const struct cfg *cfg, struct err *reterr)
{
    CLEANUP(free_ptr) char *path = stage_path(cfg);
    struct stat st;
    int fd, rc;

    if (lstat(path, &st) != 0 && errno == ENOENT) {
        return 0;
    }
    rc = stage_open(path, &fd, reterr);
    if (rc != 0) {
        return err_wrap(reterr, "a staged database cannot be loaded (let the user of hecated own it, or remove it)");
    }
    (void)close(fd); /* only read from */
    return 0;
}

int stage_read(const char *path, struct buf *ret_bytes, struct err *reterr)
{
    int fd = -1, rc = stage_open(path, &fd, reterr);

    if (rc != 0) {
        return rc;
    }
    while (rc == 0) {
        ssize_t n;

        buf_reserve(ret_bytes, 1 << 20);
        n = read(fd, ret_bytes->data + ret_bytes->len, 1 << 20);
        if (n < 0) {
            rc = err_set(reterr, E_IO, "cannot read %s: %s", path, strerror(errno));
        }
        if (n <= 0) {
            break;
        }
        ret_bytes->len += (size_t)n;
    }
    (void)close(fd); /* only read from */
    return rc;
}

/* A member that has started has made promises to the others: its database is not replaced behind its back. */
static int check_unused(const char *folder, struct err *reterr)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int rc = 0;

    if (dir == NULL) {
        return errno == ENOENT && mkdir(folder, 0700) == 0
                   ? 0
                   : err_set(reterr, E_IO, "cluster.data_dir: cannot use %s: %s", folder, strerror(errno));
    }
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "known_hosts") != 0 &&
            strncmp(name, "load.snapshot", strlen("load.snapshot")) != 0) {
            rc = err_set(reterr, E_INVALID,
                         "%s is in use (there is %s): a database is restored only into the empty data directories of a "
                         "new cluster",
                         folder, name);
        }
    }
    (void)closedir(dir);
    return rc;
}

static int write_all(int fd, const struct buf *bytes)
{
    for (size_t at = 0; at < bytes->len;) {
        ssize_t n = write(fd, bytes->data + at, bytes->len - at);

        if (n < 0 && errno != EINTR) {
            return -1;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd);
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

/* The owner of the folder is who runs hecated; root, who stages, often is not. */
static int give_to_owner(int fd, const char *folder)
{
    struct stat st;

    if (geteuid() != 0) {
        return 0; /* it is ours, and stays so */
    }
    return stat(folder, &st) == 0 ? fchown(fd, st.st_uid, st.st_gid) : -1;
}

static int write_stage(const struct cfg *cfg, const struct buf *bytes, struct err *reterr)
{
    CLEANUP(free_ptr) char *path = stage_path(cfg);
    CLEANUP(free_ptr) char *temporary = mem_printf("%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && give_to_owner(fd, cfg->data_dir) == 0 && write_all(fd, bytes) == 0;

    if (fd >= 0 && close(fd) != 0) {
        ok = false;
    }
    if (!ok || rename(temporary, path) != 0 || sync_folder(cfg->data_dir) != 0) {
        int error = errno;

        (void)unlink(temporary);
        return err_set(reterr, E_IO, "cannot write %s: %s", path, strerror(error));
    }
    return 0;
}

static int finish(const struct cfg *cfg, int rc, const struct err *err, const struct store_counts *counts)
{
    if (rc != 0) {
        fprintf(stderr, "ERROR: %s\n", err->message);
        return 1;
    }
    printf("%zu clusters, %zu nodes, %zu devices, %zu volumes, %zu bricks, %zu operations wait in %s.\n"
           "Do the same on every member of the new cluster, then start them all.\n",
           counts->clusters, counts->nodes, counts->devices, counts->volumes, counts->bricks, counts->operations,
           cfg->data_dir);
    return 0;
}

int stage_restore(const struct cfg *cfg, const char *file)
{
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    struct store_counts counts = {0};
    struct store *store = NULL;
    struct err err = ERR_INIT;
    int rc = check_unused(cfg->data_dir, &err);

    rc = rc == 0 ? stage_read(file, &bytes, &err) : rc;
    rc = rc == 0 ? store_snapshot_decode(bytes.data, bytes.len, &store, &err) : rc;
    if (rc == 0) {
        counts = store_counts(store);
        rc = write_stage(cfg, &bytes, &err);
    }
    store_free(store);
    return finish(cfg, rc, &err, &counts);
}

static void print_lines(const char *what, const struct store_strs *lines, size_t n)
{
    for (size_t i = 0; i < lines->n; i++) {
        printf("%s: %s\n", what, lines->items[i]);
    }
    if (n > lines->n) {
        printf("%s: and %zu more\n", what, n - lines->n);
    }
}

int stage_import(const struct cfg *cfg, const char *file)
{
    CLEANUP(import_report_fini) struct import_report report = {0};
    CLEANUP(buf_fini) struct buf dump = BUF_INIT;
    CLEANUP(buf_fini) struct buf bytes = BUF_INIT;
    struct store_snapshot *snapshot;
    struct store *store = NULL;
    struct err err = ERR_INIT;
    int rc = check_unused(cfg->data_dir, &err);

    rc = rc == 0 ? stage_read(file, &dump, &err) : rc;
    if (rc == 0) {
        rc = import_dump(buf_str(&dump), dump.len, &store, &report);
        print_lines("error", &report.errors, report.n_errors);
        print_lines("warning", &report.warnings, report.n_warnings);
        if (rc != 0) {
            (void)err_set(&err, rc, "%s cannot be imported: %zu errors", file, report.n_errors);
        }
    }
    if (rc == 0) {
        snapshot = store_snapshot_take(store);
        store_snapshot_encode(snapshot, &bytes);
        store_snapshot_free(snapshot);
        rc = write_stage(cfg, &bytes, &err);
    }
    store_free(store);
    return finish(cfg, rc, &err, &report.counts);
}
