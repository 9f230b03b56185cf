#include "daemon/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/import.h"
#include "daemon/json_text.h"
#include "daemon/member_priv.h"
#include "daemon/stage.h"
#include "store/base/check.h"
#include "store/base/log.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/base/turn.h"
#include "store/level.h"
#include "store/load.h"

/* One at a time; ends by itself when leadership is lost, since its next part is then refused. */
struct load {
    struct member *member; /* NULL: it is gone */
    uv_work_t work;
    struct buf input; /* a dump */
    char *file;       /* or what is staged; NULL: nothing is */
    struct id id;
    struct store *source;
    struct store_loader *loader;
    struct import_report report;
    struct err err;
    api_document_cb cb; /* NULL: nobody waits */
    void *cb_user;
};

/* In the thread: a database takes long to free. */
static void dispose(uv_work_t *work)
{
    struct load *load = work->data;

    store_loader_free(load->loader);
    store_free(load->source);
    import_report_fini(&load->report);
    buf_fini(&load->input);
}

static void disposed(uv_work_t *work, int status)
{
    struct load *load = work->data;

    (void)status; /* never cancelled */
    free(load->file);
    free(load);
}

static void load_free(struct load *load)
{
    if (load->member != NULL) {
        load->member->load = NULL;
    }
    CHECK(uv_queue_work(load->work.loop, &load->work, dispose, disposed) == 0);
}

/* status as in api_document_cb; reason "": there is none. */
static void load_end(struct load *load, int status, const char *reason)
{
    if (*reason != '\0') {
        store_strs_add(&load->report.errors, reason);
        load->report.n_errors++;
    }
    if (status == 200) {
        LOG(LOG_INFO, "load", "the database is loaded", LF_STR("load", id_text(load->id).text),
            LF_U64("volumes", store_counts(load->source).volumes));
        if (load->member != NULL) {
            audit_now(load->member); /* what a dump does not say, the nodes do */
        }
    } else {
        LOG(LOG_ERROR, "load", "the database could not be loaded", LF_STR("reason", reason));
        if (load->file != NULL && load->member != NULL && status != 503) {
            (void)snprintf(load->member->staged_trouble, sizeof(load->member->staged_trouble), "%s", reason);
        }
    }
    if (load->cb != NULL) {
        json_t *document = import_report_json(&load->report);

        CHECK(document != NULL);
        load->cb(load->cb_user, status, document);
        json_decref(document);
    }
    load_free(load);
}

/* ---- parts, one after the other ---- */

static void next_part(struct load *load);

static void abort_done(void *user, int status, const struct store_result *result)
{
    (void)user;
    (void)result;
    if (status != 0) {
        LOG(LOG_WARNING, "load", "the unfinished load is left to the next leader");
    }
}

static void abort_load(struct member *member, struct id id)
{
    struct store_cmd cmd;

    store_cmd_init(&cmd, STORE_CMD_LOAD_ABORT);
    cmd.op_id = id;
    member_propose(member, &cmd, abort_done, NULL);
    store_cmd_fini(&cmd);
}

static void part_applied(void *user, int status, const struct store_result *result)
{
    struct load *load = user;

    if (status == E_INVALID) {
        abort_load(load->member, load->id);
        load_end(load, 409, "a record of the database is larger than one entry of the log can be (1 MiB)");
    } else if (status != 0) {
        /* Whoever leads next takes back what is there; if that is still this member, at once. */
        if (member_serving(load->member)) {
            abort_load(load->member, load->id);
        }
        load_end(load, 503, "leadership was lost while the database was loaded; ask for its state before trying again");
    } else if (result->code == STORE_OK) {
        next_part(load);
    } else if (result->code == STORE_REPEATED) {
        load_end(load, 200, "");
    } else {
        load_end(load, 409, result->text);
    }
}

static void next_part(struct load *load)
{
    struct store_cmd cmd;

    if (!store_loader_next(load->loader, &cmd)) {
        load_end(load, 200, "");
        return;
    }
    cmd.time_ms = member_time_ms(load->member);
    member_propose(load->member, &cmd, part_applied, load);
    store_cmd_fini(&cmd);
}

/* ---- reading, in a thread ---- */

static void read_input(uv_work_t *work)
{
    struct load *load = work->data;

    if (load->file != NULL && stage_read(load->file, &load->input, &load->err) != 0) {
        return;
    }
    load->id = store_load_id(load->input.data, load->input.len);
    if (load->file != NULL) {
        (void)store_snapshot_decode(load->input.data, load->input.len, &load->source, &load->err);
    } else if (import_dump(buf_str(&load->input), load->input.len, &load->source, &load->report) != 0) {
        (void)err_set(&load->err, E_INVALID, "%s", "");
    }
    buf_fini(&load->input);
    if (load->err.code == 0) {
        load->loader = store_loader_new(load->source, load->id, STORE_LOAD_PART_BYTES);
    }
}

static void input_read(uv_work_t *work, int status)
{
    TURN("load");
    struct load *load = work->data;

    (void)status; /* never cancelled */
    if (load->member == NULL || load->member->stopping || !member_serving(load->member)) {
        load_end(load, 503, "this member is no longer the leader; nothing was changed");
    } else if (load->err.code != 0) {
        load_end(load, 422, load->err.message);
    } else if (!store_is_empty(load->member->store)) {
        load_end(load, 409, "The database is not empty");
    } else if (load->loader == NULL) {
        load_end(load, 422, "too many operations are not finished");
    } else {
        next_part(load);
    }
}

/* Takes the bytes, or the name of the file. */
static void load_start(struct member *member, struct buf *input, char *file, api_document_cb cb, void *cb_user)
{
    struct load *load = mem_calloc(1, sizeof(*load));

    load->member = member;
    load->work.data = load;
    if (input != NULL) {
        load->input = *input;
    }
    load->file = file;
    load->cb = cb;
    load->cb_user = cb_user;
    member->load = load;
    CHECK(uv_queue_work(member->loop, &load->work, read_input, input_read) == 0);
}

static void refuse(api_document_cb cb, void *cb_user, const char *reason)
{
    json_t *document = json_pack("{s:b, s:[o]}", "ok", false, "errors", json_text(reason));

    CHECK(document != NULL);
    cb(cb_user, 409, document);
    json_decref(document);
}

void load_import(void *user, char *dump, size_t len, api_document_cb cb, void *cb_user)
{
    struct member *member = user;
    struct buf input = {dump, len, len + 1}; /* not copied: it may be large */

    if (member->load != NULL || !store_is_empty(member->store)) {
        buf_fini(&input);
        refuse(cb, cb_user, member->load != NULL ? "The database is being loaded" : "The database is not empty");
        return;
    }
    load_start(member, &input, NULL, cb, cb_user);
}

/* ---- what is staged ---- */

void load_serving(struct member *member)
{
    CLEANUP(free_ptr) char *path = stage_path(member->cfg);

    if (member->load != NULL) {
        return; /* of an earlier term; it ends by itself */
    }
    if (!id_is_none(store_settings(member->store)->load)) {
        abort_load(member, store_settings(member->store)->load);
    }
    if (access(path, F_OK) != 0) {
        return;
    }
    if (!store_is_empty(member->store) && id_is_none(store_settings(member->store)->load)) {
        LOG(LOG_WARNING, "load", "a staged database is not loaded: the database is not empty; remove the file",
            LF_STR("file", path));
    } else {
        member->staged = true;
        *member->staged_trouble = '\0';
        if (store_level(member->store) >= STORE_LEVEL_RESTORED) {
            load_start(member, NULL, TAKE_PTR(path), NULL, NULL);
        } /* else load_level_raised: until then it could not be said which operations are from the backup */
    }
}

void load_level_raised(struct member *member)
{
    if (member->staged && member_serving(member)) {
        load_serving(member);
    }
}

bool load_waits_here(const struct member *member)
{
    CLEANUP(free_ptr) char *path = stage_path(member->cfg);

    return store_is_empty(member->store) && access(path, F_OK) == 0;
}

/* The members that have a staged database while all are empty, this one included; of others those that are connected:
 * what one told that is gone must not keep the rest from serving. Returns how many. */
static size_t waits_where(const struct member *member, const struct cons_status *status, char *ret_names, size_t size)
{
    CLEANUP(buf_fini) struct buf names = BUF_INIT;
    size_t n = 0;

    for (size_t i = 0; i < status->n_members; i++) {
        uint64_t id = status->members[i].id;
        const struct replica *replica = replicas_get(member->replicas, id);
        bool told = replica != NULL && replica->staged && status->members[i].connected;

        if (id == (uint64_t)member->cfg->member_id ? load_waits_here(member) : told) {
            buf_printf(&names, "%s%lu", n++ > 0 ? ", " : "", (unsigned long)id);
        }
    }
    text_put(ret_names, size, buf_str(&names));
    return n;
}

static bool waits_elsewhere(const struct member *member)
{
    struct cons_status status;
    char names[256];

    cons_get_status(member->cons, &status);
    return waits_where(member, &status, names, sizeof(names)) > 0;
}

const char *load_blocks(struct member *member)
{
    if (member->load != NULL || !id_is_none(store_settings(member->store)->load)) {
        return "the database is being loaded; nothing was changed";
    }
    if (member->staged && store_is_empty(member->store)) {
        CLEANUP(free_ptr) char *path = stage_path(member->cfg);

        member->staged = access(path, F_OK) == 0;
        if (member->staged && *member->staged_trouble == '\0') {
            return "a staged database is not loaded yet, see the warnings of GET /cluster/status; nothing was changed";
        }
        if (member->staged) {
            return "a staged database could not be loaded, see the warnings of GET /cluster/status; nothing was "
                   "changed";
        }
    }
    if (store_is_empty(member->store) && waits_elsewhere(member)) {
        return "a staged database waits on another member, see the warnings of GET /cluster/status; nothing was "
               "changed";
    }
    return NULL;
}

/* Who starts a new cluster with a database on a part of its members gets it or not, depending on who leads. */
static bool warn_missing(const struct member *member, const struct cons_status *status, health_cb cb, void *user)
{
    CLEANUP(free_ptr) char *text = NULL, *remedy = NULL;
    char names[256];
    size_t n = waits_where(member, status, names, sizeof(names));

    if (n == 0 || n >= status->n_members || !store_is_empty(member->store)) {
        return false;
    }
    text = mem_printf("a database was staged on member %s only, of %zu members, and is not loaded: until it is, all "
                      "requests are refused",
                      names, status->n_members);
    remedy = mem_printf("let one that has it lead, who loads it for all: 'hecate leader transfer ID' with ID of %s; if "
                        "it is not wanted, remove load.snapshot from the data directory there",
                        names);
    cb(user, "staged-in-part", text, remedy);
    return true;
}

bool load_warn(const struct member *member, const struct cons_status *status, health_cb cb, void *user)
{
    CLEANUP(free_ptr) char *path = stage_path(member->cfg);
    CLEANUP(free_ptr) char *text = NULL, *remedy = NULL;
    bool loading = member->load != NULL || !id_is_none(store_settings(member->store)->load);
    bool critical = !loading && warn_missing(member, status, cb, user);

    if (access(path, F_OK) != 0) {
        return critical;
    }
    remedy = mem_printf("remove %s if it is not wanted; to load it, stop all members, empty their data directories and "
                        "stage it again (hecated --restore)",
                        path);
    if (loading) {
        cb(user, "database-loading", "the staged database is being loaded; other requests are refused meanwhile",
           "it goes on by itself");
    } else if (member->staged && store_level(member->store) < STORE_LEVEL_RESTORED) {
        cb(user, "staged-not-loaded",
           "the staged database waits for feature level 2, which all members have to know; other requests are refused "
           "meanwhile",
           "it goes on by itself when all members run this release and are reached; if the level is held: hecate "
           "upgrade "
           "finalize");
    } else if (*member->staged_trouble != '\0') {
        text = mem_printf("a staged database could not be loaded: %s", member->staged_trouble);
        cb(user, "staged-not-loaded", text, remedy);
        critical = critical || store_is_empty(member->store);
    } else if (!store_is_empty(member->store)) {
        text = mem_printf("a staged database waits in %s, and is not loaded: the database is not empty", path);
        cb(user, "staged-not-loaded", text, remedy);
    }
    return critical;
}

void load_abandon(struct member *member)
{
    if (member->load != NULL) {
        member->load->member = NULL;
    }
}

/* ---- what is staged here when a database has been loaded ---- */

struct staged {
    uv_work_t work;
    char *path;
    struct id loaded;
    bool same;
    struct err err;
};

/* In the thread: it may be large. Another database than the one that was loaded is somebody's only copy perhaps. */
static void drop_staged(uv_work_t *work)
{
    struct staged *staged = work->data;
    struct buf bytes = BUF_INIT;

    if (stage_read(staged->path, &bytes, &staged->err) == 0) {
        staged->same = id_equal(store_load_id(bytes.data, bytes.len), staged->loaded);
        if (staged->same && unlink(staged->path) != 0) {
            (void)err_set(&staged->err, E_IO, "%s: %s", staged->path, strerror(errno));
        }
    }
    buf_fini(&bytes);
}

static void staged_dropped(uv_work_t *work, int status)
{
    struct staged *staged = work->data;

    (void)status; /* never cancelled */
    if (staged->err.code != 0) {
        LOG(LOG_WARNING, "load", "the staged database cannot be removed", LF_STR("file", staged->path),
            LF_STR("reason", staged->err.message));
    } else if (staged->same) {
        LOG(LOG_INFO, "load", "the staged database has been loaded", LF_STR("file", staged->path));
    } else {
        LOG(LOG_WARNING, "load", "another database than the one that is staged here has been loaded; the file is kept",
            LF_STR("file", staged->path));
    }
    free(staged->path);
    free(staged);
}

void load_applied(struct member *member, const struct store_cmd *cmd)
{
    CLEANUP(free_ptr) char *path = stage_path(member->cfg);
    struct staged *staged;

    if (!cmd->load.last || access(path, F_OK) != 0) {
        return;
    }
    staged = mem_calloc(1, sizeof(*staged));
    staged->work.data = staged;
    staged->path = TAKE_PTR(path);
    staged->loaded = cmd->op_id;
    CHECK(uv_queue_work(member->loop, &staged->work, drop_staged, staged_dropped) == 0);
}
