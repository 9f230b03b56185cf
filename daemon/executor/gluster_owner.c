/* Which volume is meant: Gluster's volumes are told by their bricks and by what is written on them, never by name
 * alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/executor/gluster.h"
#include "store/base/buf.h"
#include "store/base/mem.h"
#include "store/words.h"

/* ---- names of bricks ---- */

/* /var/run is /run; Gluster has written both for the bricks of clones. malloc'ed. */
static char *plain(const char *name)
{
    const char *path = strstr(name, ":/var/run/");

    return path != NULL ? mem_printf("%.*s:%s", (int)(path - name), name, path + strlen(":/var")) : mem_strdup(name);
}

bool gluster_same_brick(const char *a, const char *b)
{
    CLEANUP(free_ptr) char *left = plain(a), *right = NULL;

    right = plain(b);
    return strcmp(left, right) == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order: how many bricks a node names is up to it. */
static void known_names(const struct exec_known *known, struct store_strs *ret_names)
{
    for (size_t i = 0; i < known->n; i++) {
        CLEANUP(free_ptr) char *name = step_brick_name(&known->bricks[i]);
        CLEANUP(free_ptr) char *text = plain(name);

        store_strs_add(ret_names, text);
    }
    if (ret_names->n > 0) {
        qsort(ret_names->items, ret_names->n, sizeof(*ret_names->items), compare);
    }
}

static bool is_among(const struct store_strs *names, const char *name)
{
    CLEANUP(free_ptr) char *text = plain(name);

    return names->n > 0 && bsearch(&text, names->items, names->n, sizeof(*names->items), compare) != NULL;
}

/* ---- whose? ---- */

const char *gluster_written_id(const struct gluster_volume *volume)
{
    for (size_t i = 0; i < volume->n_options; i++) {
        if (strcmp(volume->options[i].name, "user.heketi.id") == 0) {
            return volume->options[i].value;
        }
    }
    return "";
}

enum gluster_owner gluster_owner(const struct exec_step *step, const struct gluster_volume *volume)
{
    CLEANUP(store_strs_fini) struct store_strs names = {NULL, 0};
    size_t n = 0;

    if (strcmp(gluster_written_id(volume), id_text(step->known.id).text) == 0) {
        return GLUSTER_OURS;
    }
    known_names(&step->known, &names);
    for (size_t i = 0; i < volume->n_bricks; i++) {
        n += is_among(&names, volume->bricks[i].name);
    }
    if (n == 0) {
        return GLUSTER_FOREIGN;
    }
    return n == volume->n_bricks ? GLUSTER_OURS : GLUSTER_MIXED;
}

bool gluster_pin(struct step_talk *talk, const char *id, const struct step_reply *reply)
{
    struct err err = ERR_INIT;

    if (strlen(id) != 36 || strspn(id, "0123456789abcdefABCDEF-") != 36) {
        (void)err_set(&err, E_PROTOCOL, "the volume has no id");
        gluster_garbage(talk, reply, &err);
        return false;
    }
    (void)snprintf(talk->pinned, sizeof(talk->pinned), "%s", id);
    return true;
}

/* May it stand, as it is, beside a command that somebody gives to a shell? */
static bool is_plain(const char *text)
{
    return strstr(text, "..") == NULL && store_is_made_of(text, STORE_LETTERS "/._:+=-", SIZE_MAX);
}

void gluster_put_brick(struct buf *text, const char *name)
{
    buf_printf(text, " %s", is_plain(name) ? name : "(a name that no brick has)");
}

void gluster_not_ours(struct step_talk *talk, const struct gluster_volume *volume)
{
    CLEANUP(store_strs_fini) struct store_strs names = {NULL, 0};
    CLEANUP(buf_fini) struct buf unknown = BUF_INIT;
    const char *id;

    id = gluster_written_id(volume);
    known_names(&talk->step->known, &names);
    for (size_t i = 0; i < volume->n_bricks && unknown.len < sizeof(talk->result.message); i++) {
        if (!is_among(&names, volume->bricks[i].name)) {
            gluster_put_brick(&unknown, volume->bricks[i].name);
        }
    }
    step_fail(
        talk, E_REMOTE, true,
        "Gluster's volume %s is not the one that is meant, and was left as it is: the id written on it is \"%s\", "
        "not %s, and bricks of it are not known here. If it is the one, say so on a storage node: gluster volume "
        "set %s user.heketi.id %s. Unknown bricks:%s",
        talk->volume, *id == '\0' || is_plain(id) ? id : "(what is no id)", id_text(talk->step->known.id).text,
        talk->volume, id_text(talk->step->known.id).text, buf_str(&unknown));
}

bool gluster_take(struct step_talk *talk, const struct gluster_volume *volume, const struct step_reply *reply)
{
    if (gluster_owner(talk->step, volume) == GLUSTER_FOREIGN) {
        gluster_not_ours(talk, volume);
        return false;
    }
    return gluster_pin(talk, volume->id, reply);
}
