/* Bricks: pool, logical volume, file system, mount, directory. One script does all of a step, since most of its time
 * would otherwise be spent on the way. LVM is asked once what there is: a question that fails must never be taken for
 * "it is not there", or what holds data would be made anew, and what is left would be called gone. */
#include "daemon/executor/step.h"
#include "store/base/mem.h"

static const char functions[] =
    "FSTAB=$(readlink -f \"$FSTAB\")\n"
    "mounted() { awk -v m=\"$MNT\" '$2 == m { found = 1 } END { exit !found }' /proc/self/mounts; }\n"
    "in_fstab() { [ -e \"$FSTAB\" ] && awk -v m=\"$MNT\" '$2 == m { found = 1 } END { exit !found }' \"$FSTAB\"; }\n"
    "fstab_replace() { sync \"$FSTAB.hecate\" && mv \"$FSTAB.hecate\" \"$FSTAB\" && sync \"$(dirname \"$FSTAB\")\"; }\n"
    "fstab_add() (\n"
    "    exec 7>>$base/.hecate-fstab && flock -x -w 60 7 || exit 75\n"
    "    ! in_fstab || exit 0\n"
    "    [ -e \"$FSTAB\" ] || : >\"$FSTAB\"\n"
    "    cp -p \"$FSTAB\" \"$FSTAB.hecate\" &&\n" /* for its owner and mode; a last line may lack its end */
    "        { awk 1 \"$FSTAB\" && printf '%s %s xfs %s 1 2\\n' \"$DEV\" \"$MNT\" \"$OPTIONS\"; } >\"$FSTAB.hecate\" "
    "&&\n"
    "        fstab_replace\n"
    ")\n"
    "fstab_remove() (\n"
    "    exec 7>>$base/.hecate-fstab && flock -x -w 60 7 || exit 75\n"
    "    in_fstab || exit 0\n"
    "    cp -p \"$FSTAB\" \"$FSTAB.hecate\" && awk -v m=\"$MNT\" '$2 != m' \"$FSTAB\" >\"$FSTAB.hecate\" && "
    "fstab_replace\n"
    ")\n"
    "look() { list=$(L lvs --noheadings --separator : -o lv_name,pool_lv,lv_tags \"$VG\"); }\n"
    "found() { for item in $list; do case $item in $1) return 0 ;; esac; done; return 1; }\n"
    "has() { found \"$1:*\"; }\n"
    "used() { found \"*:$1:*\"; }\n"
    "made() { found \"$1:*:*hecate.made*\"; }\n";

/* The tag tells that mkfs ended: a file system without it was cut short and is rebuilt, with nothing in it yet. A
 * brick at the place of a lost one has a mark beside it until Gluster knows that it is empty (step_renew.c). */
static const char create[] =
    "set -e\n"
    "if ! mounted; then\n"
    "    mkdir -p \"$MNT\"\n"
    "    sync \"$MNT\" \"$(dirname \"$MNT\")\" $base/mounts\n"
    "fi\n"
    "look\n"
    "if has \"$LV\"; then\n"
    "    L lvchange -qq -ay \"$VG/$LV\" >&2\n"
    "else\n"
    "    if has \"$POOL\"; then\n" /* lvcreate was cut short in between */
    "        ! used \"$POOL\" || { say \"thin pool $POOL of $VG holds other volumes\"; exit 70; }\n"
    "        L lvremove -qq --autobackup=n -f \"$VG/$POOL\" >&2\n"
    "    fi\n"
    "    L lvcreate -qq --autobackup=$BACKUP --poolmetadatasize \"${META}K\" --chunksize \"$CHUNK\" --size "
    "\"${DATA}K\" \\\n"
    "        --thin \"$VG/$POOL\" --virtualsize \"${SIZE}K\" --name \"$LV\" >&2\n"
    "fi\n"
    "if ! mounted; then\n"
    "    if ! made \"$LV\"; then\n"
    "        timeout -k 5 300 mkfs.xfs -q -f -i size=512 $STRIPES -n size=8192 \"$DEV\" >&2 8>&- 9>&-\n"
    "        sync \"$DEV\"\n"
    "        L lvchange -qq --addtag hecate.made \"$VG/$LV\" >&2\n"
    "    fi\n"
    "    fstab_add\n"
    "    mount -o \"$OPTIONS\" \"$DEV\" \"$MNT\" 7>&- 8>&- 9>&-\n"
    "fi\n"
    "fstab_add\n"
    "if [ -n \"$REBUILD\" ]; then\n"
    "    [ -e \"$BRICK\" ] || { : >\"$MNT/$NEW_MARK\"; sync -f \"$MNT\"; }\n"
    "elif [ -e \"$BRICK\" ]; then\n"
    "    # Left by an earlier try: clean it, unless Gluster has made it part of a volume.\n"
    "    info=$(timeout -k 5 120 gluster --mode=script volume info --xml) || info=\n"
    "    case $info in\n"
    "    *'<opRet>0</opRet>'*'</cliOutput>'*) ;;\n"
    "    *) say 'gluster does not say which bricks it has'; exit 75 ;;\n"
    "    esac\n"
    "    case $info in\n"
    "    *\":$BRICK<\"*) ;;\n"
    "    *)\n"
    "        from=$(awk -v m=\"$MNT\" '$2 == m { from = $1 } END { print from }' /proc/self/mounts)\n"
    "        seen=$(L lvs --noheadings --separator / -o vg_name,lv_name \"$from\")\n"
    "        [ \"${seen##* }\" = \"$VG/$LV\" ] || { say \"$from is mounted on $MNT, which is not $VG/$LV\"; exit 70; "
    "}\n"
    "        rm -rf \"$BRICK\"\n"
    "        ;;\n"
    "    esac\n"
    "fi\n"
    "mkdir -p \"$BRICK\"\n"
    "if [ \"$GID\" != 0 ]; then chown \":$GID\" \"$BRICK\"; chmod 2775 \"$BRICK\"; fi\n"
    "sync -f \"$MNT\"\n"
    "mounted && in_fstab && [ -d \"$BRICK\" ]\n";

/* A brick process marks its directory when it starts; a power cut soon afterwards would lose the marks, and with them
 * the brick: XFS writes its log lazily. If it came before this step, they are lost, and the brick is refused for ever,
 * unless its volume is started by force: that marks the directory anew. Nothing is on such a brick yet. */
static const char sync_brick[] =
    "ours() { # glusterd of this node has the brick in the volume of this name\n"
    "    [ -n \"$VOLUME\" ] || return 1\n"
    "    set -- /var/lib/glusterd/vols/\"$VOLUME\"/bricks/*:\"$(printf '%s' \"$BRICK\" | tr / -)\"\n"
    "    [ -e \"$1\" ]\n"
    "}\n"
    "mounted || { say \"$MNT is not mounted\"; exit 1; }\n"
    "tries=0\n"
    "until [ -d \"$BRICK/.glusterfs\" ]; do\n"
    "    tries=$((tries + 1))\n"
    "    [ $tries -lt 120 ] || { say \"the brick $BRICK has not started\"; exit 75; }\n"
    "    if [ $tries = 12 ] && ours; then\n"
    "        timeout -k 5 \"$((LIMIT + 30))\" gluster --mode=script --timeout=\"$LIMIT\" "
    "volume start \"$VOLUME\" force >&2 || true\n"
    "    fi\n"
    "    sleep 0.25\n"
    "done\n"
    /* Gluster does not note that the root of a dispersed volume has to be healed on a
     * new brick: until that has begun, nothing seems to be left to heal. An empty
     * volume is believed to be empty after a minute. */
    "tries=0\n"
    "until [ -z \"$REPLACED\" ] || ls -A \"$BRICK\" | grep -qvx -e .glusterfs -e .trashcan; do\n"
    "    tries=$((tries + 1))\n"
    "    if [ $tries = 12 ] && ours; then\n"
    "        timeout -k 5 \"$((LIMIT + 30))\" gluster --mode=script --timeout=\"$LIMIT\" "
    "volume heal \"$VOLUME\" full >&2 || true\n"
    "    fi\n"
    "    [ $tries -lt 240 ] || break\n"
    "    sleep 0.25\n"
    "done\n"
    "set -e\n"
    "sync -f \"$MNT\"\n"
    "sync -f /var/lib/glusterd\n";

/* What the node's own glusterd has in a volume or a snapshot stays, whatever other nodes say of it. Its files tell
 * where to look. A file that names the logical volume counts, too: where that of a clone is was learnt from Gluster.
 * While glusterd does not say otherwise, a file speaks for the brick: after a reboot it does not run yet, and has it
 * all the same. Where there is no such file, nothing speaks for it. What is mounted in the place of a clone tells which
 * of its logical volumes it is. */
static const char destroy[] =
    "set -e\n"
    "case $MNT in\n"
    "$base/mounts/*/* | /run/gluster/snaps/*/* | /var/run/gluster/snaps/*/*) ;;\n"
    "*) say \"$MNT is no place of a brick\"; exit 70 ;;\n"
    "esac\n"
    "known=/var/lib/glusterd\n"
    "file=$(printf '%s' \"$BRICK\" | tr / -)\n"
    "devices=\n"
    "[ -z \"$LEARNT\" ] ||\n"
    "    devices=$(grep -rlsxF --include='*:*' -e \"device_path=/dev/$VG/$LV\" -e \"device_path=$DEV\" $known/vols "
    "$known/snaps) || true\n"
    "for file in $known/vols/*/bricks/*:\"$file\" $known/snaps/*/*/bricks/*:\"$file\" $devices; do\n"
    "    [ -e \"$file\" ] || continue\n"
    "    owner=${file%/bricks/*}; owner=${owner##*/}\n"
    "    case $file in\n"
    "    $known/snaps/*)\n"
    "        what=${file#$known/snaps/}; what=${what%%/*}\n"
    "        sign=\">$owner<\"\n"
    "        set -- snapshot info \"$what\"\n"
    "        what=\"snapshot $what\"\n"
    "        ;;\n"
    "    *)\n"
    "        path=$(sed -n 's/^path=//p' \"$file\")\n"
    "        sign=\":${path:-$BRICK}<\"\n"
    "        set -- volume info \"$owner\"\n"
    "        what=\"volume $owner\"\n"
    "        ;;\n"
    "    esac\n"
    "    info=$(timeout -k 5 60 gluster --mode=script \"$@\" --xml) || true\n"
    "    case $info in\n"
    "    *\"$sign\"*) say \"glusterd of this node has the brick in $what\"; exit 75 ;;\n"
    "    *'<opRet>0</opRet>'*'</cliOutput>'* | *'does not exist'*'</cliOutput>'*) ;;\n"
    "    *)\n"
    "        say \"the files of this node's glusterd have the brick in $what, and glusterd does not say what is in "
    "it\"\n"
    "        exit 75\n"
    "        ;;\n"
    "    esac\n"
    "done\n"
    "if [ -n \"$LEARNT\" ] && mounted; then\n"
    "    from=$(awk -v m=\"$MNT\" '$2 == m { from = $1 } END { print from }' /proc/self/mounts)\n"
    "    seen=$(L lvs --noheadings --separator / -o vg_name,lv_name \"$from\") || true\n"
    "    seen=${seen##* }\n"
    "    uuid=${LV%_*}; [ ${#uuid} -eq 32 ] || uuid=$LV\n"
    "    case $seen in\n"
    "    \"$VG/$LV\" | \"$VG/$uuid\"_*) LV=${seen#*/} ;;\n"
    "    *) say \"$from is mounted on $MNT, which is no logical volume of this clone\"; exit 75 ;;\n"
    "    esac\n"
    "fi\n"
    "tries=0\n"
    "while mounted; do\n"
    "    if error=$(umount \"$MNT\" 2>&1); then continue; fi\n"
    "    tries=$((tries + 1))\n"
    "    [ $tries -lt 20 ] || { say \"$error\"; exit 1; }\n"
    "    sleep 0.5\n"
    "done\n"
    "fstab_remove\n"
    "groups=$(L vgs --noheadings -o vg_name)\n"
    "for group in $groups; do\n"
    "    [ \"$group\" = \"$VG\" ] || continue\n"
    "    look\n"
    "    if has \"$LV\"; then L lvremove -qq --autobackup=$BACKUP -f \"$VG/$LV\" >&2; look; fi\n"
    "    if has \"$POOL\" && ! used \"$POOL\"; then L lvremove -qq --autobackup=$BACKUP -f \"$VG/$POOL\" >&2; look; "
    "fi\n"
    "    ! has \"$LV\"\n"
    "done\n"
    "if [ -d \"$MNT\" ]; then rmdir \"$MNT\"; fi\n"
    "rmdir \"$(dirname \"$MNT\")\" 2>/dev/null || true\n"
    "sync $base/mounts\n";

static struct buf *begin(struct step_talk *talk)
{
    const struct exec_config *config = talk->config;
    const struct exec_step *step = talk->step;
    const struct store_brick *brick = step->bricks[0].brick;
    struct buf *buf = step_call(talk, step_heard_all);
    CLEANUP(free_ptr) char *vg = mem_printf("vg_%s", id_text(brick->device).text);
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(brick);
    CLEANUP(free_ptr) char *mount = store_brick_mount(brick);
    CLEANUP(free_ptr) char *path = store_brick_path(brick);
    CLEANUP(free_ptr) char *device = store_brick_devnode(brick);

    step_set(talk, "VG", vg);
    step_set(talk, "LV", lv);
    step_set(talk, "LEARNT", *brick->path != '\0' ? "y" : "");
    step_set(talk, "POOL", brick->pool);
    step_set(talk, "MNT", mount);
    step_set(talk, "BRICK", path);
    step_set(talk, "DEV", device);
    step_set(talk, "FSTAB", config->fstab);
    step_set(talk, "OPTIONS", config->mount_options);
    step_set(talk, "CHUNK", config->lv_chunk_size);
    step_set(talk, "VOLUME", step->volume != NULL ? step->volume->name : "");
    step_set(talk, "REBUILD", step->rebuild ? "y" : "");
    step_set(talk, "NEW_MARK", STEP_NEW_MARK);
    step_set(talk, "REPLACED", step->replaced ? "y" : "");
    buf_printf(buf, "SIZE=%lu DATA=%lu META=%lu GID=%ld\n", (unsigned long)brick->size_kib,
               (unsigned long)brick->pool_kib, (unsigned long)brick->meta_kib,
               step->volume != NULL ? (long)step->volume->gid : 0);
    if (config->xfs_su != 0 && config->xfs_sw != 0) {
        buf_printf(buf, "STRIPES='-d su=%u,sw=%u'\n", config->xfs_su, config->xfs_sw);
    } else {
        buf_append_str(buf, "STRIPES=\n");
    }
    buf_append_str(buf, functions);
    return buf;
}

void step_brick_create(struct step_talk *talk)
{
    struct buf *buf = begin(talk);

    script_group_lock(buf);
    buf_append_str(buf, create);
}

void step_brick_sync(struct step_talk *talk)
{
    buf_append_str(begin(talk), sync_brick); /* touches no volume group, and may wait: takes no lock of it */
}

void step_brick_destroy(struct step_talk *talk)
{
    struct buf *buf = begin(talk);

    script_group_lock(buf);
    buf_append_str(buf, destroy);
}
