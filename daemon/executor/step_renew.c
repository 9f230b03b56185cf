/* A node whose system is new becomes the old one again for Gluster, and its bricks are taken for empty ones. */
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/mem.h"

/* ---- node: the old identity ---- */

/* Gluster takes a node by its UUID. A reinstalled glusterd has made itself another one: it is given the one by which
 * the pool knows its name, and the pool as its peers; then it fetches the volumes from them. All this is asked of
 * another node, from here. A glusterd that has volumes or peers which that one does not know belongs to somebody else.
 *
 * The mark tells DEVICE_RENEW that the system is new: a volume group that is there has survived it. The identity is
 * written last, so that a try that was cut short is found unfinished. */
/* The unit of glusterd allows a few starts in an hour: what was started before, by whomever, must not count. */
#define START                                                   \
    "start() {\n"                                               \
    "    systemctl reset-failed glusterd 2>/dev/null || true\n" \
    "    systemctl \"$1\" glusterd >&2 || exit 1\n"             \
    "}\n"

static const char renew[] = START
    "known=/var/lib/glusterd\n"
    "info=$known/glusterd.info\n"
    "mine() { sed -n 's/^UUID=//p' $info 2>/dev/null; }\n"
    "is_uuid() { case $1 in *[!0-9a-f-]*) return 1 ;; esac; [ ${#1} -eq 36 ]; }\n"
    "ask() { timeout -k 5 30 gluster --mode=script \"--remote-host=$1\" \"$2\" list --xml 2>/dev/null | tr -d "
    "'\\n\\t'; }\n"
    /* a line for each: its UUID, then the rest of its record */
    "peers() {\n"
    "    sed -e 's,<peer>,\\n,g' -e 's,</peer>,\\n,g' | sed -n 's,.*<uuid>\\([^<]*\\)</uuid>\\(.*\\)$,\\1 \\2,p' | tr "
    "-d \"'\\\"\"\n"
    "}\n"
    "is_in() { printf '%s\\n' \"$1\" | grep -qF -e \"$2\"; }\n"
    "command -v gluster >/dev/null || { say 'GlusterFS is not installed on this node'; exit 70; }\n"
    "old=\n"
    "for host; do\n"
    "    pool=$(ask \"$host\" pool | peers)\n"
    "    old=$(printf '%s\\n' \"$pool\" | awk -v h=\"<hostname>$PEER</hostname>\" 'index($0, h) { print $1 }')\n"
    "    ! is_uuid \"$old\" || break\n"
    "done\n"
    "is_uuid \"$old\" || { say \"no other node of the pool says which peer $PEER is (gluster pool list)\"; exit 1; }\n"
    "volumes=$(ask \"$host\" volume | sed 's,<volume>,\\n,g' | sed -n 's,^\\([^<]*\\)</volume>.*,\\1,p')\n"
    "if [ \"$(mine)\" != \"$old\" ]; then\n"
    "    if [ ! -e $info ]; then\n"
    "        start start\n"
    "        tries=0\n"
    "        until [ -e $info ] || [ $tries -ge 60 ]; do tries=$((tries + 1)); sleep 0.5; done\n"
    "    fi\n"
    "    if [ -n \"$(mine)\" ] && is_in \"$pool\" \"$(mine)\"; then\n"
    "        say \"this host is another node of the pool ($(mine)), not $PEER\"\n"
    "        exit 70\n"
    "    fi\n"
    "    for volume in $known/vols/*; do\n"
    "        [ ! -d \"$volume\" ] || printf '%s\\n' \"$volumes\" | grep -qxF -e \"${volume##*/}\" || {\n"
    "            say \"glusterd of this node has volume ${volume##*/}, of which the pool knows nothing: it belongs to "
    "another "
    "pool\"\n"
    "            exit 70\n"
    "        }\n"
    "    done\n"
    "    for peer in $known/peers/*; do\n"
    "        [ ! -e \"$peer\" ] || is_in \"$pool\" \"${peer##*/}\" || {\n"
    "            say \"glusterd of this node has a peer (${peer##*/}) of which the pool knows nothing: it belongs to "
    "another "
    "pool\"\n"
    "            exit 70\n"
    "        }\n"
    "    done\n"
    "    printf '%s' \"$RENEWAL\" >$base/.hecate-renewed && sync $base/.hecate-renewed $base || exit 1\n"
    "    systemctl stop glusterd >&2 || exit 1\n"
    "    mkdir -p $known/peers && rm -f $known/peers/* || exit 1\n"
    "    printf '%s\\n' \"$pool\" | while read -r uuid rest; do\n"
    "        is_uuid \"$uuid\" && [ \"$uuid\" != \"$old\" ] || continue\n"
    "        name=$(printf '%s' \"$rest\" | sed -n 's,[^<]*<hostname>\\([^<]*\\)</hostname>.*,\\1,p')\n"
    "        [ \"$name\" != localhost ] || name=$host\n"
    "        printf 'uuid=%s\\nstate=3\\nhostname1=%s\\n' \"$uuid\" \"$name\" >\"$known/peers/$uuid\" || exit 1\n"
    "    done || exit 1\n"
    "    sync -f $known || exit 1\n"
    "    { printf 'UUID=%s\\n' \"$old\"; grep -v '^UUID=' $info; } >$info.hecate\n"
    "    sync $info.hecate && mv $info.hecate $info && sync -f $known || exit 1\n"
    "fi\n"
    "systemctl is-active --quiet glusterd || start start\n"
    "tries=0\n"
    "while :; do\n"
    "    missing=\n"
    "    for volume in $volumes; do [ -d \"$known/vols/$volume\" ] || missing=\"volume $volume\"; done\n"
    "    seen=$(ask \"$host\" pool | peers | grep -F -e \"$old\")\n"
    "    { is_in \"$seen\" '<connected>1<' && is_in \"$seen\" '<state>3<'; } || missing='a connection to the pool'\n"
    "    [ -n \"$missing\" ] || break\n"
    "    tries=$((tries + 1))\n"
    "    [ $tries -lt 120 ] || { say \"glusterd of this node has the identity of $PEER, and still no $missing\"; exit "
    "1; }\n"
    "    sleep 0.5\n"
    "done\n"
    "sync -f $known\n";

void step_node_renew(struct step_talk *talk)
{
    struct buf *buf = step_call(talk, step_heard_all);

    step_set(talk, "PEER", talk->step->peer);
    step_set(talk, "RENEWAL", id_text(talk->step->renewal).text);
    buf_append_str(buf, "set --");
    for (size_t i = 0; i < talk->step->hosts->n; i++) {
        step_word(talk, talk->step->hosts->items[i]);
    }
    buf_append_char(buf, '\n');
    buf_append_str(buf, renew);
}

/* ---- brick: marked as new? -> look -> reset-brick start -> commit force -> no mark ----
 *
 * What has healed from it before is remembered by the other bricks only since it went; reset-brick makes them take it
 * for empty. A glusterd that was started while the brick was not there takes its directory for another one ("new")
 * until it is started again. */

static void reset_looked(struct step_talk *talk, const struct step_reply *reply);
static void reset_marked(struct step_talk *talk, const struct step_reply *reply);

static const struct exec_brick *brick_of(const struct step_talk *talk)
{
    return &talk->step->new_brick;
}

static struct buf *begin(struct step_talk *talk, step_heard_fn heard)
{
    CLEANUP(free_ptr) char *mount = store_brick_mount(brick_of(talk)->brick);
    struct buf *buf = step_call(talk, heard);

    step_set(talk, "MNT", mount);
    step_set(talk, "NEW_MARK", STEP_NEW_MARK);
    return buf;
}

static void reset_ended(struct step_talk *talk)
{
    buf_append_str(begin(talk, step_heard_all), "sync -f /var/lib/glusterd && sync -f \"$MNT\" || exit 1\n"
                                                "rm -f \"$MNT/$NEW_MARK\" && sync -f \"$MNT\"\n");
}

static void reset_committed(struct step_talk *talk, const struct step_reply *reply)
{
    if (strstr(reply->out, "When destination brick is new") != NULL && talk->tries++ == 0) {
        buf_append_str(begin(talk, reset_marked),
                       START "start restart\n"
                             "tries=0\n"
                             "until timeout -k 5 60 gluster --mode=script pool list 2>/dev/null | grep -v localhost |\n"
                             "    grep -q 'Connected *$'; do\n"
                             "    tries=$((tries + 1))\n"
                             "    [ $tries -lt 120 ] || { say 'glusterd finds no other node'; exit 75; }\n"
                             "    sleep 0.5\n"
                             "done\n"
                             "echo new\n");
    } else if (gluster_heard(talk, reply, 0)) {
        reset_ended(talk);
    }
}

static void reset_started(struct step_talk *talk, const struct step_reply *reply)
{
    CLEANUP(free_ptr) char *name = step_brick_name(brick_of(talk));

    if (gluster_heard(talk, reply, 0)) {
        gluster_ask(talk, reset_committed, 0,
                    GLUSTER_WORDS("volume", "reset-brick", talk->step->volume->name, name, name, "commit", "force"));
    }
}

/* A brick that has no other copy: its volume gets an empty one. */
static void reset_forced(struct step_talk *talk, const struct step_reply *reply)
{
    if (gluster_heard(talk, reply, 0)) {
        reset_ended(talk);
    }
}

static void reset_looked(struct step_talk *talk, const struct step_reply *reply)
{
    CLEANUP(free_ptr) char *name = step_brick_name(brick_of(talk));
    struct gluster_volumes volumes;
    enum gluster_meaning meaning = gluster_heard_volume(talk, reply, &volumes);
    bool found = false;

    if (meaning == GLUSTER_ABSENT) {
        step_fail(talk, E_REMOTE, true, "volume %s is not there", talk->step->volume->name);
    }
    if (meaning != GLUSTER_DONE) {
        return;
    }
    for (size_t i = 0; i < volumes.items[0].n_bricks; i++) {
        found = found || strcmp(volumes.items[0].bricks[i].name, name) == 0;
    }
    if (!found) {
        step_fail(talk, E_REMOTE, true, "volume %s has no brick %s", talk->step->volume->name, name);
    } else if (gluster_take(talk, &volumes.items[0], reply)) {
        if (store_volume_is_single(talk->step->volume)) {
            gluster_ask(talk, reset_forced, 0, GLUSTER_WORDS("volume", "start", talk->step->volume->name, "force"));
        } else {
            gluster_ask(talk, reset_started, 0,
                        GLUSTER_WORDS("volume", "reset-brick", talk->step->volume->name, name, "start"));
        }
    }
    gluster_volumes_fini(&volumes);
}

static void reset_marked(struct step_talk *talk, const struct step_reply *reply)
{
    if (step_failed(talk, reply)) {
        return;
    }
    if (strcmp(reply->out, "new\n") == 0) {
        gluster_ask(talk, reset_looked, 0, GLUSTER_WORDS("volume", "info", talk->step->volume->name));
    } else {
        step_done(talk);
    }
}

void step_brick_reset(struct step_talk *talk)
{
    buf_append_str(begin(talk, reset_marked), "mounted=$(awk -v m=\"$MNT\" '$2 == m' /proc/self/mounts)\n"
                                              "[ -n \"$mounted\" ] || { say \"$MNT is not mounted\"; exit 1; }\n"
                                              "[ ! -e \"$MNT/$NEW_MARK\" ] || echo new\n");
}
