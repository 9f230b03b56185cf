#include "daemon/executor/gluster.h"

#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"
#include "store/base/text.h"
#include "store/command.h"

#define SAID_MAX 513 /* of an answer that is not understood */

/* ---- asking ---- */

/* Answered by the node's own glusterd: no other one is asked. */
static bool is_local(const char *const *words)
{
    static const char *const local[][2] = {
        {"pool", "list"}, {"peer", "status"}, {"volume", "info"}, {"snapshot", "info"}, {"snapshot", "list"}};

    for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++) {
        if (strcmp(words[0], local[i][0]) == 0 && strcmp(words[1], local[i][1]) == 0) {
            return true;
        }
    }
    return false;
}

/* A glusterd finds by its keep-alive probes that a peer has lost its power, after some 30 s. But a command that is
 * begun before leaves data on the connection that nobody confirms; then the kernel's retransmissions have to fail, or
 * the ten minutes of the command to pass. Until then it holds its locks, and every further command there joins it. */
static void ask_noticed(struct step_talk *talk, const struct store_strs *silent)
{
    struct buf *script = &talk->script;

    buf_append_str(script,
                   "timeout -k 5 60 gluster --mode=script pool list 2>/dev/null | while read -r uuid peer state; do\n"
                   "    [ \"$state\" = Connected ] || continue\n");
    for (size_t i = 0; i < silent->n; i++) {
        buf_append_str(script, "    [ \"$peer\" !=");
        step_word(talk, silent->items[i]);
        buf_append_str(script, " ] || { say \"gluster has not noticed yet that $peer is down\"; exit 75; }\n");
    }
    buf_append_str(script, "done || exit 75\n");
}

/* The volume that a command changes, or takes a snapshot of. NULL: none, or one that is only coming. */
static const char *changed_volume(const char *const *words)
{
    static const char *const reads[] = {"info", "list", "status", "create"};

    if (strcmp(words[0], "snapshot") == 0) {
        return strcmp(words[1], "create") == 0 ? words[3] : NULL;
    }
    if (strcmp(words[0], "volume") != 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++) {
        if (strcmp(words[1], reads[i]) == 0) {
            return NULL;
        }
    }
    if (words[3] != NULL && ((strcmp(words[1], "heal") == 0 && strcmp(words[3], "info") == 0) ||
                             (strcmp(words[1], "rebalance") == 0 && strcmp(words[3], "status") == 0))) {
        return NULL;
    }
    return words[2];
}

void gluster_ask_pinned(struct step_talk *talk, const char *name)
{
    struct buf *script = &talk->script;

    CHECK_MSG(*talk->pinned != '\0', "nobody has looked which volume %s is", name);
    buf_append_str(script, "set --");
    step_word(talk, name);
    step_word(talk, talk->pinned);
    buf_append_str(script,
                   "\n"
                   "[ \"$(sed -n 's/^volume-id=//p' \"/var/lib/glusterd/vols/$1/info\" 2>/dev/null)\" = \"$2\" ] ||\n"
                   "    { say \"volume $1 is not the one that was looked at\"; exit 75; }\n");
}

void gluster_ask(struct step_talk *talk, step_heard_fn heard, unsigned flags, const char *const *words)
{
    const char *changed = changed_volume(words);
    struct buf *script;

    if (strcmp(words[0], "volume") == 0 && strcmp(words[1], "info") == 0) {
        talk->volume = words[2];
    }
    if ((flags & GLUSTER_WAIT) != 0) {
        buf_append_str(&talk->script, "sleep 0.5\n");
    }
    script = step_call(talk, heard);
    if ((flags & GLUSTER_SYNC) != 0) {
        buf_append_str(script, "sync -f /var/lib/glusterd || exit 1\n");
    }
    if (talk->step->silent != NULL && talk->step->silent->n > 0 && !is_local(words)) {
        ask_noticed(talk, talk->step->silent);
    }
    if (changed != NULL) {
        gluster_ask_pinned(talk, changed);
    }
    buf_append_str(script, "timeout -k 5 \"$((LIMIT + 30))\" gluster --mode=script --timeout=\"$LIMIT\"");
    for (; *words != NULL; words++) {
        step_word(talk, *words);
    }
    /* Gluster's own exit status says less than its answer; it must not be taken for one of ours. */
    buf_append_str(script, " --xml\ncase $? in 0) exit 0 ;; 124|137) exit 124 ;; *) exit 1 ;; esac\n");
}

/* ---- what an answer means ---- */

/* Gluster's numbers (opErrno); and texts (opErrstr), since for many refusals it has no number of their own. */
static const struct {
    int64_t number; /* 0: any */
    const char *begins, *contains;
    enum gluster_meaning meaning;
} signs[] = {
    {30802, "", "", GLUSTER_BUSY},
    {0, "", "nother transaction", GLUSTER_BUSY},
    {0, "", "ocking failed", GLUSTER_BUSY}, /* Locking, Unlocking, Pre-locking: some node's lock is held */
    {0, "", "imed out", GLUSTER_BUSY},
    {30808, "", "", GLUSTER_BUSY}, /* files are being moved between the volume's bricks */
    {0, "", "rebalance is in progress", GLUSTER_BUSY},
    {0, "", "ransport endpoint", GLUSTER_REFUSED}, /* of a peer that is probed: it does not answer */
    {0, "", " not connected", GLUSTER_APART},      /* Host NAME not connected, after whose staging failed */
    {0, "", "is not in 'Peer in Cluster' state", GLUSTER_APART},
    {0, "", "uorum not met", GLUSTER_APART},
    {0, "", "already part of a volume", GLUSTER_MARKED},
    {0, "brick operations failed", "", GLUSTER_BUSY}, /* a process of the volume has not connected to glusterd yet */
    {30806, "", "", GLUSTER_ABSENT},
    {30807, "", "", GLUSTER_ABSENT},
    {0, "Volume ", "does not exist", GLUSTER_ABSENT},
    {0, "Snapshot ", "does not exist", GLUSTER_ABSENT},
    {0, "", "is not part of cluster", GLUSTER_ABSENT},
    {0, "Rebalance not started", "", GLUSTER_ABSENT},
    {30811, "", "", GLUSTER_THERE},
    {30812, "", "", GLUSTER_THERE},
    {0, "Volume ", "already exists", GLUSTER_THERE},
    {0, "Volume ", "already started", GLUSTER_THERE},
    {0, "Volume ", "is not in the started state", GLUSTER_THERE},
    {0, "Rebalance on ", "already started", GLUSTER_THERE},
    {0, "Snapshot ", "is already activated", GLUSTER_THERE},
    {0, "Snapshot ", "is already deactivated", GLUSTER_THERE},
};

enum gluster_meaning gluster_meaning(const struct gluster_op *op)
{
    if (op->ret == 0) {
        return GLUSTER_DONE;
    }
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
        if ((signs[i].number == 0 || signs[i].number == op->number) &&
            strncmp(op->text, signs[i].begins, strlen(signs[i].begins)) == 0 &&
            strstr(op->text, signs[i].contains) != NULL) {
            return signs[i].meaning;
        }
    }
    return GLUSTER_REFUSED;
}

void gluster_refused(struct step_talk *talk, const struct gluster_op *op)
{
    enum gluster_meaning meaning = gluster_meaning(op);
    bool passes = meaning == GLUSTER_BUSY || meaning == GLUSTER_APART || meaning == GLUSTER_MARKED;
    int code = passes ? E_BUSY : E_REMOTE;

    talk->result.apart = meaning == GLUSTER_APART;
    talk->result.marked = meaning == GLUSTER_MARKED;
    if (*op->text != '\0') {
        step_fail(talk, code, false, "%s", op->text);
    } else {
        step_fail(talk, code, false, "gluster refused (%ld, %ld) without saying why", (long)op->ret, (long)op->number);
    }
}

/* ---- hearing ---- */

bool gluster_answered(struct step_talk *talk, const struct step_reply *reply)
{
    if (reply->status == SCRIPT_OK || (reply->status == 1 && strstr(reply->out, "<cliOutput>") != NULL)) {
        return true; /* with 1, it says why */
    }
    if (reply->status == 1 && *reply->out == '\0' && strstr(reply->error, "parser error : Char 0x") != NULL) {
        /* Its client ends where it should write what is no character of XML: of no volume anything is heard. */
        step_fail(
            talk, E_REMOTE, false,
            "gluster cannot say it in XML, since an option of a volume has what is no character of XML: look for it "
            "with \"gluster volume info\" on a storage node, and give the option another value there with \"gluster "
            "volume set\"");
        return false;
    }
    if (reply->status == 1 && *reply->out != '\0') {
        /* Before it has XML to speak in, Gluster's client says on standard output why it has none: no glusterd, or that
         * time ran out while glusterd went on. */
        step_fail(talk, strstr(reply->out, "imed out") != NULL ? E_BUSY : E_REMOTE, false, "%s", reply->out);
        return false;
    }
    return !step_failed(talk, reply);
}

void gluster_garbage(struct step_talk *talk, const struct step_reply *reply, const struct err *err)
{
    char text[SAID_MAX];

    text_put(text, sizeof(text), *reply->error != '\0' ? reply->error : reply->out);
    step_fail(talk, E_REMOTE, false, "gluster's answer is not what was expected: %s%s%s", err->message,
              *text != '\0' ? ": " : "", text);
    talk->result.cause = EXEC_CAUSE_GARBAGE;
}

bool gluster_heard(struct step_talk *talk, const struct step_reply *reply, unsigned accepted)
{
    struct gluster_op op;
    struct err err = ERR_INIT;
    enum gluster_meaning meaning;

    if (!gluster_answered(talk, reply)) {
        return false;
    }
    if (gluster_xml_op(reply->out, reply->out_len, &op, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return false;
    }
    meaning = gluster_meaning(&op);
    if (meaning != GLUSTER_DONE && (accepted & 1U << meaning) == 0) {
        gluster_refused(talk, &op);
    }
    gluster_op_fini(&op);
    return !talk->ended;
}

/* Of a name that is too long for Gluster, its client says so before it has XML to speak in: there is no such volume. */
static bool is_no_name(const struct step_reply *reply)
{
    static const char sign[] = "Invalid volume name\n";

    return reply->status == 1 && strncmp(reply->out, sign, sizeof(sign) - 1) == 0;
}

/* Is it the one volume that was asked for? */
static int check_volume(const struct step_talk *talk, const struct gluster_volumes *volumes, struct err *reterr)
{
    if (volumes->n != 1) {
        return err_set(reterr, E_PROTOCOL, "there are %zu volumes in it, expected 1", volumes->n);
    }
    if (volumes->items[0].n_bricks > STORE_BRICKS_MAX) {
        return err_set(reterr, E_PROTOCOL, "the volume has %zu bricks, at most %d are possible",
                       volumes->items[0].n_bricks, STORE_BRICKS_MAX);
    }
    CHECK(talk->volume != NULL);
    if (strcmp(volumes->items[0].name, talk->volume) != 0) {
        return err_set(reterr, E_PROTOCOL, "it is about another volume than %s", talk->volume);
    }
    return 0;
}

enum gluster_meaning gluster_heard_volume(struct step_talk *talk, const struct step_reply *reply,
                                          struct gluster_volumes *ret_volumes)
{
    struct err err = ERR_INIT;
    enum gluster_meaning meaning;

    if (is_no_name(reply)) {
        return GLUSTER_ABSENT;
    }
    if (!gluster_answered(talk, reply)) {
        return GLUSTER_REFUSED;
    }
    if (gluster_xml_volumes(reply->out, reply->out_len, ret_volumes, &err) != 0) {
        gluster_garbage(talk, reply, &err);
        return GLUSTER_REFUSED;
    }
    meaning = gluster_meaning(&ret_volumes->op);
    if (meaning == GLUSTER_DONE && check_volume(talk, ret_volumes, &err) == 0) {
        return GLUSTER_DONE;
    }
    if (meaning == GLUSTER_DONE) {
        gluster_garbage(talk, reply, &err);
        meaning = GLUSTER_REFUSED;
    } else if (meaning != GLUSTER_ABSENT) {
        gluster_refused(talk, &ret_volumes->op);
    }
    gluster_volumes_fini(ret_volumes);
    return meaning;
}
