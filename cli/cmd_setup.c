/* hecate setup-openshift-heketi-storage: makes the volume on which a Heketi in Kubernetes keeps its database, and
 * writes the objects that copy the present database there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "cli/http.h"
#include "store/base/check.h"
#include "store/base/mem.h"

#define VOLUME "heketidbstorage"
#define SIZE_GIB 2
#define ENDPOINTS "heketi-storage-endpoints"
#define SECRET "heketi-storage-secret"
#define JOB "heketi-storage-copy-job"

/* What a database on a Gluster volume needs: no cache that may be stale. */
#define OPTIONS                                                                                \
    "user.heketi.dbstoragelevel 1,performance.stat-prefetch off,performance.write-behind off," \
    "performance.open-behind off,performance.quick-read off,performance.strict-o-direct on,"   \
    "performance.read-ahead off,performance.io-cache off,performance.readdir-ahead off"

static void look_for_name(void *user, const json_t *volume)
{
    bool *found = user;

    *found = *found || strcmp(js_str(volume, "name"), VOLUME) == 0;
}

static int refuse_existing(struct cli *cli)
{
    bool found = false;
    json_t *list;
    int rc = http_get(cli, "/volumes", &list);

    if (rc == 0) {
        rc = http_each(cli, "/volumes/", js_list(list, "volumes"), look_for_name, &found);
        json_decref(list);
    }
    return rc == 0 && found ? cli_fail(cli, "Volume " VOLUME " already exists") : rc;
}

static int make_volume(struct cli *cli, json_t **ret_volume)
{
    const char *own = flag_string(cli, "gluster-volume-options"), *more = flag_string(cli, "append-volume-options");
    CLEANUP(free_ptr)
    char *options = mem_printf("%s%s%s", *own != '\0' ? own : OPTIONS, *more != '\0' ? "," : "", more);
    json_t *body =
        json_pack("{s:i, s:s, s:{s:s, s:{s:I}}}", "size", SIZE_GIB, "name", VOLUME, "durability", "type",
                  flag_string(cli, "durability"), "replicate", "replica", (json_int_t)flag_int(cli, "replica"));
    int rc;

    CHECK(body != NULL);
    cli_set_list(body, "glustervolumeoptions", options);
    json_object_set_new(body, "snapshot", json_pack("{s:b, s:f}", "enable", 0, "factor", 1.0));
    rc = http_job(cli, "POST", "/volumes", body, ret_volume);
    json_decref(body);
    return rc;
}

/* The database as base64; NULL on failure. */
static char *fetch_database(struct cli *cli)
{
    struct http_answer answer;
    unsigned char *text;

    if (http_expect(cli, "GET", "/backup/db", NULL, 200, &answer) != 0) {
        return NULL;
    }
    text = mem_alloc(4 * ((answer.body.len + 2) / 3) + 1);
    (void)EVP_EncodeBlock(text, (const unsigned char *)answer.body.data, (int)answer.body.len);
    http_answer_fini(&answer);
    return (char *)text;
}

/* ---- the objects ---- */

static json_t *make_secret(const char *database)
{
    return json_pack("{s:s, s:s, s:{s:s, s:n, s:{s:s}}, s:{s:s}}", "kind", "Secret", "apiVersion", "v1", "metadata",
                     "name", SECRET, "creationTimestamp", "labels", "deploy-heketi", "support", "data", "heketi.db",
                     database);
}

static json_t *make_endpoints(const json_t *volume)
{
    json_t *hosts = js_list(js_object(js_object(volume, "mount"), "glusterfs"), "hosts"), *host;
    json_t *subsets = json_array();
    size_t i;

    json_array_foreach(hosts, i, host)
    {
        json_array_append_new(subsets,
                              json_pack("{s:[{s:O}], s:[{s:i}]}", "addresses", "ip", host, "ports", "port", 1));
    }
    return json_pack("{s:s, s:s, s:{s:s, s:n}, s:o}", "kind", "Endpoints", "apiVersion", "v1", "metadata", "name",
                     ENDPOINTS, "creationTimestamp", "subsets", subsets);
}

static json_t *make_service(void)
{
    return json_pack("{s:s, s:s, s:{s:s, s:n}, s:{s:[{s:i, s:i}]}, s:{s:{}}}", "kind", "Service", "apiVersion", "v1",
                     "metadata", "name", ENDPOINTS, "creationTimestamp", "spec", "ports", "port", 1, "targetPort", 0,
                     "status", "loadBalancer");
}

static json_t *make_pod_spec(const char *image, const json_t *selector)
{
    json_t *spec =
        json_pack("{s:[{s:s, s:{s:s, s:s}}, {s:s, s:{s:s}}]}", "volumes", "name", "heketi-storage", "glusterfs",
                  "endpoints", ENDPOINTS, "path", VOLUME, "name", SECRET, "secret", "secretName", SECRET);
    json_t *container =
        json_pack("{s:s, s:s, s:[s, s, s], s:{}, s:[{s:s, s:s}, {s:s, s:s}]}", "name", "heketi", "image", image,
                  "command", "cp", "/db/heketi.db", "/heketi", "resources", "volumeMounts", "name", "heketi-storage",
                  "mountPath", "/heketi", "name", SECRET, "mountPath", "/db");

    json_object_set_new(spec, "containers", json_pack("[o]", container));
    json_object_set_new(spec, "restartPolicy", json_string("Never"));
    if (json_object_size(selector) > 0) {
        json_object_set(spec, "nodeSelector", (json_t *)(uintptr_t)selector);
    }
    return spec;
}

static json_t *make_job(const char *image, const json_t *selector)
{
    return json_pack("{s:s, s:s, s:{s:s, s:n, s:{s:s}}, s:{s:i, s:i, s:{s:{s:s, s:n}, s:o}}, s:{}}", "kind", "Job",
                     "apiVersion", "batch/v1", "metadata", "name", JOB, "creationTimestamp", "labels", "deploy-heketi",
                     "support", "spec", "parallelism", 1, "completions", 1, "template", "metadata", "name", JOB,
                     "creationTimestamp", "spec", make_pod_spec(image, selector), "status");
}

static int write_file(struct cli *cli, const json_t *list)
{
    const char *path = flag_string(cli, "listfile");
    char *text = json_dumps(list, JSON_INDENT(2));
    FILE *file = fopen(path, "we");
    int rc = 0;

    CHECK(text != NULL);
    fprintf(cli->out, "Saving %s\n", path);
    if (file == NULL || fputs(text, file) < 0) {
        rc = cli_fail(cli, "Unable to write %s: %s", path, strerror(errno));
    }
    if (file != NULL && fclose(file) != 0) {
        rc = cli_fail(cli, "Unable to write %s: %s", path, strerror(errno));
    }
    free(text);
    return rc;
}

/* "name=value,..." as a map; NULL after a failure. */
static json_t *parse_selector(struct cli *cli)
{
    json_t *parts = cli_split(flag_string(cli, "node-selector")), *part, *selector = json_object();
    size_t i;

    json_array_foreach(parts, i, part)
    {
        const char *equals = strchr(js_text(part), '=');

        if (equals == NULL) {
            (void)cli_fail(cli, "--node-selector: expected name=value, got: %s", js_text(part));
        } else {
            json_object_setn_new(selector, js_text(part), (size_t)(equals - js_text(part)), json_string(equals + 1));
        }
    }
    json_decref(parts);
    if (cli->error != NULL) {
        json_decref(TAKE_PTR(selector));
    }
    return selector;
}

static int write_objects(struct cli *cli, const json_t *volume, const json_t *selector)
{
    CLEANUP(free_ptr) char *database = fetch_database(cli);
    json_t *list;
    int rc;

    if (database == NULL) {
        return -1;
    }
    list = json_pack("{s:s, s:s, s:[o, o, o, o]}", "apiVersion", "v1", "kind", "List", "items", make_secret(database),
                     make_endpoints(volume), make_service(), make_job(flag_string(cli, "image"), selector));
    CHECK(list != NULL);
    rc = write_file(cli, list);
    json_decref(list);
    return rc;
}

static int run_setup(struct cli *cli)
{
    json_t *selector = parse_selector(cli), *volume = NULL;
    int rc = selector == NULL || refuse_existing(cli) != 0 || make_volume(cli, &volume) != 0 ? -1 : 0;

    if (rc == 0 && write_objects(cli, volume, selector) != 0) {
        CLEANUP(free_ptr) char *path = mem_printf("/volumes/%s", js_str(volume, "id"));

        char *error = cli_take_error(cli);

        if (http_job(cli, "DELETE", path, NULL, NULL) != 0) {
            CLEANUP(free_ptr) char *left = cli_take_error(cli);

            fprintf(cli->err, "Volume %s is left over: %s\n", js_str(volume, "id"), left);
        }
        rc = cli_fail(cli, "%s", error);
        free(error);
    }
    json_decref(volume);
    json_decref(selector);
    return rc;
}

static const struct cli_flag setup_flags[] = {
    {"listfile", 0, CLI_STRING, false, "heketi-storage.json", "FILE", "where the objects are written to"},
    {"image", 0, CLI_STRING, false, "heketi/heketi:dev", "IMAGE", "image of the job that copies the database"},
    {"durability", 0, CLI_STRING, false, "replicate", "TYPE", "none, replicate or disperse"},
    {"replica", 0, CLI_INT, false, "3", "N", "replicas of a replicated volume"},
    {"gluster-volume-options", 0, CLI_STRING, true, NULL, "\"K V,...\"", "options instead of those for a database"},
    {"append-volume-options", 0, CLI_STRING, true, NULL, "\"K V,...\"", "further options"},
    {"node-selector", 0, CLI_STRING, true, NULL, "K=V,...", "labels of the nodes on which the job may run"},
};

static const struct cli_command commands[] = {
    {"setup-openshift-heketi-storage", NULL, "", "make a volume for Heketi's database in Kubernetes",
     "Makes the volume " VOLUME " and writes a list of Kubernetes objects: applied, they copy the present database to\n"
     "the volume. Hecate itself keeps its data on its members and needs no such volume.",
     setup_flags, sizeof(setup_flags) / sizeof(*setup_flags), run_setup, NULL},
};

const struct cli_group cli_setup = {"setup-openshift-heketi-storage", "Storage for Heketi's database", commands, 1,
                                    "setup-heketi-db-storage,setup-kubernetes-heketi-storage"};
