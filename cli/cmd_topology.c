/* hecate topology info and load: contract 9.4 and 9.5. */
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "cli/template.h"
#include "cli/topology_file.h"
#include "store/base/check.h"
#include "store/base/mem.h"

/* ---- reading all of it ---- */

/* Where the objects of a cluster go, one after the other as they come. */
struct parts {
    FILE *out;           /* printed, ... */
    bool json;           /* ...as JSON or in the layout... */
    json_t *list;        /* ...or kept here, ... */
    bool none;           /* ...or neither of both */
    const char *cluster; /* those of another one are left out; NULL: of any */
    const char *comma;
    void (*layout)(FILE *out, const json_t *object);
};

static void take_part(void *user, const json_t *object)
{
    struct parts *parts = user;

    if (parts->none || (parts->cluster != NULL && strcmp(js_str(object, "cluster"), parts->cluster) != 0)) {
        return;
    }
    if (parts->list != NULL) {
        json_array_append(parts->list, (json_t *)(uintptr_t)object);
    } else if (parts->json) {
        fprintf(parts->out, "%s", parts->comma);
        js_print(parts->out, object);
        parts->comma = ",";
    } else {
        parts->layout(parts->out, object);
    }
}

static int take_volumes(struct cli *cli, const json_t *info, struct parts parts)
{
    parts.cluster = js_str(info, "id");
    parts.comma = "";
    parts.layout = out_topology_volume;
    return http_each(cli, "/volumes/", js_list(info, "volumes"), take_part, &parts);
}

static int take_nodes(struct cli *cli, const json_t *info, struct parts parts)
{
    parts.comma = "";
    parts.layout = out_topology_node;
    return http_each(cli, "/nodes/", js_list(info, "nodes"), take_part, &parts);
}

/* Calls fn with each cluster. */
static int each_cluster(struct cli *cli, int (*fn)(struct cli *cli, const json_t *info, void *user), void *user)
{
    json_t *list, *id, *info;
    size_t i;
    int rc = http_get(cli, "/clusters", &list);

    if (rc != 0) {
        return -1;
    }
    json_array_foreach(js_list(list, "clusters"), i, id)
    {
        if (rc == 0 && (rc = http_find_id(cli, "/clusters/", js_text(id), &info)) == 0 && info != NULL) {
            rc = fn(cli, info, user);
            json_decref(info);
        }
    }
    json_decref(list);
    return rc;
}

/* ---- in memory: for a template, and to add to it ---- */

struct reading {
    json_t *clusters;
    bool volumes;
};

static int read_cluster(struct cli *cli, const json_t *info, void *user)
{
    struct reading *reading = user;
    json_t *volumes = json_array(), *nodes = json_array();
    int rc;

    json_array_append_new(reading->clusters, json_pack("{s:o, s:o, s:s, s:b, s:b}", "volumes", volumes, "nodes", nodes,
                                                       "id", js_str(info, "id"), "block", js_bool(info, "block"),
                                                       "file", js_bool(info, "file")));
    rc = take_volumes(cli, info, (struct parts){.list = volumes, .none = !reading->volumes});
    return rc == 0 ? take_nodes(cli, info, (struct parts){.list = nodes}) : rc;
}

static int read_topology(struct cli *cli, bool volumes, json_t **ret_topology)
{
    struct reading reading = {json_array(), volumes};
    int rc = each_cluster(cli, read_cluster, &reading);

    *ret_topology = json_pack("{s:o}", "clusters", reading.clusters);
    if (rc != 0) {
        json_decref(TAKE_PTR(*ret_topology));
    }
    return rc;
}

/* ---- info ---- */

static int print_cluster(struct cli *cli, const json_t *info, void *user)
{
    const struct parts parts = {.out = cli->out};

    (void)user;
    out_topology_cluster(cli->out, info);
    if (take_volumes(cli, info, parts) != 0) {
        return -1;
    }
    out_topology_nodes(cli->out);
    return take_nodes(cli, info, parts);
}

static int print_cluster_json(struct cli *cli, const json_t *info, void *user)
{
    const struct parts parts = {.out = cli->out, .json = true};
    const char **comma = user;
    json_t *id = json_string(js_str(info, "id"));
    int rc;

    fprintf(cli->out, "%s{\"volumes\":[", *comma);
    *comma = ",";
    rc = take_volumes(cli, info, parts);
    if (rc == 0) {
        fprintf(cli->out, "],\"nodes\":[");
        rc = take_nodes(cli, info, parts);
    }
    if (rc == 0) {
        fprintf(cli->out, "],\"id\":");
        js_print(cli->out, id);
        fprintf(cli->out, ",\"block\":%s,\"file\":%s}", js_bool(info, "block") ? "true" : "false",
                js_bool(info, "file") ? "true" : "false");
    }
    json_decref(id);
    return rc;
}

static int print_json(struct cli *cli)
{
    const char *comma = "{\"clusters\":[";
    int rc = each_cluster(cli, print_cluster_json, &comma);

    if (rc == 0) {
        fprintf(cli->out, "%s]}", *comma == '{' ? comma : "");
    }
    return rc;
}

static int print_layout(struct cli *cli)
{
    int rc = each_cluster(cli, print_cluster, NULL);

    if (rc == 0) {
        fprintf(cli->out, "\n");
    }
    return rc;
}

static int print_template(struct cli *cli, const char *text)
{
    struct buf out = BUF_INIT;
    json_t *topology;
    char *error;
    int rc;

    if (read_topology(cli, true, &topology) != 0) {
        return -1;
    }
    rc = template_run(text, topology, &out, &error);
    if (rc == 0) {
        (void)fwrite(buf_str(&out), 1, out.len, cli->out);
    } else {
        (void)cli_fail(cli, "%s", error);
    }
    buf_fini(&out);
    free(error);
    json_decref(topology);
    return rc;
}

static int run_info(struct cli *cli)
{
    const char *text = flag_string(cli, "template");

    if (flag_json(cli)) {
        return print_json(cli);
    }
    return *text != '\0' ? print_template(cli, text) : print_layout(cli);
}

/* ---- loading a file ---- */

struct load {
    struct cli *cli;
    const json_t *known; /* the clusters and nodes before */
    json_t *created;     /* ids of the clusters made here */
};

/* The node of this host and its cluster, in what was there before. */
static const json_t *find_node(const struct load *load, const char *host, const char **ret_cluster)
{
    json_t *cluster, *node;
    size_t i, j;

    json_array_foreach(js_list(load->known, "clusters"), i, cluster)
    {
        json_array_foreach(js_list(cluster, "nodes"), j, node)
        {
            const json_t *manage = js_list(js_object(node, "hostnames"), "manage");
            const char *first = json_string_value(json_array_get(manage, 0));

            if (first != NULL && strcmp(first, host) == 0) {
                *ret_cluster = js_str(cluster, "id");
                return node;
            }
        }
    }
    return NULL;
}

static bool has_device(const json_t *node, const char *name)
{
    json_t *device;
    size_t i;

    json_array_foreach(js_list(node, "devices"), i, device)
    {
        if (strcmp(js_str(device, "name"), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Shows the error of a part and goes on. */
static void report(struct cli *cli, const char *text)
{
    char *error = cli_take_error(cli);

    fprintf(cli->out, "%s: %s\n", text, error);
    free(error);
}

static void load_device(const struct load *load, const json_t *device, const json_t *node, const char *node_id)
{
    struct cli *cli = load->cli;
    const char *name = js_str(device, "name");
    json_t *body;

    if (node != NULL && has_device(node, name)) {
        fprintf(cli->out, "\t\tFound device %s\n", name);
        return;
    }
    fprintf(cli->out, "\t\tAdding device %s ... ", name);
    body = json_pack("{s:s, s:s}", "name", name, "node", node_id);
    CHECK(body != NULL);
    if (js_object(device, "tags") != NULL) {
        json_object_set(body, "tags", js_object(device, "tags"));
    }
    if (js_bool(device, "destroydata")) {
        json_object_set_new(body, "destroydata", json_true());
    }
    if (http_job(cli, "POST", "/devices", body, NULL) == 0) {
        fprintf(cli->out, "OK\n");
    } else {
        report(cli, "Unable to add device");
    }
    json_decref(body);
}

/* The new cluster's id; NULL on failure, which ends the command. */
static char *create_cluster(const struct load *load, const json_t *wanted)
{
    struct cli *cli = load->cli;
    json_t *body = json_pack("{s:b, s:b}", "block", js_bool(wanted, "block"), "file", js_bool(wanted, "file")),
           *cluster;
    char *id = NULL;

    fprintf(cli->out, "Creating cluster ... ");
    if (http_make(cli, "/clusters", body, &cluster) == 0) {
        id = mem_strdup(js_str(cluster, "id"));
        json_array_append_new(load->created, json_string(id));
        fprintf(cli->out, "ID: %s\n%s%s", id, js_bool(wanted, "file") ? "\tAllowing file volumes on cluster.\n" : "",
                js_bool(wanted, "block") ? "\tAllowing block volumes on cluster.\n" : "");
        json_decref(cluster);
    }
    json_decref(body);
    return id;
}

/* The new node's id; NULL after the reason was shown. */
static char *create_node(const struct load *load, const json_t *wanted, const char *host, const char *cluster)
{
    struct cli *cli = load->cli;
    json_t *body = json_deep_copy(wanted), *node = NULL;
    char *id = NULL;

    json_object_set_new(body, "cluster", json_string(cluster));
    fprintf(cli->out, "\tCreating node %s ... ", host);
    if (http_job(cli, "POST", "/nodes", body, &node) == 0) {
        id = mem_strdup(js_str(node, "id"));
        fprintf(cli->out, "ID: %s\n", id);
        json_decref(node);
    } else {
        report(cli, "Unable to create node");
    }
    json_decref(body);
    return id;
}

/* One entry of "nodes". *current is the id of the cluster that new nodes go to, NULL: none yet. */
static int load_entry(const struct load *load, const json_t *wanted, const json_t *entry, char **current)
{
    struct cli *cli = load->cli;
    const json_t *manage = js_list(js_object(js_object(entry, "node"), "hostnames"), "manage");
    const char *host = json_string_value(json_array_get(manage, 0)), *cluster = NULL;
    const json_t *node;
    json_t *device, *info;
    char *id;
    size_t i;

    host = host != NULL ? host : "";
    node = find_node(load, host, &cluster);
    if (node != NULL) {
        fprintf(cli->out, "\tFound node %s on cluster %s\n", host, cluster);
        if (http_get_id(cli, "/clusters/", cluster, &info) != 0) {
            return -1;
        }
        json_decref(info);
        free(*current);
        *current = mem_strdup(cluster);
        id = mem_strdup(js_str(node, "id"));
    } else {
        if (*current == NULL && (*current = create_cluster(load, wanted)) == NULL) {
            return -1;
        }
        id = create_node(load, js_object(entry, "node"), host, *current);
    }
    if (id != NULL) {
        json_array_foreach(js_list(entry, "devices"), i, device)
        {
            load_device(load, device, node, id);
        }
    }
    free(id);
    return 0;
}

static int delete_cluster(struct cli *cli, const char *id)
{
    CLEANUP(free_ptr) char *path = mem_printf("/clusters/%s", id);
    struct http_answer answer;

    if (http_expect(cli, "DELETE", path, NULL, 200, &answer) != 0) {
        return -1;
    }
    http_answer_fini(&answer);
    return 0;
}

/* Clusters made here that got no node. */
static int delete_empty(const struct load *load)
{
    json_t *id, *info;
    size_t i;

    json_array_foreach(load->created, i, id)
    {
        bool empty;

        if (http_get_id(load->cli, "/clusters/", json_string_value(id), &info) != 0) {
            return -1;
        }
        empty = json_array_size(js_list(info, "nodes")) == 0 && json_array_size(js_list(info, "volumes")) == 0;
        json_decref(info);
        if (empty && delete_cluster(load->cli, json_string_value(id)) != 0) {
            return -1;
        }
    }
    return 0;
}

static int load_clusters(const struct load *load, const json_t *file)
{
    json_t *cluster, *entry;
    size_t i, j;

    json_array_foreach(js_list(file, "clusters"), i, cluster)
    {
        char *current = NULL;
        int rc = 0;

        json_array_foreach(js_list(cluster, "nodes"), j, entry)
        {
            if (rc == 0) {
                rc = load_entry(load, cluster, entry, &current);
            }
        }
        free(current);
        if (rc != 0) {
            return -1;
        }
    }
    return delete_empty(load);
}

static int run_load(struct cli *cli)
{
    const char *path = flag_string(cli, "json");
    struct load load = {.cli = cli};
    json_t *file, *known = NULL;
    int rc;

    if (*path == '\0') {
        return cli_fail(cli, "Missing configuration file");
    }
    if (topology_file_read(cli, path, &file) != 0) {
        return -1;
    }
    rc = read_topology(cli, false, &known);
    if (rc != 0) {
        (void)cli_fail_wrap(cli, "Unable to get topology information");
    } else {
        load.known = known;
        load.created = json_array();
        rc = load_clusters(&load, file);
        json_decref(load.created);
    }
    json_decref(known);
    json_decref(file);
    return rc;
}

static const struct cli_flag info_flags[] = {
    {"template", 'T', CLI_STRING, false, NULL, "TEXT",
     "print it by this template in the language of Go's text/template"},
};

static const struct cli_flag load_flags[] = {
    {"json", 'j', CLI_STRING, false, NULL, "FILE", "the topology (topology.json)"},
};

static const struct cli_command commands[] = {
    {"topology", "info", "", "everything: clusters, nodes, devices, volumes, bricks",
     "Example: hecate topology info -T '{{range .ClusterList}}{{range .Volumes}}{{.Name}} "
     "{{.Size}}{{\"\\n\"}}{{end}}{{end}}'",
     info_flags, 1, run_info, NULL},
    {"topology", "load", "", "add the clusters, nodes and devices of a file",
     "What is there already is left as it is; nothing is removed. A node or device that cannot be added is shown, and "
     "the\n"
     "rest goes on: look at the output, not at the exit code.",
     load_flags, 1, run_load, NULL},
};

const struct cli_group cli_topology = {"topology", "All clusters with their nodes and devices", commands,
                                       sizeof(commands) / sizeof(*commands), NULL};
