/* hecate volume ... */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd_volume.h"
#include "cli/http.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define MISSING "Volume id missing"

static int run_list(struct cli *cli)
{
    json_t *list;
    int rc = 0;

    if (http_get(cli, "/volumes", &list) != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, list);
    } else {
        rc = cli_each(cli, list, "volumes", "/volumes/", "", out_volume_line);
    }
    json_decref(list);
    return rc;
}

static int run_info(struct cli *cli)
{
    return cli_show(cli, "/volumes/", MISSING, out_volume);
}

static json_t *make_request(const struct cli *cli)
{
    double factor = flag_float(cli, "snapshot-factor");
    json_t *body = json_pack("{s:I}", "size", (json_int_t)flag_int(cli, "size"));

    CHECK(body != NULL);
    cli_set_list(body, "clusters", flag_string(cli, "clusters"));
    json_object_set_new(body, "name", json_string(flag_string(cli, "name")));
    json_object_set_new(body, "durability",
                        json_pack("{s:s, s:{s:I}, s:{s:I, s:I}}", "type", flag_string(cli, "durability"), "replicate",
                                  "replica", (json_int_t)flag_int(cli, "replica"), "disperse", "data",
                                  (json_int_t)flag_int(cli, "disperse-data"), "redundancy",
                                  (json_int_t)flag_int(cli, "redundancy")));
    if (flag_int(cli, "gid") != 0) {
        json_object_set_new(body, "gid", json_integer(flag_int(cli, "gid")));
    }
    cli_set_list(body, "glustervolumeoptions", flag_string(cli, "gluster-volume-options"));
    if (flag_bool(cli, "block")) {
        json_object_set_new(body, "block", json_true());
    }
    if (*flag_string(cli, "oldest-client") != '\0') {
        json_object_set_new(body, "oldestclient", json_string(flag_string(cli, "oldest-client")));
    }
    json_object_set_new(body, "snapshot", json_pack("{s:b, s:f}", "enable", factor > 1, "factor", factor));
    return body;
}

/* ---- a PersistentVolume of Kubernetes ---- */

static json_t *persistent_volume(const struct cli *cli, const json_t *volume)
{
    const char *endpoint = flag_string(cli, "persistent-volume-endpoint");
    CLEANUP(free_ptr) char *name = mem_printf("glusterfs-%.8s", js_str(volume, "id"));
    CLEANUP(free_ptr) char *size = mem_printf("%ldGi", (long)js_int(volume, "size"));
    CLEANUP(free_ptr) char *gid = mem_printf("%ld", (long)js_int(volume, "gid"));
    json_t *document =
        json_pack("{s:s, s:s, s:{s:s, s:n, s:{s:s}}, s:{s:{s:s}, s:{s:s, s:s}, s:[s], s:s}, s:{}}", "kind",
                  "PersistentVolume", "apiVersion", "v1", "metadata", "name", name, "creationTimestamp", "annotations",
                  "pv.beta.kubernetes.io/gid", gid, "spec", "capacity", "storage", size, "glusterfs", "endpoints",
                  *endpoint != '\0' ? endpoint : "TYPE ENDPOINT HERE", "path", js_str(volume, "name"), "accessModes",
                  "ReadWriteMany", "persistentVolumeReclaimPolicy", "Retain", "status");

    CHECK(document != NULL);
    return document;
}

static int print_persistent_volume(struct cli *cli, const json_t *volume)
{
    const char *path = flag_string(cli, "persistent-volume-file");
    json_t *document = persistent_volume(cli, volume);
    char *text = json_dumps(document, JSON_INDENT(2));
    FILE *file;
    int rc = 0;

    json_decref(document);
    CHECK(text != NULL);
    if (flag_bool(cli, "persistent-volume")) {
        fprintf(cli->out, "%s\n", text);
    } else {
        file = fopen(path, "we");
        if (file == NULL || fprintf(file, "%s\n", text) < 0) {
            rc = cli_fail(cli, "Unable to write %s: %s (volume %s was created)", path, strerror(errno),
                          js_str(volume, "id"));
        }
        if (file != NULL && fclose(file) != 0) {
            rc = cli_fail(cli, "Unable to write %s: %s (volume %s was created)", path, strerror(errno),
                          js_str(volume, "id"));
        }
    }
    free(text);
    return rc;
}

/* ---- what would be made ---- */

/* The plan, or why there is none, node by node and device by device. */
static int print_plan(struct cli *cli, const json_t *plan)
{
    const json_t *volume = js_object(plan, "volume");
    struct buf reasons = BUF_INIT;
    json_t *item;
    size_t i;

    if (*js_str(plan, "existing") != '\0') {
        fprintf(cli->out, "An equal request has made it already.\nVolume Id: %s\n", js_str(plan, "existing"));
        return 0;
    }
    if (js_bool(plan, "possible")) {
        fprintf(cli->out, "Nothing was made. It would be as follows.\nCluster Id: %s\nBricks:\n",
                js_str(volume, "cluster"));
        json_array_foreach(js_list(volume, "bricks"), i, item)
        {
            fprintf(cli->out, "Size (GiB):%-8ld Node:%-35s Device:%s\n", (long)(js_int(item, "size") >> 20),
                    js_str(item, "node"), js_str(item, "device"));
        }
        return 0;
    }
    json_array_foreach(js_list(plan, "reasons"), i, item)
    {
        buf_printf(&reasons, "\n  %s%s%s%s%s", *js_str(item, "host") != '\0' ? js_str(item, "host") : "cluster ",
                   *js_str(item, "host") != '\0' ? "" : js_str(item, "cluster"),
                   *js_str(item, "name") != '\0' ? " " : "", js_str(item, "name"), ": ");
        buf_append_str(&reasons, js_str(item, "reason"));
    }
    (void)cli_fail(cli, "%s%s", js_str(plan, "error"), buf_str(&reasons));
    buf_fini(&reasons);
    return -1;
}

static int run_dry(struct cli *cli, const json_t *body)
{
    json_t *plan;
    int rc = 0;

    if (http_ask(cli, "/volumes", "dry_run=true", body, &plan) != 0) {
        return -1;
    }
    if (flag_json(cli)) {
        js_print(cli->out, plan);
    } else {
        rc = print_plan(cli, plan);
    }
    json_decref(plan);
    return rc;
}

static int run_create(struct cli *cli)
{
    json_t *body, *volume;
    int rc;

    if (flag_int(cli, "size") == 0) {
        return cli_fail(cli, "Missing volume size");
    }
    if (flag_bool(cli, "persistent-volume") && *flag_string(cli, "persistent-volume-endpoint") == '\0') {
        fprintf(cli->err, "--persistent-volume-endpoint must be provided when using --persistent-volume\n");
        return cli_fail(cli, "Missing endpoint");
    }
    body = make_request(cli);
    if (flag_bool(cli, "dry-run")) {
        rc = run_dry(cli, body);
        json_decref(body);
        return rc;
    }
    rc = http_job(cli, "POST", "/volumes", body, &volume);
    json_decref(body);
    if (rc != 0) {
        return -1;
    }
    if (flag_bool(cli, "persistent-volume") || *flag_string(cli, "persistent-volume-file") != '\0') {
        rc = print_persistent_volume(cli, volume);
    } else if (flag_json(cli)) {
        js_print(cli->out, volume);
    } else {
        out_volume(cli->out, volume);
    }
    json_decref(volume);
    return rc;
}

static int run_delete(struct cli *cli)
{
    return cli_delete_query(cli, "/volumes/", "Volume", MISSING, "heketi-database", "heketidb=true");
}

static int run_expand(struct cli *cli)
{
    const char *id = cli->n_args > 0 ? cli->args[0] : flag_string(cli, "volume");
    CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s/expand", id);

    if (flag_int(cli, "expand-size") == 0) {
        return cli_fail(cli, "Missing volume amount to expand");
    }
    if (*id == '\0') {
        return cli_fail(cli, "Missing volume id");
    }
    return cli_job_shown(cli, path, json_pack("{s:I}", "expand_size", (json_int_t)flag_int(cli, "expand-size")),
                         out_volume);
}

static int run_clone(struct cli *cli)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;
    json_t *body;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    path = mem_printf("/volumes/%s/clone", id);
    body = json_object();
    if (*flag_string(cli, "name") != '\0') {
        json_object_set_new(body, "name", json_string(flag_string(cli, "name")));
    }
    return cli_job_shown(cli, path, body, out_volume);
}

static int set_restriction(struct cli *cli, const char *restriction)
{
    CLEANUP(free_ptr) char *path = NULL;
    const char *id = NULL;

    if (cli_need_id(cli, MISSING, &id) != 0) {
        return -1;
    }
    path = mem_printf("/volumes/%s/block-restriction", id);
    return cli_job_shown(cli, path, json_pack("{s:s}", "restriction", restriction), out_volume);
}

static int run_lock(struct cli *cli)
{
    return set_restriction(cli, "locked");
}

static int run_unlock(struct cli *cli)
{
    return set_restriction(cli, "");
}

/* As the original prints it: the body of a patch for an Endpoints object. */
static void print_endpoint(FILE *out, const json_t *volume)
{
    json_t *hosts = js_list(js_object(js_object(volume, "mount"), "glusterfs"), "hosts"), *host;
    size_t i;

    fprintf(out, "{\"subsets\": [");
    json_array_foreach(hosts, i, host)
    {
        fprintf(out, "%s{\"addresses\":[{\"ip\":", i > 0 ? "," : "");
        js_print(out, host);
        fprintf(out, "}],\"ports\":[{\"port\":1}]}");
    }
    fprintf(out, "]}");
}

static int run_endpoint(struct cli *cli)
{
    return cli_show(cli, "/volumes/", MISSING, print_endpoint);
}

static const struct cli_flag create_flags[] = {
    {"size", 0, CLI_INT, false, NULL, "GIB", "size in GiB (needed)"},
    {"name", 0, CLI_STRING, false, NULL, "NAME", "name; else vol_ID"},
    {"durability", 0, CLI_STRING, false, "replicate", "TYPE", "none, replicate or disperse"},
    {"replica", 0, CLI_INT, false, "3", "N", "replicas of a replicated volume"},
    {"disperse-data", 0, CLI_INT, false, "4", "N", "data bricks of a dispersed volume"},
    {"redundancy", 0, CLI_INT, false, "2", "N", "redundancy bricks of a dispersed volume"},
    {"gid", 0, CLI_INT, false, "0", "GID", "group that may write to the volume"},
    {"snapshot-factor", 0, CLI_FLOAT, false, "1.0", "F", "room for snapshots; above 1 they are possible"},
    {"clusters", 0, CLI_STRING, true, NULL, "ID,...", "clusters to try, in this order; else all"},
    {"gluster-volume-options", 0, CLI_STRING, true, NULL, "\"K V,...\"", "options to set on the volume"},
    {"block", 0, CLI_BOOL, false, NULL, NULL, "make it a host of block volumes"},
    {"oldest-client", 0, CLI_STRING, false, NULL, "VERSION", "oldest GlusterFS client that must be able to mount it"},
    {"dry-run", 0, CLI_BOOL, false, NULL, NULL, "make nothing; tell where it would be, or why nowhere"},
    {"persistent-volume", 0, CLI_BOOL, false, NULL, NULL, "print a PersistentVolume of Kubernetes"},
    {"persistent-volume-file", 0, CLI_STRING, false, NULL, "FILE", "write the PersistentVolume to a file"},
    {"persistent-volume-endpoint", 0, CLI_STRING, false, NULL, "NAME", "endpoint that the PersistentVolume names"},
};

static const struct cli_flag expand_flags[] = {
    {"expand-size", 0, CLI_INT, false, NULL, "GIB", "by how much (needed)"},
    {"volume", 0, CLI_STRING, false, NULL, "ID", "the volume, instead of an argument"},
};

static const struct cli_flag clone_flags[] = {
    {"name", 0, CLI_STRING, false, NULL, "NAME", "name of the new volume; else vol_ID"},
};

static const struct cli_flag delete_flags[] = {
    {"heketi-database", 0, CLI_BOOL, false, NULL, NULL, "if it is Heketi's own, heketidbstorage"},
};

static const struct cli_command commands[] = {
    {"volume", "list", "", "volumes of all clusters", NULL, NULL, 0, run_list, NULL},
    {"volume", "info", "ID", "a volume", NULL, NULL, 0, run_info, NULL},
    {"volume", "create", "", "make a volume", "Example: hecate volume create --size=100 --replica=3 --name=media",
     create_flags, sizeof(create_flags) / sizeof(*create_flags), run_create, NULL},
    {"volume", "expand", "[ID]", "make a volume larger", NULL, expand_flags, 2, run_expand, NULL},
    {"volume", "clone", "ID", "make a volume with the same content", NULL, clone_flags, 1, run_clone, NULL},
    {"volume", "set-block-hosting-restriction locked", "ID", "place no more block volumes on a hosting volume", NULL,
     NULL, 0, run_lock, NULL},
    {"volume", "set-block-hosting-restriction unlocked", "ID", "place block volumes on it again", NULL, NULL, 0,
     run_unlock, NULL},
    {"volume", "endpoint patch", "ID", "print a patch for the Endpoints of Kubernetes", NULL, NULL, 0, run_endpoint,
     NULL},
    {"volume", "unclaimed", "FILE", "list volumes that no PersistentVolume in FILE names",
     "FILE is what kubectl get pv -o json prints. A volume that is listed may still be in use: by another cluster, by "
     "a "
     "mount without Kubernetes, by a claim that is being made now. Find that out before you delete one.",
     NULL, 0, run_unclaimed, NULL},
    {"volume", "delete", "ID", "delete a volume and what is on it", NULL, delete_flags, 1, run_delete, NULL},
};

const struct cli_group cli_volume = {"volume", "Volumes", commands, sizeof(commands) / sizeof(*commands), NULL};
