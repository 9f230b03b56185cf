/* hecate volume unclaimed: volumes that no PersistentVolume of Kubernetes names. */
#include <stdlib.h>
#include <string.h>

#include "cli/cmd_volume.h"
#include "cli/http.h"
#include "store/base/mem.h"

#define ID_ANNOTATION "gluster.kubernetes.io/heketi-volume-id"

struct claimed { /* keys of JSON objects, for their fast search */
    json_t *ids, *names;
    size_t n;
};

struct unclaimed {
    struct cli *cli;
    const struct claimed *claimed;
    json_t *found;
};

static void note_volume(struct claimed *claimed, const json_t *item)
{
    const json_t *annotations = js_object(js_object(item, "metadata"), "annotations");
    const json_t *glusterfs = js_object(js_object(item, "spec"), "glusterfs");
    const char *path = js_str(glusterfs, "path"), *id = js_str(annotations, ID_ANNOTATION);

    if (glusterfs == NULL || strcmp(js_str(item, "kind"), "PersistentVolume") != 0) {
        return;
    }
    path += *path == '/';
    claimed->n++;
    json_object_set_new(claimed->names, path, json_true());
    if (*id != '\0') {
        json_object_set_new(claimed->ids, id, json_true());
    }
}

/* What `kubectl get pv -o json` prints. Where it names no volume of GlusterFS every volume would seem to be nobody's:
 * then it is of another cluster, or not what it should be. */
static int read_claimed(struct cli *cli, struct claimed *claimed)
{
    json_error_t error;
    json_t *document, *item;
    size_t i;

    if (cli->n_args != 1) {
        return cli_fail(cli, cli->n_args == 0 ? "missing file" : "too many arguments");
    }
    document = json_load_file(cli->args[0], 0, &error);
    if (document == NULL) {
        return error.line < 0
                   ? cli_fail(cli, "%s", error.text)
                   : cli_fail(cli, "%s: line %d, column %d: %s", cli->args[0], error.line, error.column, error.text);
    }
    json_array_foreach(js_list(document, "items"), i, item)
    {
        note_volume(claimed, item);
    }
    json_decref(document);
    return claimed->n > 0
               ? 0
               : cli_fail(cli,
                          "%s names no PersistentVolume of GlusterFS; it should be what this prints, for the "
                          "cluster that uses this server: kubectl get pv -o json",
                          cli->args[0]);
}

/* Ids that no PersistentVolume has, as far as the list alone tells. */
static json_t *candidates(const struct claimed *claimed, const json_t *list)
{
    json_t *ids = json_array(), *id;
    size_t i;

    json_array_foreach(js_list(list, "volumes"), i, id)
    {
        CLEANUP(free_ptr) char *name = mem_printf("vol_%s", js_text(id));

        if (json_object_get(claimed->ids, js_text(id)) == NULL && json_object_get(claimed->names, name) == NULL) {
            json_array_append(ids, id);
        }
    }
    return ids;
}

static void look(void *user, const json_t *volume)
{
    struct unclaimed *unclaimed = user;
    const char *name = js_str(volume, "name");

    if (json_object_get(unclaimed->claimed->names, name) != NULL || js_bool(volume, "block") ||
        strcmp(name, "heketidbstorage") == 0) {
        return;
    }
    if (flag_json(unclaimed->cli)) {
        json_array_append_new(unclaimed->found,
                              json_pack("{s:s, s:s, s:I, s:I}", "id", js_str(volume, "id"), "name", name, "size",
                                        (json_int_t)js_int(volume, "size"), "gid", (json_int_t)js_int(volume, "gid")));
    } else {
        fprintf(unclaimed->cli->out, "Id:%-35s Name:%s Size (GiB):%ld Gid:%ld\n", js_str(volume, "id"), name,
                (long)js_int(volume, "size"), (long)js_int(volume, "gid"));
    }
}

static int compare(struct cli *cli, const struct claimed *claimed)
{
    struct unclaimed unclaimed = {cli, claimed, json_array()};
    json_t *list, *ids;
    int rc = http_get(cli, "/volumes", &list);

    if (rc == 0) {
        ids = candidates(claimed, list);
        rc = http_each(cli, "/volumes/", ids, look, &unclaimed);
        json_decref(ids);
        json_decref(list);
    }
    if (rc == 0 && flag_json(cli)) {
        js_print(cli->out, unclaimed.found);
    }
    json_decref(unclaimed.found);
    return rc;
}

int run_unclaimed(struct cli *cli)
{
    struct claimed claimed = {json_object(), json_object(), 0};
    int rc = read_claimed(cli, &claimed);

    rc = rc == 0 ? compare(cli, &claimed) : rc;
    json_decref(claimed.ids);
    json_decref(claimed.names);
    return rc;
}
