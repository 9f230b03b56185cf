#include "daemon/executor/script.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/base/mem.h"
#include "store/words.h"

/* ---- variables ---- */

void script_set(struct buf *buf, const char *name, const char *value)
{
    buf_printf(buf, "%s=", name);
    store_word_quote(buf, value);
    buf_append_char(buf, '\n');
}

/* ---- checks ---- */

/* In KiB, as LVM reads sizes: 4M, 0.5g, 256KiB, or a number of the unit that the option has by itself. 0: it is none.
 */
static double size_kib(const char *text, char unit)
{
    static const char units[] = "kmgtpe";
    size_t digits = strspn(text, "0123456789.");
    const char *rest = text + digits, *at;
    char *end;
    double size = strtod(text, &end);

    if (!isdigit((unsigned char)*text) || digits >= 32 || end != rest) {
        return 0;
    }
    if (*rest != '\0') {
        unit = (char)tolower((unsigned char)*rest);
        rest += strcasecmp(rest + 1, "iB") == 0 ? strlen(rest) : 1;
    }
    at = strchr(units, unit);
    return at != NULL && *rest == '\0' ? ldexp(size, 10 * (int)(at - units)) : 0;
}

/* What pvcreate, vgcreate and lvcreate take; with others each device or brick would fail. */
static int check_sizes(const struct exec_config *config, struct err *reterr)
{
    double alignment = size_kib(config->pv_data_alignment, 'k');
    double extent = size_kib(config->vg_extent_size, 'm');
    double chunk = size_kib(config->lv_chunk_size, 'k');
    int exponent;

    if (alignment <= 0) {
        return err_set(reterr, E_INVALID, "pv_data_alignment is '%s', which is no number with a unit, such as 256K",
                       config->pv_data_alignment);
    }
    if (extent < 1 || (frexp(extent, &exponent) != 0.5 && fmod(extent, 128) != 0)) {
        return err_set(reterr, E_INVALID,
                       "vg_physicalextentsize is '%s', expected a power of two or a multiple of 128K, such as 4M",
                       config->vg_extent_size);
    }
    if (chunk < 64 || chunk > 1024 * 1024 || fmod(chunk, 64) != 0) {
        return err_set(reterr, E_INVALID,
                       "lv_chunksize is '%s', expected a multiple of 64K from 64K to 1G, such as 256K",
                       config->lv_chunk_size);
    }
    return 0;
}

int exec_config_check(const struct exec_config *config, struct err *reterr)
{
    if (config->fstab[0] != '/' || !store_is_made_of(config->fstab, STORE_LETTERS "/._-", 1024)) {
        return err_set(reterr, E_INVALID, "fstab is '%s', which is no plain path", config->fstab);
    }
    if (!store_is_made_of(config->mount_options, STORE_LETTERS ",=._-", 512)) {
        return err_set(reterr, E_INVALID, "mountopts is '%s', which has characters that are not allowed",
                       config->mount_options);
    }
    /* Its words are meant as such, options among them. */
    if (*config->lvm_wrapper != '\0' && !store_is_made_of(config->lvm_wrapper, STORE_LETTERS " /._=,:+@-", 1024)) {
        return err_set(reterr, E_INVALID, "lvm_wrapper is '%s', which has characters that are not allowed",
                       config->lvm_wrapper);
    }
    if (strcmp(config->block_prealloc, "full") != 0 && strcmp(config->block_prealloc, "no") != 0) {
        return err_set(reterr, E_INVALID, "block_prealloc is '%s', expected full or no", config->block_prealloc);
    }
    return check_sizes(config, reterr);
}

int script_check_host(const char *host, struct err *reterr)
{
    if (!store_is_host(host)) {
        return err_set(reterr, E_INVALID, "host name '%s' has characters that are not allowed", host);
    }
    return 0;
}

int script_check_device(const struct store_device *device, struct err *reterr)
{
    if (!store_is_device(device->name)) {
        return err_set(reterr, E_INVALID, "device name '%s' has characters that are not allowed", device->name);
    }
    return 0;
}

int script_check_name(const char *what, const char *name, struct err *reterr)
{
    if (!store_is_name(name)) {
        return err_set(reterr, E_INVALID, "%s '%s' has characters that are not allowed", what, name);
    }
    return 0;
}

int script_check_volume_name(const char *what, const char *name, struct err *reterr)
{
    if (!store_is_volume_name(name)) {
        return err_set(reterr, E_INVALID, "%s '%s' has characters that are not allowed", what, name);
    }
    return 0;
}

int script_check_brick(const struct exec_brick *item, struct err *reterr)
{
    CLEANUP(free_ptr) char *path = store_brick_path(item->brick);
    CLEANUP(free_ptr) char *lv = store_brick_lv_name(item->brick);
    int rc = script_check_host(item->storage_host, reterr);

    rc = rc != 0 ? rc : script_check_name("thin pool", item->brick->pool, reterr);
    rc = rc != 0 ? rc : script_check_name("logical volume", lv, reterr);
    if (rc == 0 && store_path_check(path, reterr) != 0) {
        rc = err_wrap(reterr, "brick %s", id_text(item->brick->id).text);
    }
    return rc;
}

/* ---- beginnings ---- */

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

/* The fence is one line, "CLUSTER TERM". Ids of clusters grow with the time when they were formed: one that has been
 * restored from a backup, or made anew, begins with low terms and takes the nodes over all the same; the one before it
 * is shut out. Where it was made by hand, cut short or overwritten, it says nothing: a number that sh cannot compare
 * must never pass for a newer term. What is left of the cluster's id counts. */
static const char fence_look[] =
    "file=$base/.hecate-fence\n"
    "is_id() { case $1 in *[!0-9a-f]*) return 1 ;; esac; [ ${#1} -eq 32 ]; }\n"
    "is_term() { case $1 in '' | *[!0-9]* | 0?*) return 1 ;; esac; [ ${#1} -le 18 ]; }\n"
    "other=; fence=-1; damaged=\n"
    "if [ -e $file ] || [ -L $file ]; then\n"
    "    text=; [ ! -f $file ] || text=$(head -c 128 $file | tr '\\000' '?'; echo .)\n"
    "    line=${text%'\n.'}; other=${line%% *}; fence=${line#* }\n"
    "    { is_id \"$other\" && is_term \"$fence\" && [ \"$line\" != \"$text\" ]; } || damaged=y\n"
    "    is_id \"$other\" || other=\n"
    "fi\n"
    "foreign() {\n"
    "    expr \"x$1\" \\< \"x$MANAGERS\" >/dev/null && return\n"
    "    say \"cluster $1 of managers, which was formed later, has this node ($file)\"\n"
    "    [ $((0x$(printf %.12s \"$1\") / 1000)) -le $(($(date +%s) + 86400)) ] ||\n"
    "        say 'its id is of a time to come: the clock of the member that formed it was wrong'\n"
    "    exit 78\n"
    "}\n"
    "if [ -n \"$other\" ] && [ \"$other\" != \"$MANAGERS\" ]; then\n"
    "    foreign \"$other\"\n"
    "    fence=-1; damaged=\n"
    "fi\n";

static const char fence_compare[] =
    "[ -z \"$damaged\" ] || { say \"the fence of this node ($file) is damaged\"; exit 79; }\n"
    "[ \"$fence\" -le \"$TERM_NUMBER\" ] || { say \"term $fence has taken over\"; exit 76; }\n";

static const char fence_shared[] = "[ \"$fence\" -ge \"$TERM_NUMBER\" ] || exit 77\n";

/* The id of the cluster stands in a file of its own, too. Without it nobody knows whether a damaged fence was that of a
 * later cluster, which must not be forgotten. */
static const char fence_repair[] =
    "owner=$(head -c 33 $base/.hecate-managers 2>/dev/null)\n"
    "if [ -n \"$damaged\" ] && [ -z \"$other\" ]; then\n"
    "    is_id \"$owner\" || {\n"
    "        say \"the fence of this node ($file) is damaged, and nothing tells which cluster it was of\"\n"
    "        exit 79\n"
    "    }\n"
    "    [ \"$owner\" = \"$MANAGERS\" ] || foreign \"$owner\"\n"
    "fi\n"
    "[ -z \"$damaged\" ] || { fence=-1; damaged=; }\n"
    "[ ! -d $file ] || [ -L $file ] || rm -rf $file\n";

static const char fence_raise[] = "put() {\n"
                                  "    printf '%s\\n' \"$2\" >$1.new && sync $1.new && mv -T $1.new $1 && sync $base\n"
                                  "}\n"
                                  "[ \"$(cat $base/.hecate-managers 2>/dev/null)\" = \"$MANAGERS\" ] ||\n"
                                  "    put $base/.hecate-managers \"$MANAGERS\" || exit 1\n"
                                  "[ \"$fence\" -lt \"$TERM_NUMBER\" ] || exit 0\n"
                                  "put $file \"$MANAGERS $TERM_NUMBER\" || exit 1\n";

static void begin(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    script_set(buf, "WRAPPER", config->lvm_wrapper);
    buf_printf(buf, "MANAGERS=%s TERM_NUMBER=%lu LIMIT=%u BACKUP=%s\n", id_text(step->managers).text,
               (unsigned long)step->term, config->gluster_timeout_s, config->backup_lvm_metadata ? "y" : "n");
    buf_append_str(buf, prelude);
}

void script_begin(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    begin(config, step, buf);
    buf_append_str(buf, "flock -s -w 60 9 || { say 'the fence of this node is being raised'; exit 75; }\n");
    buf_append_str(buf, fence_look);
    buf_append_str(buf, fence_compare);
    buf_append_str(buf, fence_shared);
}

void script_fence(const struct exec_config *config, const struct exec_step *step, struct buf *buf)
{
    begin(config, step, buf);
    buf_append_str(buf, "flock -x -w 120 9 || { say 'a step of an older term still runs'; exit 75; }\n");
    buf_append_str(buf, fence_look);
    if (step->repair) {
        buf_append_str(buf, fence_repair);
    }
    buf_append_str(buf, fence_compare);
    buf_append_str(buf, fence_raise);
}

void script_group_lock(struct buf *buf)
{
    buf_append_str(buf, "exec 8>>$base/.hecate-$VG || exit 1\n"
                        "flock -x -w 240 8 || { say \"$VG is in use by an earlier step\"; exit 75; }\n");
}
