#include "store/base/log_out.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/base/check.h"

#define RING_BYTES (1U << 20)
#define CHUNK_BYTES 4096 /* what a pipe takes in one piece: other writers do not get in between */

static struct writer { /* the one of the process */
    pthread_mutex_t lock;
    pthread_cond_t more, less; /* something to write; something was written */
    pthread_t thread;
    char ring[RING_BYTES];
    size_t first, len;
    int fd;
    bool busy, stop;
    uint64_t untold; /* dropped since the last line about it */
    void (*told)(struct buf *line, uint64_t dropped);
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static _Atomic bool running;
static _Atomic uint64_t dropped_lines;

/* ---- the thread ---- */

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) { /* others may have set it to O_NONBLOCK */
            struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

            (void)poll(&poll_fd, 1, 1000); /* whatever comes of it, write tells */
            continue;
        }
        if (n < 0) {
            return; /* nowhere left to say it */
        }
        data += n;
        len -= (size_t)n;
    }
}

/* Whole lines, as many as fit; of one that is longer a part. Returns the bytes, which stay in the ring. */
static size_t copy_chunk(const struct writer *w, char *chunk)
{
    size_t len = w->len < CHUNK_BYTES ? w->len : CHUNK_BYTES;
    size_t to_end = RING_BYTES - w->first;
    const char *last;

    memcpy(chunk, w->ring + w->first, len < to_end ? len : to_end);
    if (len > to_end) {
        memcpy(chunk + to_end, w->ring, len - to_end);
    }
    last = memrchr(chunk, '\n', len);
    return last != NULL ? (size_t)(last - chunk) + 1 : len;
}

static void tell_dropped(struct writer *w)
{
    uint64_t n = w->untold;
    struct buf line = BUF_INIT;

    w->untold = 0;
    pthread_mutex_unlock(&w->lock);
    w->told(&line, n);
    write_all(w->fd, buf_str(&line), line.len);
    buf_fini(&line);
    pthread_mutex_lock(&w->lock);
}

static void *run(void *arg)
{
    struct writer *w = arg;
    char chunk[CHUNK_BYTES];

    pthread_mutex_lock(&w->lock);
    while (!w->stop || w->len > 0) {
        size_t len;

        if (w->len == 0) {
            pthread_cond_wait(&w->more, &w->lock);
            continue;
        }
        len = copy_chunk(w, chunk);
        w->busy = true;
        pthread_mutex_unlock(&w->lock);
        write_all(w->fd, chunk, len);
        pthread_mutex_lock(&w->lock);
        w->first = (w->first + len) % RING_BYTES;
        w->len -= len;
        if (w->untold > 0 && chunk[len - 1] == '\n') {
            tell_dropped(w);
        }
        w->busy = false;
        pthread_cond_broadcast(&w->less);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

void log_out_start(int fd, void (*told)(struct buf *line, uint64_t dropped))
{
    pthread_condattr_t attr;
    sigset_t all, old;

    CHECK(!running && writer.len == 0 && !writer.busy);
    writer.fd = fd;
    writer.told = told;
    writer.stop = false;
    CHECK(pthread_condattr_init(&attr) == 0 && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&writer.less, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
    (void)sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0); /* signals are for the loop */
    CHECK(pthread_create(&writer.thread, NULL, run, &writer) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    running = true;
}

/* ---- those who log ---- */

void log_out(const char *data, size_t len)
{
    struct writer *w = &writer;
    size_t at, to_end;

    if (!running) {
        write_all(STDERR_FILENO, data, len);
        return;
    }
    pthread_mutex_lock(&w->lock);
    if (len > RING_BYTES - w->len) {
        w->untold++;
        dropped_lines++;
    } else {
        at = (w->first + w->len) % RING_BYTES;
        to_end = RING_BYTES - at;
        memcpy(w->ring + at, data, len < to_end ? len : to_end);
        if (len > to_end) {
            memcpy(w->ring, data + to_end, len - to_end);
        }
        w->len += len;
        pthread_cond_signal(&w->more);
    }
    pthread_mutex_unlock(&w->lock);
}

uint64_t log_out_dropped(void)
{
    return dropped_lines;
}

/* Is all of it out? */
static bool drain(unsigned timeout_ms)
{
    struct timespec until;
    bool out;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&writer.lock);
    while ((writer.len > 0 || writer.busy) && pthread_cond_timedwait(&writer.less, &writer.lock, &until) == 0) {
    }
    out = writer.len == 0 && !writer.busy;
    pthread_mutex_unlock(&writer.lock);
    return out;
}

void log_out_flush(unsigned timeout_ms)
{
    if (running && !pthread_equal(pthread_self(), writer.thread)) {
        (void)drain(timeout_ms); /* what is not out then is lost */
    }
}

void log_out_stop(unsigned timeout_ms)
{
    bool out;

    if (!running) {
        return;
    }
    out = drain(timeout_ms);
    running = false;
    pthread_mutex_lock(&writer.lock);
    writer.stop = true;
    pthread_cond_signal(&writer.more);
    pthread_mutex_unlock(&writer.lock);
    if (!out) {
        (void)pthread_detach(writer.thread); /* it ends with the process, or when its reader comes back */
        return;
    }
    CHECK(pthread_join(writer.thread, NULL) == 0);
    (void)pthread_cond_destroy(&writer.less);
}
