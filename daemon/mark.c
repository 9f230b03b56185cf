#include "daemon/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/base/mem.h"
#include "store/base/text.h"

#define MAGIC UINT64_C(0x314b52414d434548) /* "HECMARK1" */
#define STACK_BYTES 65536

struct file {
    uint64_t magic;
    struct mark mark;
    uint32_t crc; /* of all before it */
};

static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static struct {
    char *path;
    struct file file; /* index 0: nothing is being applied */
    struct mark found;
    pthread_t thread;
    struct sigaction before[sizeof(deadly) / sizeof(*deadly)];
    void *stack;
} state;

static uint32_t file_crc(const struct file *file)
{
    return crc32c(0, file, offsetof(struct file, crc));
}

/* The program that runs; 0 when it cannot be read. */
static uint32_t own_checksum(void)
{
    CLEANUP(free_ptr) uint8_t *data = mem_alloc(1 << 20);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    uint32_t crc = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, data, 1 << 20)) > 0) {
        crc = crc32c(crc, data, (size_t)n);
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    return crc;
}

/* Only what a signal handler may call. Where it fails, the next process will try the entry. */
static void leave(void)
{
    int fd = open(state.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    state.file.crc = file_crc(&state.file);
    if (fd >= 0 && write(fd, &state.file, sizeof(state.file)) == (ssize_t)sizeof(state.file)) {
        (void)fsync(fd); /* the machine may go down, too */
    }
    if (fd >= 0) {
        (void)close(fd); /* this process is about to end */
    }
}

static void died(int number, siginfo_t *info, void *context)
{
    bool own = info->si_code > 0 || info->si_pid == getpid(); /* not sent by somebody else */

    (void)context;
    if (own && state.file.mark.index != 0 && pthread_equal(state.thread, pthread_self())) {
        leave();
    }
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
        if (deadly[i] == number) {
            (void)sigaction(number, &state.before[i], NULL);
        }
    }
    if (info->si_code <= 0) { /* another fault comes again by itself */
        (void)raise(number);
    }
}

static void check_failed_here(const char *text)
{
    if (text == NULL) { /* out of memory */
        state.file.mark.index = 0;
    } else if (pthread_equal(state.thread, pthread_self())) {
        text_put(state.file.mark.reason, sizeof(state.file.mark.reason), text);
    }
}

static void watch(void)
{
    struct sigaction action = {.sa_sigaction = died, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_size = STACK_BYTES};

    state.stack = mem_alloc(STACK_BYTES);
    stack.ss_sp = state.stack; /* a stack that overflowed has no room for the handler */
    (void)sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
        (void)sigaction(deadly[i], &action, &state.before[i]);
    }
    check_on_failure(check_failed_here);
}

/* What another program left is of no use: this one may know better. */
static int read_mark(struct err *reterr)
{
    int fd = open(state.path, O_RDONLY | O_CLOEXEC);
    struct file file = {0};
    bool ours;

    if (fd < 0) {
        return errno == ENOENT ? 0 : err_set(reterr, E_IO, "cannot open %s: %s", state.path, strerror(errno));
    }
    ours = read(fd, &file, sizeof(file)) == (ssize_t)sizeof(file) && file.magic == MAGIC &&
           file.crc == file_crc(&file) && file.mark.binary == state.file.mark.binary;
    (void)close(fd); /* only read from */
    if (ours) {
        file.mark.reason[sizeof(file.mark.reason) - 1] = '\0';
        state.found = file.mark;
    } else if (unlink(state.path) != 0) {
        return err_set(reterr, E_IO, "cannot remove %s: %s", state.path, strerror(errno));
    }
    return 0;
}

int mark_open(const char *data_dir, struct err *reterr)
{
    int rc;

    state.path = mem_printf("%s/" MARK_FILE, data_dir);
    state.file = (struct file){.magic = MAGIC, .mark.binary = own_checksum()};
    rc = read_mark(reterr);
    if (rc != 0) {
        free(TAKE_PTR(state.path));
        return rc;
    }
    watch();
    return 0;
}

const struct mark *mark_found(void)
{
    return &state.found;
}

void mark_begin(uint64_t index, uint32_t type)
{
    state.thread = pthread_self();
    state.file.mark.type = type;
    state.file.mark.reason[0] = '\0';
    state.file.mark.index = index;
}

void mark_end(void)
{
    state.file.mark.index = 0;
}

void mark_close(void)
{
    if (state.path == NULL) {
        return;
    }
    check_on_failure(NULL);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
        (void)sigaction(deadly[i], &state.before[i], NULL);
    }
    (void)sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    free(state.stack);
    free(TAKE_PTR(state.path));
    state.found = (struct mark){0};
}
