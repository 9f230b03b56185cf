#include "consensus/disk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/log.h"
#include "store/base/buf.h"
#include "store/base/check.h"
#include "store/base/mem.h"

struct queue {
    struct disk_op *head, *tail;
};

/* Whose the spare segment's file is. It changes under the lock: while the log may rename it, nobody writes one. */
enum spare {
    SPARE_WANTED, /* the snapshot thread's, to be written */
    SPARE_READY,  /* the snapshot thread's, written */
    SPARE_GIVEN,  /* the log thread's, until it has used it */
};

struct disk {
    struct disk_config config;
    struct log *log;
    pthread_t log_thread, snapshot_thread;
    pthread_mutex_t lock;
    pthread_cond_t log_wake, snapshot_wake;
    struct queue log_queue, snapshot_queue, done;
    uint64_t snapshot_index; /* of the one that counts */
    bool installed;          /* the leader sent it */
    enum spare spare;
    bool closing, snapshot_ended;
    bool broken; /* after a failure nothing more is written; the text is the first one's */
    struct err err;
};

static void push(struct queue *queue, struct disk_op *op)
{
    op->next = NULL;
    if (queue->tail != NULL) {
        queue->tail->next = op;
    } else {
        queue->head = op;
    }
    queue->tail = op;
}

static struct disk_op *pop(struct queue *queue)
{
    struct disk_op *op = queue->head;

    if (op != NULL) {
        queue->head = op->next;
        queue->tail = queue->head != NULL ? queue->tail : NULL;
        op->next = NULL;
    }
    return op;
}

/* With the lock held. */
static void set_broken(struct disk *disk, const struct err *err)
{
    if (!disk->broken) {
        disk->broken = true;
        disk->err = *err;
    }
}

static void answer(struct disk *disk, struct disk_op *op, int status, const struct err *err)
{
    pthread_mutex_lock(&disk->lock);
    if (status != 0) {
        set_broken(disk, err);
    }
    op->status = disk->broken ? disk->err.code : 0; /* after a failure nothing is acknowledged, whoever's it was */
    if (disk->broken) {
        free(op->message);
        op->message = mem_strdup(disk->err.message);
    }
    push(&disk->done, op);
    pthread_mutex_unlock(&disk->lock);
    disk->config.notify(disk->config.user);
}

/* ---- log thread ---- */

/* Appends that follow each other without a gap or a cut become one record. */
static void do_appends(struct disk *disk, struct queue *batch)
{
    struct disk_op *op = batch->head;
    struct err err = ERR_INIT;

    while (op != NULL) {
        struct disk_op *end = op->next;
        uint64_t n = op->n;
        int rc;

        if (end == NULL || end->first != op->first + n) {
            rc = log_append(disk->log, op->first, op->n, op->flat, op->flat_len, &err);
        } else {
            CLEANUP(buf_fini) struct buf flat = BUF_INIT;

            buf_append(&flat, op->flat, op->flat_len);
            for (; end != NULL && end->first == op->first + n; end = end->next) {
                buf_append(&flat, end->flat, end->flat_len);
                n += end->n;
            }
            rc = log_append(disk->log, op->first, n, (const uint8_t *)flat.data, flat.len, &err);
        }
        while (op != end) {
            struct disk_op *next = op->next;

            answer(disk, op, rc, &err);
            op = next;
        }
        if (rc != 0) {
            while (op != NULL) {
                struct disk_op *next = op->next;

                answer(disk, op, rc, &err);
                op = next;
            }
            return;
        }
    }
}

static int do_install(struct disk *disk, struct disk_op *op, struct err *err)
{
    int rc = log_snapshot_adopt(disk->log, op, op->kind == DISK_INSTALL, err);

    if (rc == 0) {
        pthread_mutex_lock(&disk->lock);
        disk->snapshot_index = log_snapshot_index(disk->log);
        disk->installed = log_snapshot_installed(disk->log);
        pthread_mutex_unlock(&disk->lock);
    }
    return rc;
}

static void do_one(struct disk *disk, struct disk_op *op)
{
    struct err err = ERR_INIT;
    int rc = 0;

    switch (op->kind) {
    case DISK_STATE:
        rc = log_set_state(disk->log, op->disk_state, op->cluster_id, &err);
        break;
    case DISK_META:
        rc = log_set_meta(disk->log, op->term, op->vote, &err);
        break;
    case DISK_INSTALL:
    case DISK_SNAP_PUT:
        rc = do_install(disk, op, &err);
        break;
    case DISK_APPEND:
    case DISK_DECODE:
    case DISK_SNAP_GET:
    case DISK_FREE:
        CHECK_MSG(false, "not an operation of this queue");
    }
    answer(disk, op, rc, &err);
}

/* With the lock held, in the log thread: the log gets its spare segment, or it is asked for. */
static void hand_over_spare(struct disk *disk)
{
    if (disk->spare == SPARE_GIVEN && log_spare_wanted(disk->log)) {
        disk->spare = SPARE_WANTED;
        pthread_cond_signal(&disk->snapshot_wake);
    } else if (disk->spare == SPARE_READY) {
        disk->spare = SPARE_GIVEN;
        log_spare_give(disk->log);
    }
}

static void *log_main(void *user)
{
    struct disk *disk = user;

    pthread_mutex_lock(&disk->lock);
    for (;;) {
        struct queue batch = {NULL, NULL};
        bool broken = disk->broken;
        struct err err = disk->err;
        struct disk_op *op;

        hand_over_spare(disk);
        if (disk->log_queue.head == NULL) {
            if (disk->closing && disk->snapshot_ended) {
                break;
            }
            pthread_cond_wait(&disk->log_wake, &disk->lock);
            continue;
        }
        op = pop(&disk->log_queue);
        while (!broken && op->kind == DISK_APPEND) {
            push(&batch, op);
            if (disk->log_queue.head == NULL || disk->log_queue.head->kind != DISK_APPEND) {
                break;
            }
            op = pop(&disk->log_queue);
        }
        pthread_mutex_unlock(&disk->lock);
        if (broken) {
            answer(disk, op, err.code, &err);
        } else if (batch.head != NULL) {
            do_appends(disk, &batch);
        } else {
            do_one(disk, op);
        }
        pthread_mutex_lock(&disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}

/* ---- snapshot thread ---- */

static void free_op(struct disk *disk, struct disk_op *op)
{
    if (op->handle != NULL) {
        disk->config.handle_free(disk->config.user, op->handle);
    }
    if (op->state != NULL) {
        disk->config.state_free(disk->config.user, op->state);
    }
    disk_op_free(op);
}

/* What cannot be read is no fault of this disk: the member goes on. */
static void decode(struct disk *disk, struct disk_op *op)
{
    struct err err = ERR_INIT;

    op->refused = disk->config.decode(disk->config.user, op->index, op->data, op->data_len, &op->state, &err);
    if (op->refused != 0) {
        op->message = mem_strdup(err.message);
    }
    answer(disk, op, 0, &err);
}

/* Our own snapshot, and whether it can be read again: the log behind it is given up for it. */
static int encode(struct disk *disk, struct disk_op *op, struct err *err)
{
    disk->config.encode(disk->config.user, op->handle, &op->data, &op->data_len);
    disk->config.handle_free(disk->config.user, TAKE_PTR(op->handle));
    return disk->config.check(disk->config.user, op->index, op->data, op->data_len, err);
}

/* What a snapshot of the leader replaces. A leader that lies could send another one: that would replace its own lie, so
 * the first one kept stays until a snapshot of our own shows that this member went on with what it got. */
static int keep_aside(struct disk *disk, struct disk_op *op, struct err *err)
{
    CLEANUP(free_ptr) uint8_t *data = NULL;
    bool installed;
    size_t len;

    if (op->handle == NULL) {
        return 0;
    }
    pthread_mutex_lock(&disk->lock);
    installed = disk->installed;
    pthread_mutex_unlock(&disk->lock);
    disk->config.encode(disk->config.user, op->handle, &data, &len);
    disk->config.handle_free(disk->config.user, TAKE_PTR(op->handle));
    return log_keep_aside(disk->log, data, len, !installed, &op->kept, err);
}

/* Writes the file of our own snapshot, or of one that the leader sent. */
static void put_snapshot(struct disk *disk, struct disk_op *op)
{
    struct err err = ERR_INIT;
    int rc;

    op->refused = op->kind == DISK_SNAP_PUT ? encode(disk, op, &err) : 0;
    if (op->refused != 0) {
        free(TAKE_PTR(op->data));
        op->message = mem_strdup(err.message);
        answer(disk, op, 0, &err);
        return;
    }
    rc = op->kind == DISK_INSTALL ? keep_aside(disk, op, &err) : 0;
    rc = rc == 0 ? log_snapshot_write(disk->log, op, &err) : rc;
    free(TAKE_PTR(op->data));
    if (rc != 0) {
        answer(disk, op, rc, &err);
        return;
    }
    pthread_mutex_lock(&disk->lock);
    push(&disk->log_queue, op); /* adopted behind the appends before it */
    pthread_cond_signal(&disk->log_wake);
    pthread_mutex_unlock(&disk->lock);
}

static void get_snapshot(struct disk *disk, struct disk_op *op)
{
    struct err err = ERR_INIT;
    uint64_t index, again;
    int rc;

    do { /* a newer one may be adopted, and this one removed, while it is read */
        pthread_mutex_lock(&disk->lock);
        index = disk->snapshot_index;
        pthread_mutex_unlock(&disk->lock);
        rc = log_snapshot_read(disk->log, index, op, &err);
        pthread_mutex_lock(&disk->lock);
        again = disk->snapshot_index;
        pthread_mutex_unlock(&disk->lock);
    } while (rc == E_NOT_FOUND && again != index);
    answer(disk, op, rc, &err);
}

/* With the lock held, which is let go meanwhile. */
static void make_spare(struct disk *disk)
{
    struct err err = ERR_INIT;
    int rc;

    pthread_mutex_unlock(&disk->lock);
    rc = log_spare_write(disk->log, &err);
    pthread_mutex_lock(&disk->lock);
    disk->spare = SPARE_READY;
    if (rc != 0) {
        set_broken(disk, &err);
    }
}

static void *snapshot_main(void *user)
{
    struct disk *disk = user;

    pthread_mutex_lock(&disk->lock);
    for (;;) {
        bool broken = disk->broken;
        struct err err = disk->err;
        struct disk_op *op;

        if (disk->spare == SPARE_WANTED && !broken && !disk->closing) {
            make_spare(disk); /* first: a snapshot may take longer than a segment lasts */
            continue;
        }
        op = pop(&disk->snapshot_queue);
        if (op == NULL) {
            if (disk->closing) {
                break;
            }
            pthread_cond_wait(&disk->snapshot_wake, &disk->lock);
            continue;
        }
        pthread_mutex_unlock(&disk->lock);
        if (op->kind == DISK_FREE) {
            free_op(disk, op);
        } else if (broken) {
            answer(disk, op, err.code, &err);
        } else if (op->kind == DISK_SNAP_GET) {
            get_snapshot(disk, op);
        } else if (op->kind == DISK_DECODE) {
            decode(disk, op);
        } else {
            put_snapshot(disk, op);
        }
        pthread_mutex_lock(&disk->lock);
    }
    disk->snapshot_ended = true;
    pthread_cond_signal(&disk->log_wake);
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}

/* ---- for the loop ---- */

int disk_open(const struct disk_config *config, struct disk **ret_disk, struct disk_image *ret_image,
              struct err *reterr)
{
    struct disk *disk = mem_calloc(1, sizeof(*disk));
    int rc;

    disk->config = *config;
    rc = log_open(config->dir, config->member_id, config->segment_bytes, &disk->log, ret_image, reterr);
    if (rc != 0) {
        free(disk);
        return rc;
    }
    disk->snapshot_index = log_snapshot_index(disk->log);
    disk->installed = log_snapshot_installed(disk->log);
    CHECK(pthread_mutex_init(&disk->lock, NULL) == 0);
    CHECK(pthread_cond_init(&disk->log_wake, NULL) == 0);
    CHECK(pthread_cond_init(&disk->snapshot_wake, NULL) == 0);
    CHECK(pthread_create(&disk->log_thread, NULL, log_main, disk) == 0);
    CHECK(pthread_create(&disk->snapshot_thread, NULL, snapshot_main, disk) == 0);
    *ret_disk = disk;
    return 0;
}

void disk_put(struct disk *disk, struct disk_op *op)
{
    bool snapshot = op->kind >= DISK_INSTALL;

    pthread_mutex_lock(&disk->lock);
    push(snapshot ? &disk->snapshot_queue : &disk->log_queue, op);
    pthread_cond_signal(snapshot ? &disk->snapshot_wake : &disk->log_wake);
    pthread_mutex_unlock(&disk->lock);
}

struct disk_op *disk_take(struct disk *disk)
{
    struct disk_op *op;

    pthread_mutex_lock(&disk->lock);
    op = pop(&disk->done);
    pthread_mutex_unlock(&disk->lock);
    return op;
}

void disk_close(struct disk *disk)
{
    struct disk_op *op;

    pthread_mutex_lock(&disk->lock);
    disk->closing = true;
    pthread_cond_signal(&disk->log_wake);
    pthread_cond_signal(&disk->snapshot_wake);
    pthread_mutex_unlock(&disk->lock);
    CHECK(pthread_join(disk->snapshot_thread, NULL) == 0);
    CHECK(pthread_join(disk->log_thread, NULL) == 0);
    while ((op = pop(&disk->done)) != NULL) {
        free_op(disk, op);
    }
    log_close(disk->log);
    pthread_mutex_destroy(&disk->lock);
    pthread_cond_destroy(&disk->log_wake);
    pthread_cond_destroy(&disk->snapshot_wake);
    free(disk);
}
