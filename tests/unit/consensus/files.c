#include "tests/unit/consensus/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define SECTOR 512
#define FDS_MAX 1024
#define NAMES_MAX 256
#define INODES_MAX 1024
#define FD_DIR 1
#define FD_FILE 2 /* + inode */

enum change {
    CHANGE_NONE,
    CHANGE_CREATE,
    CHANGE_TRUNCATE,
    CHANGE_WRITE,
    CHANGE_RENAME,
    CHANGE_UNLINK,
    CHANGE_SYNC,
    CHANGE_SYNC_FAILED,
    CHANGE_SYNC_DIR
};

struct event {
    enum files_call what;
    enum change change;
    size_t inode, len;
    uint64_t offset;
    uint8_t *data;
    char name[64], to[64];
    int thread;
};

struct name {
    char name[64];
    size_t inode;
};

struct names {
    struct name items[NAMES_MAX];
    size_t n;
};

struct list {
    size_t *items;
    size_t n;
};

struct files {
    char *dir;
    struct event *events;
    size_t n_events;
    enum files_fault fault;
    size_t fault_call;
    int fault_error;
    char hold[64];
    bool disk_full, sync_failed;
    int fds[FDS_MAX];
    struct names live; /* what a running process sees */
    size_t n_inodes;
    /* What is synced and what is not, after the first `replayed` events. */
    size_t replayed;
    struct buf *synced;    /* by inode */
    struct list *unsynced; /* by inode: events */
    struct names names;
    struct list names_unsynced;
    struct files *outer;
};

static struct files *current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t let_go = PTHREAD_COND_INITIALIZER;

/* ---- names, lists ---- */

static size_t *find_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i].name, name) == 0) {
            return &names->items[i].inode;
        }
    }
    return NULL;
}

static void set_name(struct names *names, const char *name, size_t inode)
{
    size_t *old = find_name(names, name);

    if (old != NULL) {
        *old = inode;
        return;
    }
    CHECK(names->n < NAMES_MAX);
    (void)snprintf(names->items[names->n].name, sizeof(names->items->name), "%s", name);
    names->items[names->n++].inode = inode;
}

static void drop_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i].name, name) == 0) {
            names->items[i] = names->items[--names->n];
            return;
        }
    }
}

static void add(struct list *list, size_t item)
{
    list->items = mem_realloc_array(list->items, list->n + 1, sizeof(*list->items));
    list->items[list->n++] = item;
}

static void change_names(struct names *names, const struct event *event)
{
    if (event->change == CHANGE_CREATE) {
        set_name(names, event->name, event->inode);
    } else if (event->change == CHANGE_RENAME) {
        const size_t *from = find_name(names, event->name);

        if (from != NULL && *from == event->inode) {
            drop_name(names, event->name);
        }
        set_name(names, event->to, event->inode);
    } else {
        drop_name(names, event->name);
    }
}

/* ---- the calls ---- */

static struct event *new_event(struct files *files, enum files_call what)
{
    struct event *event;

    files->events = mem_realloc_array(files->events, files->n_events + 1, sizeof(*files->events));
    event = &files->events[files->n_events++];
    memset(event, 0, sizeof(*event));
    event->what = what;
    event->thread = (int)syscall(SYS_gettid);
    return event;
}

/* Counts a call. true: it fails, errno is set, and it must have no effect. */
static bool disturbed(struct files *files, enum files_call what)
{
    size_t call = files->n_events;
    bool change = what != FILES_READ;

    if (files->fault == FILES_HALT && call >= files->fault_call && change) {
        errno = EIO;
        return true; /* not counted: it never happened */
    }
    if ((files->fault == FILES_ERROR && call == files->fault_call) || (files->disk_full && what == FILES_WRITE)) {
        (void)new_event(files, what);
        errno = files->fault_error;
        return true;
    }
    return false;
}

/* 0: not a watched file. */
static int slot_of(int fd)
{
    return current != NULL && fd >= 0 && fd < FDS_MAX ? current->fds[fd] : 0;
}

static int open_watched(struct files *files, int dir_fd, const char *name, int flags, mode_t mode)
{
    bool change = (flags & (O_CREAT | O_TRUNC)) != 0;
    size_t *inode = find_name(&files->live, name);
    struct event *event;
    int fd;

    if (disturbed(files, change ? FILES_OPEN : FILES_READ)) {
        return -1;
    }
    fd = (int)syscall(SYS_openat, dir_fd, name, flags, mode);
    if (fd < 0) {
        return -1;
    }
    CHECK(fd < FDS_MAX);
    event = new_event(files, change ? FILES_OPEN : FILES_READ);
    (void)snprintf(event->name, sizeof(event->name), "%s", name);
    if (inode == NULL) {
        CHECK(files->n_inodes < INODES_MAX);
        event->change = CHANGE_CREATE;
        event->inode = files->n_inodes++;
        change_names(&files->live, event);
    } else {
        event->change = (flags & O_TRUNC) != 0 ? CHANGE_TRUNCATE : CHANGE_NONE;
        event->inode = *inode;
    }
    files->fds[fd] = FD_FILE + (int)event->inode;
    return fd;
}

/* The mode is there only with O_CREAT; the kernel looks at it only then. */
int files_open(const char *path, int flags, mode_t mode) __asm__("open");
int files_openat(int dir_fd, const char *name, int flags, mode_t mode) __asm__("openat");
ssize_t files_pwrite(int fd, const void *data, size_t len, off_t offset) __asm__("pwrite");
int files_fdatasync(int fd) __asm__("fdatasync");
int files_fsync(int fd) __asm__("fsync");
int files_renameat(int from_fd, const char *from, int to_fd, const char *to) __asm__("renameat");
int files_unlinkat(int dir_fd, const char *name, int flags) __asm__("unlinkat");
int files_close(int fd) __asm__("close");
ssize_t files_read(int fd, void *data, size_t len) __asm__("read");
int files_posix_fadvise(int fd, off_t offset, off_t len, int advice) __asm__("posix_fadvise");

int files_open(const char *path, int flags, mode_t mode)
{
    int fd;

    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    pthread_mutex_lock(&lock);
    if (current != NULL && fd >= 0 && fd < FDS_MAX && strcmp(path, current->dir) == 0) {
        current->fds[fd] = FD_DIR;
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

int files_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    int fd;

    pthread_mutex_lock(&lock);
    if (slot_of(dir_fd) == FD_DIR && strcmp(name, ".") != 0) {
        fd = open_watched(current, dir_fd, name, flags, mode);
    } else {
        fd = (int)syscall(SYS_openat, dir_fd, name, flags, mode);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

/* With the lock held. */
static ssize_t write_watched(struct files *files, int fd, size_t inode, const void *data, size_t len, off_t offset)
{
    CLEANUP(free_ptr) uint8_t *garbage = NULL;
    struct event *event;
    ssize_t n;

    if (disturbed(files, FILES_WRITE)) {
        return -1;
    }
    if (files->fault == FILES_SHORT && files->n_events == files->fault_call) {
        files->disk_full = true;
        len = len / 2;
    }
    if (files->fault == FILES_GARBAGE && files->n_events == files->fault_call) {
        data = garbage = mem_dup(data, len);
        garbage[len / 2] ^= 0x10;
    }
    n = syscall(SYS_pwrite64, fd, data, len, offset);
    CHECK(n == (ssize_t)len);
    event = new_event(files, FILES_WRITE);
    event->change = CHANGE_WRITE;
    event->inode = inode;
    event->offset = (uint64_t)offset;
    event->len = len;
    event->data = mem_dup(data, len);
    return n;
}

static bool is_held(struct files *files, int inode)
{
    const size_t *held = find_name(&files->live, files->hold);

    return held != NULL && (int)*held == inode;
}

ssize_t files_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    int slot;
    ssize_t n;

    pthread_mutex_lock(&lock);
    slot = slot_of(fd);
    if (slot == 0) {
        pthread_mutex_unlock(&lock);
        return syscall(SYS_pwrite64, fd, data, len, offset);
    }
    while (is_held(current, slot - FD_FILE)) {
        pthread_cond_wait(&let_go, &lock);
    }
    n = write_watched(current, fd, (size_t)(slot - FD_FILE), data, len, offset);
    pthread_mutex_unlock(&lock);
    return n;
}

static int sync_watched(struct files *files, int slot)
{
    size_t calls = files->n_events;
    bool failed = disturbed(files, FILES_SYNC);
    struct event *event;

    if (failed && files->n_events == calls) {
        return -1; /* halted */
    }
    event = failed ? &files->events[calls] : new_event(files, FILES_SYNC);
    if (slot == FD_DIR) {
        event->change = failed ? CHANGE_NONE : CHANGE_SYNC_DIR;
    } else {
        event->change = failed ? CHANGE_SYNC_FAILED : CHANGE_SYNC;
        event->inode = (size_t)(slot - FD_FILE);
    }
    files->sync_failed = files->sync_failed || failed;
    return failed ? -1 : 0;
}

int files_fdatasync(int fd)
{
    int rc;

    pthread_mutex_lock(&lock);
    rc = slot_of(fd) != 0 ? sync_watched(current, slot_of(fd)) : (int)syscall(SYS_fdatasync, fd);
    pthread_mutex_unlock(&lock);
    return rc;
}

int files_fsync(int fd)
{
    return files_fdatasync(fd);
}

int files_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    struct event *event;
    int rc = -1;

    pthread_mutex_lock(&lock);
    if (slot_of(from_fd) == 0) {
        rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
    } else if (!disturbed(current, FILES_RENAME)) {
        const size_t *inode = find_name(&current->live, from);

        rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
        CHECK_MSG(rc == 0 && inode != NULL, "rename of %s, which is not there", from);
        event = new_event(current, FILES_RENAME);
        event->change = CHANGE_RENAME;
        event->inode = *inode;
        (void)snprintf(event->name, sizeof(event->name), "%s", from);
        (void)snprintf(event->to, sizeof(event->to), "%s", to);
        change_names(&current->live, event);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int files_unlinkat(int dir_fd, const char *name, int flags)
{
    struct event *event;
    int rc = -1;

    pthread_mutex_lock(&lock);
    if (slot_of(dir_fd) == 0) {
        rc = (int)syscall(SYS_unlinkat, dir_fd, name, flags);
    } else if (!disturbed(current, FILES_UNLINK)) {
        rc = (int)syscall(SYS_unlinkat, dir_fd, name, flags);
        event = new_event(current, FILES_UNLINK);
        if (rc == 0) {
            event->change = CHANGE_UNLINK;
            (void)snprintf(event->name, sizeof(event->name), "%s", name);
            change_names(&current->live, event);
        }
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int files_close(int fd)
{
    bool failed = false;
    int rc, error = 0;

    pthread_mutex_lock(&lock);
    if (slot_of(fd) != 0) {
        failed = slot_of(fd) != FD_DIR && disturbed(current, FILES_CLOSE);
        error = errno;
        if (!failed && slot_of(fd) != FD_DIR) {
            (void)new_event(current, FILES_CLOSE);
        }
        current->fds[fd] = 0;
    }
    pthread_mutex_unlock(&lock);
    rc = (int)syscall(SYS_close, fd);
    errno = failed ? error : errno;
    return failed ? -1 : rc;
}

ssize_t files_read(int fd, void *data, size_t len)
{
    bool failed = false;

    pthread_mutex_lock(&lock);
    if (slot_of(fd) != 0) {
        failed = disturbed(current, FILES_READ);
        if (!failed) {
            (void)new_event(current, FILES_READ);
        }
    }
    pthread_mutex_unlock(&lock);
    return failed ? -1 : syscall(SYS_read, fd, data, len);
}

/* ---- the disk ---- */

/* One unsynced write, sector by sector: keep decides. */
static void write_sectors(struct buf *file, const struct event *event, bool (*keep)(unsigned *seed), unsigned *seed)
{
    for (size_t done = 0; done < event->len;) {
        size_t at = event->offset + done;
        size_t n = SECTOR - at % SECTOR;

        n = n < event->len - done ? n : event->len - done;
        if (keep(seed)) {
            if (at + n > file->len) {
                size_t grow = at + n - file->len;

                buf_reserve(file, grow);
                memset(file->data + file->len, 0, grow);
                file->len += grow;
            }
            memcpy(file->data + at, event->data + done, n);
        }
        done += n;
    }
}

static bool keep_always(unsigned *seed)
{
    (void)seed;
    return true;
}

static bool keep_every_second(unsigned *seed)
{
    return (*seed)++ % 2 == 0;
}

static bool keep_some(unsigned *seed)
{
    return rand_r(seed) % 2 == 0;
}

static bool keep_most(unsigned *seed)
{
    return rand_r(seed) % 8 != 0;
}

static bool keep_none(unsigned *seed)
{
    (void)seed;
    return false;
}

static void settle_inode(struct files *files, size_t inode, bool failed)
{
    struct list *list = &files->unsynced[inode];
    unsigned half = 0;

    for (size_t i = 0; i < list->n; i++) {
        const struct event *event = &files->events[list->items[i]];

        if (event->change == CHANGE_TRUNCATE) {
            buf_clear(&files->synced[inode]);
        } else {
            write_sectors(&files->synced[inode], event, failed ? keep_every_second : keep_always, &half);
        }
    }
    list->n = 0;
}

static void replay(struct files *files, size_t call)
{
    CHECK(call >= files->replayed && call <= files->n_events);
    for (; files->replayed < call; files->replayed++) {
        const struct event *event = &files->events[files->replayed];

        switch (event->change) {
        case CHANGE_NONE:
            break;
        case CHANGE_CREATE:
        case CHANGE_RENAME:
        case CHANGE_UNLINK:
            add(&files->names_unsynced, files->replayed);
            break;
        case CHANGE_TRUNCATE:
        case CHANGE_WRITE:
            add(&files->unsynced[event->inode], files->replayed);
            break;
        case CHANGE_SYNC:
        case CHANGE_SYNC_FAILED:
            settle_inode(files, event->inode, event->change == CHANGE_SYNC_FAILED);
            break;
        case CHANGE_SYNC_DIR:
            for (size_t i = 0; i < files->names_unsynced.n; i++) {
                change_names(&files->names, &files->events[files->names_unsynced.items[i]]);
            }
            files->names_unsynced.n = 0;
        }
    }
}

static void file_content(const struct files *files, size_t inode, bool (*keep)(unsigned *seed), unsigned *seed,
                         struct buf *ret_file)
{
    const struct list *list = &files->unsynced[inode];

    buf_append(ret_file, buf_str(&files->synced[inode]), files->synced[inode].len);
    for (size_t i = 0; i < list->n; i++) {
        const struct event *event = &files->events[list->items[i]];

        if (event->change == CHANGE_WRITE) {
            write_sectors(ret_file, event, keep, seed);
        } else if (keep(seed)) {
            buf_clear(ret_file);
        }
    }
}

int files_posix_fadvise(int fd, off_t offset, off_t len, int advice)
{
    int slot;

    (void)offset;
    (void)len;
    pthread_mutex_lock(&lock);
    slot = slot_of(fd);
    /* Memory shows what the disk has again; there is a difference only after a failed sync. */
    if (slot >= FD_FILE && advice == POSIX_FADV_DONTNEED && current->sync_failed) {
        CLEANUP(buf_fini) struct buf file = BUF_INIT;
        CLEANUP(free_ptr) char *path = mem_printf("/proc/self/fd/%d", fd);
        int real_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY, 0);

        replay(current, current->n_events);
        file_content(current, (size_t)(slot - FD_FILE), keep_always, NULL, &file);
        CHECK(ftruncate(real_fd, (off_t)file.len) == 0);
        CHECK(syscall(SYS_pwrite64, real_fd, buf_str(&file), file.len, 0) == (long)file.len);
        (void)syscall(SYS_close, real_fd);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static void write_out(const char *dir, const char *name, const struct buf *file)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s/%s", dir, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && syscall(SYS_write, fd, buf_str(file), file->len) == (long)file->len);
    (void)syscall(SYS_close, fd);
}

void files_power_cut(struct files *files, size_t call, unsigned *seed, const char *target)
{
    static bool (*const keeps[])(unsigned *) = {keep_none, keep_always, keep_some, keep_most};
    bool (*keep)(unsigned *) = keeps[(unsigned)rand_r(seed) % 4];
    struct names names;

    replay(files, call);
    names = files->names;
    for (size_t i = 0; i < files->names_unsynced.n; i++) {
        if (keep(seed)) {
            change_names(&names, &files->events[files->names_unsynced.items[i]]);
        }
    }
    CHECK(mkdir(target, 0700) == 0);
    for (size_t i = 0; i < names.n; i++) {
        CLEANUP(buf_fini) struct buf file = BUF_INIT;

        file_content(files, names.items[i].inode, keep, seed, &file);
        write_out(target, names.items[i].name, &file);
    }
}

/* ---- watching ---- */

static void load_file(struct files *files, const char *name)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s/%s", files->dir, name);
    struct buf *file = &files->synced[files->n_inodes];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
    long n;

    CHECK(fd >= 0);
    do {
        buf_reserve(file, 65536);
        n = syscall(SYS_read, fd, file->data + file->len, 65536);
        CHECK(n >= 0);
        file->len += (size_t)n;
    } while (n > 0);
    (void)syscall(SYS_close, fd);
    set_name(&files->live, name, files->n_inodes);
    set_name(&files->names, name, files->n_inodes++);
}

struct files *files_watch(const char *dir)
{
    struct files *files = mem_calloc(1, sizeof(*files));
    DIR *stream = opendir(dir);
    const struct dirent *entry;

    CHECK(stream != NULL);
    files->dir = mem_strdup(dir);
    files->synced = mem_calloc(INODES_MAX, sizeof(*files->synced));
    files->unsynced = mem_calloc(INODES_MAX, sizeof(*files->unsynced));
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] != '.') {
            load_file(files, entry->d_name);
        }
    }
    (void)closedir(stream);
    pthread_mutex_lock(&lock);
    files->outer = current;
    current = files;
    pthread_mutex_unlock(&lock);
    return files;
}

void files_end(struct files *files)
{
    pthread_mutex_lock(&lock);
    CHECK(current == files);
    current = files->outer;
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < files->n_events; i++) {
        free(files->events[i].data);
    }
    for (size_t i = 0; i < INODES_MAX; i++) {
        buf_fini(&files->synced[i]);
        free(files->unsynced[i].items);
    }
    free(files->names_unsynced.items);
    free(files->synced);
    free(files->unsynced);
    free(files->events);
    free(files->dir);
    free(files);
}

size_t files_calls(const struct files *files)
{
    size_t n;

    pthread_mutex_lock(&lock);
    n = files->n_events;
    pthread_mutex_unlock(&lock);
    return n;
}

int files_what(const struct files *files, size_t call, size_t *ret_len, int *ret_thread)
{
    int what = -1;

    pthread_mutex_lock(&lock);
    if (call < files->n_events) {
        what = (int)files->events[call].what;
        *ret_len = files->events[call].len;
        *ret_thread = files->events[call].thread;
    }
    pthread_mutex_unlock(&lock);
    return what;
}

void files_disturb(struct files *files, enum files_fault fault, size_t call, int error)
{
    pthread_mutex_lock(&lock);
    files->fault = fault;
    files->fault_call = call;
    files->fault_error = error;
    files->disk_full = false;
    pthread_mutex_unlock(&lock);
}

void files_hold(struct files *files, const char *name)
{
    pthread_mutex_lock(&lock);
    (void)snprintf(files->hold, sizeof(files->hold), "%s", name != NULL ? name : "");
    pthread_cond_broadcast(&let_go);
    pthread_mutex_unlock(&lock);
}

void files_remove_dir(const char *dir)
{
    DIR *stream = opendir(dir);
    const struct dirent *entry;

    CHECK(stream != NULL);
    while ((entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] != '.') {
            CHECK(syscall(SYS_unlinkat, dirfd(stream), entry->d_name, 0) == 0);
        }
    }
    (void)closedir(stream);
    CHECK(rmdir(dir) == 0);
}
