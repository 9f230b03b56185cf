#include "daemon/executor/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/mem.h"

/* ---- quoting and checking ---- */

void script_quote(struct buf *buf, const char *text)
{
    buf_append_char(buf, '\'');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            buf_append_str(buf, "'\\''");
        } else {
            buf_append_char(buf, *p);
        }
    }
    buf_append_char(buf, '\'');
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool only(const char *text, const char *allowed, size_t max)
{
    size_t len = strlen(text);

    return len > 0 && len <= max && text[0] != '-' && strspn(text, allowed) == len;
}

static bool printable(const char *text, size_t max)
{
    if (strlen(text) > max) {
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

static int check_brick(const struct exec_brick *item, struct err *reterr)
{
    CLEANUP(free_ptr) char *path = store_brick_path(item->brick);
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(item->brick);

    if (!only(item->storage_host, LETTERS "._:-", 255)) {
        return err_set(reterr, E_INVALID, "storage host name '%s' has characters that are not allowed",
                       item->storage_host);
    }
    if (!only(item->brick->pool, LETTERS "._-", 120) || !only(lv, LETTERS "._-", 120)) {
        return err_set(reterr, E_INVALID, "pool or volume name of brick %s has characters that are not allowed",
                       id_text(item->brick->id).text);
    }
    if (path[0] != '/' || !only(path, LETTERS "/._-", 1024)) {
        return err_set(reterr, E_INVALID, "path of brick %s has characters that are not allowed",
                       id_text(item->brick->id).text);
    }
    return 0;
}

int script_check(const struct exec_config *config, const struct exec_step *step, struct err *reterr)
{
    if (config->fstab[0] != '/' || !only(config->fstab, LETTERS "/._-", 1024)) {
        return err_set(reterr, E_INVALID, "fstab '%s' is no plain path", config->fstab);
    }
    if (!only(config->mount_options, LETTERS ",=._-", 512)) {
        return err_set(reterr, E_INVALID, "mount options '%s' have characters that are not allowed",
                       config->mount_options);
    }
    if (step->peer != NULL && !only(step->peer, LETTERS "._:-", 255)) {
        return err_set(reterr, E_INVALID, "host name '%s' has characters that are not allowed", step->peer);
    }
    if (step->device != NULL && (step->device->name[0] != '/' || !only(step->device->name, LETTERS "/_.:-", 1024))) {
        return err_set(reterr, E_INVALID, "device name '%s' has characters that are not allowed", step->device->name);
    }
    if (step->volume != NULL) {
        if (!only(step->volume->name, LETTERS "_-", 1024)) {
            return err_set(reterr, E_INVALID, "volume name '%s' has characters that are not allowed",
                           step->volume->name);
        }
        for (size_t i = 0; i < step->volume->options.n; i++) {
            if (!printable(step->volume->options.items[i], 4096) || step->volume->options.items[i][0] == '-') {
                return err_set(reterr, E_INVALID, "volume option %zu has characters that are not allowed", i);
            }
        }
    }
    for (size_t i = 0; i < step->n_bricks; i++) {
        int rc = check_brick(&step->bricks[i], reterr);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- building ---- */

static void set(struct buf *buf, const char *name, const char *value)
{
    buf_printf(buf, "%s=", name);
    script_quote(buf, value);
    buf_append_char(buf, '\n');
}

/* The locks are inherited by what the script starts, so that an orphaned command still holds them; lvm and mount get
 * them closed, since a monitor daemon that they start would hold them for ever. The script itself waits for them. */
static const char prelude[] = "LC_ALL=C; export LC_ALL\n"
                              "PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH\n"
                              "exec </dev/null\n"
                              "say() { printf '%s\\n' \"$*\" >&2; }\n"
                              "L() { $WRAPPER timeout -k 5 300 /usr/sbin/lvm \"$@\" 6>&- 7>&- 8>&- 9>&-; }\n"
                              "base=/var/lib/heketi\n"
                              "mkdir -p $base/mounts || exit 1\n"
                              "exec 9>>$base/.hecate-lock || exit 1\n";

static const char fence_shared[] =
    "flock -s -w 60 9 || { say 'the fence of this node is being raised'; exit 75; }\n"
    "fence=$(cat $base/.hecate-fence 2>/dev/null || echo 0)\n"
    "[ \"$fence\" -le \"$TERM_NUMBER\" ] || { say \"term $fence has taken over\"; exit 76; }\n"
    "[ \"$fence\" -ge \"$TERM_NUMBER\" ] || exit 77\n";

static const char fence_raise[] =
    "flock -x -w 120 9 || { say 'a step of an older term still runs'; exit 75; }\n"
    "fence=$(cat $base/.hecate-fence 2>/dev/null || echo 0)\n"
    "[ \"$fence\" -le \"$TERM_NUMBER\" ] || { say \"term $fence has taken over\"; exit 76; }\n"
    "[ \"$fence\" -lt \"$TERM_NUMBER\" ] || exit 0\n"
    "set -e\n"
    "printf '%s\\n' \"$TERM_NUMBER\" >$base/.hecate-fence.new\n"
    "sync $base/.hecate-fence.new\n"
    "mv $base/.hecate-fence.new $base/.hecate-fence\n"
    "sync $base\n";

/* Two tries of a step that timed out must not run side by side. */
static const char group_lock[] = "exec 8>>$base/.hecate-$VG || exit 1\n"
                                 "flock -x -w 240 8 || { say \"$VG is in use by an earlier step\"; exit 75; }\n";

static const char fstab_functions[] =
    "mounted() { awk -v m=\"$MNT\" '$2 == m { found = 1 } END { exit !found }' /proc/self/mounts; }\n"
    "in_fstab() { awk -v m=\"$MNT\" '$2 == m { found = 1 } END { exit !found }' \"$FSTAB\"; }\n"
    "fstab_replace() { sync \"$FSTAB.hecate\" && mv \"$FSTAB.hecate\" \"$FSTAB\" && sync \"$(dirname \"$FSTAB\")\"; }\n"
    "fstab_add() (\n"
    "    exec 7>>$base/.hecate-fstab && flock -x -w 60 7 || exit 75\n"
    "    in_fstab && exit 0\n"
    "    cp -p \"$FSTAB\" \"$FSTAB.hecate\" && printf '%s %s xfs %s 1 2\\n' \"$DEV\" \"$MNT\" \"$OPTIONS\" "
    ">>\"$FSTAB.hecate\" &&\n"
    "        fstab_replace\n"
    ")\n"
    "fstab_remove() (\n"
    "    exec 7>>$base/.hecate-fstab && flock -x -w 60 7 || exit 75\n"
    "    in_fstab || exit 0\n"
    "    cp -p \"$FSTAB\" \"$FSTAB.hecate\" && awk -v m=\"$MNT\" '$2 != m' \"$FSTAB\" >\"$FSTAB.hecate\" && "
    "fstab_replace\n"
    ")\n";

/* The tag tells that mkfs ended: a file system without it was cut short and is made anew, with nothing in it yet. */
static const char brick_create[] =
    "set -e\n"
    "mkdir -p \"$MNT\"\n"
    "if ! L lvs \"$VG/$LV\" >/dev/null 2>&1; then\n"
    "    if L lvs \"$VG/$POOL\" >/dev/null 2>&1; then L lvremove -qq --autobackup=n -f \"$VG/$POOL\"; fi\n"
    "    L lvcreate -qq --autobackup=$BACKUP --poolmetadatasize \"${META}K\" --chunksize \"$CHUNK\" --size "
    "\"${DATA}K\" \\\n"
    "        --thin \"$VG/$POOL\" --virtualsize \"${SIZE}K\" --name \"$LV\" >&2\n"
    "fi\n"
    "L lvchange -qq -ay \"$VG/$LV\"\n"
    "if ! mounted; then\n"
    "    case $(L lvs --noheadings -o lv_tags \"$VG/$LV\") in\n"
    "    *hecate.made*) ;;\n"
    "    *)\n"
    "        timeout -k 5 300 mkfs.xfs -q -f -i size=512 $STRIPES -n size=8192 \"$DEV\" >&2 8>&- 9>&-\n"
    "        sync \"$DEV\"\n"
    "        L lvchange -qq --addtag hecate.made \"$VG/$LV\"\n"
    "        ;;\n"
    "    esac\n"
    "    fstab_add\n"
    "    mount -o \"$OPTIONS\" \"$DEV\" \"$MNT\" 7>&- 8>&- 9>&-\n"
    "fi\n"
    "fstab_add\n"
    "if [ -e \"$BRICK\" ]; then\n"
    "    # Left by an earlier try: clean it, unless Gluster has made it part of a volume.\n"
    "    info=$(timeout -k 5 120 gluster --mode=script volume info --xml) || { say 'gluster does not answer'; exit 75; "
    "}\n"
    "    case $info in *\":$BRICK<\"*) ;; *) rm -rf \"$BRICK\" ;; esac\n"
    "fi\n"
    "mkdir -p \"$BRICK\"\n"
    "if [ \"$GID\" != 0 ]; then chown \":$GID\" \"$BRICK\"; chmod 2775 \"$BRICK\"; fi\n"
    "sync -f \"$MNT\"\n"
    "mounted && in_fstab && [ -d \"$BRICK\" ]\n";

/* A brick process marks its directory when it starts; a power cut soon afterwards would lose the marks, and with them
 * the brick: XFS writes its log lazily. */
static const char brick_sync[] = "tries=0\n"
                                 "until [ -d \"$BRICK/.glusterfs\" ]; do\n"
                                 "    tries=$((tries + 1))\n"
                                 "    [ $tries -lt 120 ] || { say \"the brick $BRICK has not started\"; exit 75; }\n"
                                 "    sleep 0.25\n"
                                 "done\n"
                                 "set -e\n"
                                 "sync -f \"$MNT\"\n"
                                 "sync -f /var/lib/glusterd\n";

static const char brick_destroy[] =
    "set -e\n"
    "tries=0\n"
    "while mounted; do\n"
    "    if error=$(umount \"$MNT\" 2>&1); then continue; fi\n"
    "    tries=$((tries + 1))\n"
    "    [ $tries -lt 20 ] || { say \"$error\"; exit 1; }\n"
    "    sleep 0.5\n"
    "done\n"
    "fstab_remove\n"
    "if L vgs \"$VG\" >/dev/null 2>&1; then\n"
    "    if L lvs \"$VG/$LV\" >/dev/null 2>&1; then L lvremove -qq --autobackup=$BACKUP -f \"$VG/$LV\" >&2; fi\n"
    "    if L lvs \"$VG/$POOL\" >/dev/null 2>&1; then\n"
    "        count=$(L lvs --noheadings -o thin_count \"$VG/$POOL\" | tr -d ' ')\n"
    "        [ \"$count\" != 0 ] || L lvremove -qq --autobackup=$BACKUP -f \"$VG/$POOL\" >&2\n"
    "    fi\n"
    "    ! L lvs \"$VG/$LV\" >/dev/null 2>&1\n"
    "fi\n"
    "if [ -d \"$MNT\" ]; then rmdir \"$MNT\"; fi\n"
    "rmdir \"$(dirname \"$MNT\")\" 2>/dev/null || true\n"
    "sync $base\n";

static const char device_setup[] =
    "mark=$base/.hecate-new-$VG\n"
    "if ! L vgs \"$VG\" >/dev/null 2>&1; then\n"
    "    uuid=$(L pvs --noheadings -o pv_uuid \"$NAME\" 2>/dev/null | tr -d ' ')\n"
    "    group=$(L pvs --noheadings -o vg_name \"$NAME\" 2>/dev/null | tr -d ' ')\n"
    "    if [ -n \"$uuid\" ] && { [ -n \"$group\" ] || [ ! -e \"$mark\" ]; }; then\n"
    "        case $DESTROY$group in\n"
    "        yesvg_*) say \"Device already in use (volume group $group)\"; exit 70 ;;\n"
    "        yes*) [ -z \"$group\" ] || L vgremove -qq -f \"$group\" >&2 || exit 1 ;;\n"
    "        *) say \"Initializing device $NAME failed (aleady contains Physical Volume $uuid): in volume group "
    "'$group'\"; exit 70 ;;\n"
    "        esac\n"
    "    fi\n"
    "    [ \"$DESTROY\" != yes ] || wipefs -q --all \"$NAME\" >&2 || exit 1\n"
    "    : >\"$mark\" && sync $base || exit 1\n"
    "    if [ -z \"$uuid\" ] || [ \"$DESTROY\" = yes ]; then\n"
    "        if ! error=$(L pvcreate -qq --metadatasize=128M \"--dataalignment=$ALIGN\" \"$NAME\" 2>&1); then\n"
    "            rm -f \"$mark\"\n"
    "            say \"Initializing device $NAME failed (already initialized or contains data?): $error\"\n"
    "            exit 70\n"
    "        fi\n"
    "    fi\n"
    "    if ! error=$(L vgcreate -qq \"--physicalextentsize=$EXTENT\" --autobackup=$BACKUP \"$VG\" \"$NAME\" 2>&1); "
    "then\n"
    "        L pvremove -qq \"$NAME\"; rm -f \"$mark\"\n"
    "        say \"Initializing device $NAME failed: $error\"; exit 1\n"
    "    fi\n"
    "fi\n"
    "set -e\n"
    "line=$(L vgs --noheadings --nosuffix --units k -o vg_extent_size,vg_extent_count,pv_uuid,pv_name \"$VG\")\n"
    "set -- $line\n"
    "[ $# -eq 4 ] || { say \"$VG is not on one device\"; exit 70; }\n"
    "printf 'hecate: device %s %s %s\\n' \"${1%%.*}\" \"$2\" \"$3\"\n"
    "for link in $(udevadm info --query=symlink \"--name=$NAME\" 2>/dev/null); do\n"
    "    case $link in disk/by-id/lvm-pv-uuid-*) ;; *) printf 'hecate: path /dev/%s\\n' \"$link\" ;; esac\n"
    "done\n"
    "printf 'hecate: path %s\\n' \"$NAME\"\n"
    "rm -f \"$mark\"\n"
    "sync $base\n";

static const char device_teardown[] =
    "set -e\n"
    "mark=$base/.hecate-new-$VG\n"
    "if L vgs \"$VG\" >/dev/null 2>&1; then\n"
    "    pv=$(L vgs --noheadings -o pv_name \"$VG\" | tr -d ' ')\n"
    "    : >\"$mark\"\n"
    "    L vgremove -qq \"$VG\" >&2\n"
    "    L pvremove -qq \"$pv\" >&2\n"
    "elif [ -e \"$mark\" ]; then\n"
    "    # Made by us, and cut short between volume group and physical volume.\n"
    "    group=$(L pvs --noheadings -o vg_name \"$NAME\" 2>/dev/null | tr -d ' ')\n"
    "    if [ -z \"$group\" ] && L pvs \"$NAME\" >/dev/null 2>&1; then L pvremove -qq \"$NAME\" >&2; fi\n"
    "fi\n"
    "rm -f \"$mark\" \"$base/.hecate-$VG\"\n"
    "rmdir \"$base/mounts/$VG\" 2>/dev/null || true\n"
    "sync $base\n";

static const char gluster_functions[] =
    "G() { timeout -k 5 \"$((LIMIT + 30))\" gluster --mode=script --timeout=\"$LIMIT\" \"$@\" --xml 2>&1; }\n"
    "value() { printf '%s' \"$answer\" | tr '\\n' ' ' | sed -n \"s/.*<$1>\\([^<]*\\)<.*/\\1/p\"; }\n"
    "ok() { [ \"$(value opRet)\" = 0 ]; }\n"
    "fail() {\n"
    "    text=$(value opErrstr)\n"
    "    [ -n \"$text\" ] || text=$answer\n"
    "    say \"$text\"\n"
    "    case $text in *'nother transaction'*|*'ocking failed'*|*'imed out'*) exit 75 ;; esac\n"
    "    exit 1\n"
    "}\n"
    "absent() { case $(value opErrno):$(value opErrstr) in 30806:*|*'does not exist'*|*'oes not exist'*) return 0 ;; "
    "esac; return 1; }\n";

static const char peer_probe[] =
    "connected() { timeout -k 5 60 gluster --mode=script pool list 2>/dev/null | awk -v h=\"$PEER\" '$2 == h && $3 == "
    "\"Connected\" { f = 1 } END { exit !f }'; }\n"
    "connected || { answer=$(G peer probe \"$PEER\"); ok || fail; }\n"
    "tries=0\n"
    "until connected; do\n"
    "    tries=$((tries + 1))\n"
    "    [ $tries -lt 60 ] || { say \"$PEER does not become connected\"; exit 1; }\n"
    "    sleep 0.5\n"
    "done\n"
    "if [ \"$SNAPSHOTS\" != 0 ]; then answer=$(G snapshot config snap-max-hard-limit \"$SNAPSHOTS\"); ok || fail; fi\n";

static const char peer_detach[] =
    "known() { list=$(timeout -k 5 60 gluster --mode=script pool list) || { say 'gluster does not answer'; exit 75; }; "
    "printf '%s\\n' \"$list\" | awk -v h=\"$PEER\" '$2 == h { f = 1 } END { exit !f }'; }\n"
    "if known; then answer=$(G peer detach \"$PEER\"); ok || fail; fi\n"
    "! known\n";

static const char volume_create[] =
    "answer=$(G volume info \"$NAME\")\n"
    "if ! ok; then\n"
    "    absent || fail\n"
    "    answer=$(G volume create \"$NAME\" $SHAPE $BRICKS); ok || fail\n"
    "    answer=$(G volume info \"$NAME\"); ok || fail\n"
    "fi\n"
    "found=$(printf '%s' \"$answer\" | grep -o '<name>[^<]*:/[^<]*</name>' | sed 's/<[^>]*>//g' | tr '\\n' ' ')\n"
    "[ \"$found\" = \"$BRICKS \" ] || { say \"volume $NAME exists with other bricks: $found\"; exit 70; }\n"
    "started=$(value statusStr)\n"
    "if [ \"$started\" != Started ]; then\n"
    "    set_options\n"
    "    answer=$(G volume start \"$NAME\"); ok || fail\n"
    "    answer=$(G volume info \"$NAME\"); ok || fail\n"
    "    [ \"$(value statusStr)\" = Started ] || { say \"volume $NAME does not start\"; exit 1; }\n"
    "fi\n"
    "sync /var/lib/glusterd 2>/dev/null; sync -f /var/lib/glusterd\n";

static const char volume_delete[] =
    "answer=$(G volume info \"$NAME\")\n"
    "if ! ok; then absent && exit 0; fail; fi\n"
    "status=$(value statusStr)\n"
    "answer=$(G snapshot list \"$NAME\"); ok || fail\n"
    "count=$(value count)\n"
    "[ \"${count:-0}\" = 0 ] || { say \"Unable to delete volume $NAME because it contains $count snapshots\"; exit 70; "
    "}\n"
    "if [ \"$status\" = Started ]; then answer=$(G volume stop \"$NAME\" force); ok || fail; fi\n"
    "answer=$(G volume delete \"$NAME\"); ok || absent || fail\n"
    "answer=$(G volume info \"$NAME\")\n"
    "if ok; then say \"volume $NAME is still there\"; exit 1; fi\n"
    "sync -f /var/lib/glusterd\n";

static void set_brick(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    const struct store_brick *brick = step->bricks[0].brick;
    CLEANUP(free_ptr) char *vg = mem_printf("vg_%s", id_text(brick->device).text);
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(brick);
    CLEANUP(free_ptr) char *mount = store_brick_mount(brick);
    CLEANUP(free_ptr) char *path = store_brick_path(brick);
    CLEANUP(free_ptr) char *device = store_brick_devnode(brick);

    set(buf, "VG", vg);
    set(buf, "LV", lv);
    set(buf, "POOL", brick->pool);
    set(buf, "MNT", mount);
    set(buf, "BRICK", path);
    set(buf, "DEV", device);
    set(buf, "FSTAB", config->fstab);
    set(buf, "OPTIONS", config->mount_options);
    set(buf, "CHUNK", config->lv_chunk_size);
    buf_printf(buf, "SIZE=%lu DATA=%lu META=%lu GID=%ld\n", (unsigned long)brick->size_kib,
               (unsigned long)brick->pool_kib, (unsigned long)brick->meta_kib,
               step->volume != NULL ? (long)step->volume->gid : 0);
    if (config->xfs_su != 0 && config->xfs_sw != 0) {
        buf_printf(buf, "STRIPES='-d su=%u,sw=%u'\n", config->xfs_su, config->xfs_sw);
    } else {
        buf_append_str(buf, "STRIPES=\n");
    }
    buf_append_str(buf, group_lock);
    buf_append_str(buf, fstab_functions);
}

static void set_device(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    CLEANUP(free_ptr) char *vg = mem_printf("vg_%s", id_text(step->device->id).text);

    set(buf, "VG", vg);
    set(buf, "NAME", step->device->name);
    set(buf, "ALIGN", config->pv_data_alignment);
    set(buf, "EXTENT", config->vg_extent_size);
    set(buf, "DESTROY", step->device->destroy_data ? "yes" : "no");
    buf_append_str(buf, group_lock);
}

static void set_volume(const struct exec_step *step, struct buf *buf)
{
    CLEANUP(buf_fini) struct buf bricks = BUF_INIT;
    const struct store_volume *volume = step->volume;

    set(buf, "NAME", volume->name);
    for (size_t i = 0; i < step->n_bricks; i++) {
        CLEANUP(free_ptr) char *path = store_brick_path(step->bricks[i].brick);

        buf_printf(&bricks, "%s%s:%s", i > 0 ? " " : "", step->bricks[i].storage_host, path);
    }
    set(buf, "BRICKS", buf_str(&bricks)); /* names without blanks: split into words by the shell */
    if (volume->durability == STORE_REPLICATE) {
        buf_printf(buf, "SHAPE='replica %u'\n", volume->replica);
    } else {
        buf_append_str(buf, "SHAPE=\n");
    }
    buf_append_str(buf, "set_options() {\n    :\n");
    for (size_t i = 0; i <= volume->options.n; i++) {
        CLEANUP(free_ptr)
        char *option = i < volume->options.n ? mem_strdup(volume->options.items[i])
                                             : mem_printf("user.heketi.id %s", id_text(volume->id).text);
        char *value = strchr(option, ' ');

        if (*option == '\0') {
            continue;
        }
        buf_append_str(buf, "    answer=$(G volume set \"$NAME\" ");
        if (value != NULL) {
            *value++ = '\0';
        }
        script_quote(buf, option);
        buf_append_char(buf, ' ');
        if (value != NULL) {
            script_quote(buf, value);
        }
        buf_append_str(buf, "); ok || fail\n");
    }
    buf_append_str(buf, "}\n");
}

void script_build(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    if (step->kind == EXEC_GLUSTERD_CHECK) {
        buf_append_str(
            buf,
            "exec </dev/null\nsystemctl is-active --quiet glusterd || { echo 'glusterd does not run' >&2; exit 1; }\n");
        return;
    }
    set(buf, "WRAPPER", config->lvm_wrapper);
    buf_printf(buf, "TERM_NUMBER=%lu LIMIT=%u BACKUP=%s\n", (unsigned long)step->term, config->gluster_timeout_s,
               config->backup_lvm_metadata ? "y" : "n");
    buf_append_str(buf, prelude);
    buf_append_str(buf, step->kind == EXEC_FENCE ? fence_raise : fence_shared);
    switch (step->kind) {
    case EXEC_GLUSTERD_CHECK:
    case EXEC_FENCE:
        break;
    case EXEC_BRICK_CREATE:
    case EXEC_BRICK_SYNC:
    case EXEC_BRICK_DESTROY:
        set_brick(config, step, buf);
        buf_append_str(buf, step->kind == EXEC_BRICK_CREATE ? brick_create
                            : step->kind == EXEC_BRICK_SYNC ? brick_sync
                                                            : brick_destroy);
        break;
    case EXEC_DEVICE_SETUP:
    case EXEC_DEVICE_TEARDOWN:
        set_device(config, step, buf);
        buf_append_str(buf, step->kind == EXEC_DEVICE_SETUP ? device_setup : device_teardown);
        break;
    case EXEC_PEER_PROBE:
    case EXEC_PEER_DETACH:
        set(buf, "PEER", step->peer);
        buf_printf(buf, "SNAPSHOTS=%u\n", step->snapshot_limit);
        buf_append_str(buf, gluster_functions);
        buf_append_str(buf, step->kind == EXEC_PEER_PROBE ? peer_probe : peer_detach);
        break;
    case EXEC_VOLUME_CREATE:
    case EXEC_VOLUME_DELETE:
        buf_append_str(buf, gluster_functions);
        set_volume(step, buf);
        buf_append_str(buf, step->kind == EXEC_VOLUME_CREATE ? volume_create : volume_delete);
        break;
    }
}

/* ---- parsing ---- */

static void parse_line(struct exec_result *result, const char *line, size_t len)
{
    CLEANUP(free_ptr) char *text = mem_strndup(line, len);
    unsigned long extent, count;
    char uuid[64];

    if (strncmp(text, "hecate: path ", 13) == 0 && result->device.paths.n < 64) {
        store_strs_add(&result->device.paths, text + 13);
    } else if (sscanf(text, "hecate: device %lu %lu %63s", &extent, &count, uuid) == 3 && extent > 0 &&
               extent < (1UL << 32) && count < (1UL << 40)) {
        result->device.extent_kib = extent;
        result->device.total_kib = extent * count;
        (void)snprintf(result->device.pv_uuid, sizeof(result->device.pv_uuid), "%s", uuid);
    }
}

static int code_of(int exit_status)
{
    switch (exit_status) {
    case SCRIPT_OK:
        return E_OK;
    case SCRIPT_BUSY:
        return E_BUSY;
    case SCRIPT_FENCED:
        return E_FENCED;
    case 124: /* timeout(1) */
    case 137:
        return E_TIMEOUT;
    default:
        return E_REMOTE;
    }
}

void script_parse(const struct exec_step *step, int exit_status, const char *out, const char *error,
                  struct exec_result *result)
{
    size_t len;

    memset(result, 0, sizeof(*result));
    result->code = code_of(exit_status);
    result->permanent = exit_status == SCRIPT_PERMANENT;
    for (const char *line = out; *line != '\0';) {
        size_t n = strcspn(line, "\n");

        parse_line(result, line, n);
        line += n + (line[n] == '\n');
    }
    if (result->code == 0 && step->kind == EXEC_DEVICE_SETUP && result->device.total_kib == 0) {
        result->code = E_REMOTE;
        (void)snprintf(result->message, sizeof(result->message), "the node did not say how large the device is");
        return;
    }
    if (result->code != 0) {
        (void)snprintf(result->message, sizeof(result->message), "%s", error);
        len = strlen(result->message);
        while (len > 0 && (result->message[len - 1] == '\n' || result->message[len - 1] == ' ')) {
            result->message[--len] = '\0';
        }
        if (len == 0) {
            (void)snprintf(result->message, sizeof(result->message), "process exited with status %d", exit_status);
        }
    }
}
