/* Devices: physical volume and volume group. */
#include <stdio.h>
#include <string.h>

#include "daemon/executor/lvm_json.h"
#include "daemon/executor/step.h"
#include "store/base/mem.h"
#include "store/words.h"

#define PATHS_MAX 64
#define PV_UUID_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

/* The mark says that the physical volume is ours though it is in no group: a set-up or tear-down was cut short. */
static const char functions[] = "mark=$base/.hecate-new-$VG\n"
                                "have_group() {\n"
                                "    groups=$(L vgs --noheadings -o vg_name) || exit 1\n"
                                "    for group in $groups; do [ \"$group\" != \"$VG\" ] || return 0; done\n"
                                "    return 1\n"
                                "}\n"
                                "pv() { L pvs --noheadings -o \"$1\" \"$NAME\" 2>/dev/null | tr -d ' '; }\n";

/* Read by lvm_json_device. */
#define LOOK                                                                                                          \
    "L vgs --reportformat json --units b --nosuffix -o vg_extent_size,vg_extent_count,vg_free_count,pv_uuid,pv_name " \
    "\"$VG\"\n"

static const char setup[] =
    "if ! have_group; then\n"
    "    uuid=$(pv pv_uuid)\n"
    "    group=$(pv vg_name)\n"
    "    if [ -n \"$uuid\" ] && { [ -n \"$group\" ] || [ ! -e \"$mark\" ]; }; then\n"
    "        case $DESTROY$group in\n"
    "        yesvg_*) say \"Device already in use (ID: ${group#vg_})\"; exit 70 ;;\n"
    "        yes)  ;;\n"
    "        yes*)\n"
    "            count=$(L vgs --noheadings -o pv_count \"$group\" | tr -d ' ')\n"
    "            [ \"$count\" = 1 ] || { say \"Device already in use (volume group $group has other devices)\"; exit "
    "70; "
    "}\n"
    "            L vgremove -qq -f \"$group\" >&2 || exit 1\n"
    "            ;;\n"
    "        *) say \"Initializing device $NAME failed (aleady contains Physical Volume $uuid): in volume group "
    "'$group'\"; exit 70 ;;\n"
    "        esac\n"
    "    fi\n"
    "    [ \"$DESTROY\" != yes ] || wipefs -q --all \"$NAME\" >&2 || exit 1\n"
    "    : >\"$mark\" && sync $base || exit 1\n"
    "    if [ -z \"$uuid\" ] || [ \"$DESTROY\" = yes ]; then\n"
    "        if ! error=$(L pvcreate -qq --metadatasize=128M \"--dataalignment=$ALIGN\" \"$NAME\" 2>&1); then\n"
    "            rm -f \"$mark\"\n"
    "            why='already initialized or contains data?'\n"
    "            wipefs --no-act \"$NAME\" >/dev/null 2>&1 || why='failed to check device contents'\n"
    "            say \"Initializing device $NAME failed ($why): $error\"\n"
    "            exit 70\n"
    "        fi\n"
    "    fi\n"
    "    if ! error=$(L vgcreate -qq \"--physicalextentsize=$EXTENT\" --autobackup=$BACKUP \"$VG\" \"$NAME\" 2>&1); "
    "then\n"
    "        L pvremove -qq \"$NAME\" >&2 && rm -f \"$mark\"\n"
    "        say \"Initializing device $NAME failed: $error\"; exit 1\n"
    "    fi\n"
    "fi\n";

static const char told[] =
    "for link in $(udevadm info --query=symlink \"--name=$NAME\" 2>/dev/null); do\n"
    "    case $link in disk/by-id/lvm-pv-uuid-*) ;; *) printf 'hecate: path /dev/%s\\n' \"$link\" ;; esac\n"
    "done\n"
    "printf 'hecate: path %s\\n' \"$NAME\"\n"
    "rm -f \"$mark\"\n"
    "sync $base\n"
    "printf 'hecate: lvm\\n'\n" LOOK;

/* The group belongs to the renewal whose tag it has. One with content and without the tag is the old one. It is kept
 * where only the system is new (step_renew.c has left its mark): its bricks are mounted again and heal what they have
 * missed. Otherwise it is destroyed only when that was asked for. */
static const char lost[] =
    "tag=hecate.renewed-$RENEWAL\n"
    "tags() { L vgs --noheadings -o vg_tags \"$VG\" | tr -d ' '; }\n"
    "has_tag() { case ,$(tags), in *,$tag,*) return 0 ;; esac; return 1; }\n"
    "is_kept() { [ \"$DESTROY\" != yes ] && [ \"$(cat $base/.hecate-renewed 2>/dev/null)\" = \"$RENEWAL\" ]; }\n"
    "old=\n"
    "not_lost() { say \"Device $DEVICE is not lost: $*. Nothing was changed. To exchange a disk that works, add the "
    "\"\\\n"
    "\"other one as a device and remove this one (hecate device remove); to give up what is on it, and heal all from "
    "\"\\\n"
    "\"the other nodes, ask with --destroy-existing-data\"; exit 70; }\n"
    "if ! have_group; then\n"
    "    while read -r from place rest; do\n"
    "        case $DESTROY$place in no$base/mounts/$VG/*) ;; *) continue ;; esac\n"
    "        ! timeout -k 5 30 dd \"if=$from\" of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null ||\n"
    "            not_lost \"$place can be read\"\n"
    "    done </proc/self/mounts\n"
    "elif ! has_tag; then\n"
    "    old=$(L lvs --noheadings -o lv_name \"$VG\") || exit 1\n"
    "    [ -z \"$old\" ] || [ \"$DESTROY\" = yes ] || is_kept ||\n"
    "        not_lost \"its volume group $VG is there, with $(printf '%s\\n' $old | wc -l) logical volumes\"\n"
    "fi\n";

/* What a disk that is gone has left in the kernel goes: mounts, with the processes of Gluster's bricks, and mappings.
 */
static const char renew[] =
    "let_go() {\n"
    "    for place in $(awk -v p=\"$base/mounts/$VG/\" 'index($2, p) == 1 { print $2 }' /proc/self/mounts); do\n"
    "        for line in /proc/[0-9]*/cmdline; do\n"
    "            case $(tr '\\000' ' ' <\"$line\" 2>/dev/null) in\n"
    "            *glusterfsd\\ *\" --brick-name $place/brick \"*) line=${line%/cmdline}; kill -9 \"${line#/proc/}\" "
    ";;\n"
    "            esac\n"
    "        done\n"
    "        tries=0\n"
    "        until error=$(umount \"$place\" 2>&1); do\n"
    "            tries=$((tries + 1))\n"
    "            [ $tries -lt 20 ] || { say \"$error\"; exit 1; }\n"
    "            sleep 0.5\n"
    "        done\n"
    "    done\n"
    "}\n"
    "if have_group && ! has_tag; then\n"
    "    pv=$(L vgs --noheadings -o pv_name \"$VG\" | tr -d ' ') || exit 1\n"
    "    if [ -n \"$old\" ] && is_kept; then\n"
    "        L lvchange -qq --addtag hecate.made $(printf \"$VG/%s \" $old) >&2 || exit 1\n"
    "    elif [ -n \"$old\" ] || [ \"$(readlink -f \"$pv\")\" != \"$(readlink -f \"$NAME\")\" ]; then\n"
    "        let_go\n"
    "        L vgremove -qq -f \"$VG\" >&2 && L pvremove -qq \"$pv\" >&2 || exit 1\n"
    "    fi\n"
    "fi\n"
    "if ! have_group; then\n"
    "    let_go\n"
    "    for pass in 1 2 3 4 5; do\n"
    "        for left in $(dmsetup ls 2>/dev/null | awk -v p=\"$VG-\" 'index($1, p) == 1 { print $1 }'); do\n"
    "            dmsetup remove \"$left\" 2>/dev/null || true\n"
    "        done\n"
    "    done\n"
    "fi\n";

/* What is new has the tag, once it is known to be large enough. */
static const char fits[] = "size=$(L vgs --noheadings --units k --nosuffix -o vg_size \"$VG\" | tr -d ' ') || exit 1\n"
                           "[ \"${size%%.*}\" -ge \"$NEED\" ] || {\n"
                           "    say \"$NAME has ${size%%.*} KiB, the bricks of device $DEVICE need $NEED\"\n"
                           "    exit 70\n"
                           "}\n"
                           "has_tag || L vgchange -qq --addtag \"$tag\" \"$VG\" >&2 || exit 1\n";

static const char look[] = "have_group || { say \"Volume group $VG was not found\"; exit 70; }\n"
                           "printf 'hecate: lvm\\n'\n" LOOK;

static const char teardown[] = "set -e\n"
                               "if have_group; then\n"
                               "    pv=$(L vgs --noheadings -o pv_name \"$VG\")\n"
                               "    : >\"$mark\"\n"
                               "    sync $base\n"
                               "    L vgremove -qq \"$VG\" >&2\n"
                               "    L pvremove -qq $pv >&2\n"
                               "elif [ -e \"$mark\" ]; then\n"
                               "    # Made by us, and cut short between volume group and physical volume.\n"
                               "    uuid=$(pv pv_uuid)\n"
                               "    group=$(pv vg_name)\n"
                               "    if [ -n \"$uuid\" ] && [ -z \"$group\" ]; then L pvremove -qq \"$NAME\" >&2; fi\n"
                               "fi\n"
                               "rm -f \"$mark\" \"$base/.hecate-$VG\"\n"
                               "rmdir \"$base/mounts/$VG\" 2>/dev/null || true\n"
                               "sync $base $base/mounts\n";

static struct buf *begin(struct step_talk *talk, step_heard_fn heard)
{
    const struct exec_config *config = talk->config;
    const struct store_device *device = talk->step->device;
    struct buf *buf = step_call(talk, heard);
    CLEANUP(free_ptr) char *vg = mem_printf("vg_%s", id_text(device->id).text);

    step_set(talk, "VG", vg);
    step_set(talk, "NAME", device->name);
    step_set(talk, "ALIGN", config->pv_data_alignment);
    step_set(talk, "EXTENT", config->vg_extent_size);
    step_set(talk, "DESTROY", device->destroy_data ? "yes" : "no");
    script_group_lock(buf);
    buf_append_str(buf, functions);
    return buf;
}

/* Shown to clients, and kept: names of files, as udev makes them. */
static bool is_path(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f) {
            return false;
        }
    }
    return len > 1 && len <= STORE_PATH_MAX && text[0] == '/';
}

static void add_paths(struct exec_device_info *info, const char *out, const char *end)
{
    static const char prefix[] = "hecate: path ";

    while (out < end && info->paths.n < PATHS_MAX) {
        size_t len = strcspn(out, "\n");

        if (len > sizeof(prefix) - 1 && strncmp(out, prefix, sizeof(prefix) - 1) == 0 &&
            is_path(out + sizeof(prefix) - 1, len - (sizeof(prefix) - 1))) {
            CLEANUP(free_ptr) char *path = mem_strndup(out + sizeof(prefix) - 1, len - (sizeof(prefix) - 1));

            store_strs_add(&info->paths, path);
        }
        out += len + (out[len] == '\n');
    }
}

static void garbage(struct step_talk *talk, const char *what, const char *why)
{
    step_fail(talk, E_REMOTE, false, "%s%s", what, why);
    talk->result.cause = EXEC_CAUSE_GARBAGE;
}

/* Lines "hecate: path PATH", then "hecate: lvm" and what LVM says in JSON. */
static void setup_heard(struct step_talk *talk, const struct step_reply *reply)
{
    static const char marker[] = "hecate: lvm\n";
    struct exec_device_info *info = &talk->result.device;
    const char *json = strstr(reply->out, marker);
    struct lvm_device device;
    struct err err = ERR_INIT;

    if (step_failed(talk, reply)) {
        return;
    }
    if (json == NULL) {
        garbage(talk, "the node did not say how large the device is", "");
        return;
    }
    if (lvm_json_device(json + sizeof(marker) - 1, strlen(json + sizeof(marker) - 1), &device, &err) != 0) {
        garbage(talk, "the node did not say how large the device is: ", err.message);
        return;
    }
    if (device.pv_uuid[strspn(device.pv_uuid, PV_UUID_CHARS)] != '\0') {
        garbage(talk, "the node did not say which physical volume the device is", "");
        return;
    }
    info->extent_kib = device.extent_bytes / 1024;
    info->total_kib = info->extent_kib * device.extents;
    (void)snprintf(info->pv_uuid, sizeof(info->pv_uuid), "%s", device.pv_uuid);
    add_paths(info, reply->out, json);
    step_done(talk);
}

void step_device_setup(struct step_talk *talk)
{
    struct buf *buf = begin(talk, setup_heard);

    buf_append_str(buf, setup);
    buf_append_str(buf, told);
}

static struct buf *begin_renewal(struct step_talk *talk, step_heard_fn heard)
{
    struct buf *buf = begin(talk, heard);

    step_set(talk, "DEVICE", id_text(talk->step->device->id).text);
    step_set(talk, "RENEWAL", id_text(talk->step->renewal).text);
    buf_printf(buf, "NEED=%lu\n", (unsigned long)talk->step->needed_kib);
    buf_append_str(buf, lost);
    return buf;
}

void step_device_lost(struct step_talk *talk)
{
    buf_append_str(begin_renewal(talk, step_heard_all), "exit 0\n");
}

void step_device_renew(struct step_talk *talk)
{
    struct buf *buf = begin_renewal(talk, setup_heard);

    buf_append_str(buf, renew);
    buf_append_str(buf, setup);
    buf_append_str(buf, fits);
    buf_append_str(buf, told);
}

void step_device_look(struct step_talk *talk)
{
    buf_append_str(begin(talk, setup_heard), look);
}

void step_device_teardown(struct step_talk *talk)
{
    buf_append_str(begin(talk, step_heard_all), teardown);
}
