/* One screen of GET /cluster/status. Members of the document that are missing are shown as "-", never invented. */
#include <string.h>

#include "cli/cli.h"
#include "store/base/mem.h"

#define ERROR_COLUMNS 60
/* One screen: of many nodes those that are down and a few others, of many operations the oldest. --json has all. */
#define NODES_SHOWN 16
#define OPERATIONS_SHOWN 8

/* A number, or "-" when it is not there. Valid until the eighth call from here. */
static const char *number(const json_t *object, const char *key)
{
    static char texts[8][24];
    static unsigned next;
    const json_t *value = json_object_get(object, key);
    char *text = texts[next++ % 8];

    if (!json_is_integer(value)) {
        return "-";
    }
    (void)snprintf(text, sizeof(texts[0]), "%ld", (long)json_integer_value(value));
    return text;
}

static const char *text_or_dash(const json_t *object, const char *key)
{
    const char *text = js_str(object, key);

    return *text != '\0' ? text : "-";
}

/* "12 ms", "3 s", "5 min"; "-" when it is not there. */
static void format_ms(char *text, size_t size, const json_t *object, const char *key)
{
    int64_t ms = js_int(object, key);

    if (!json_is_integer(json_object_get(object, key))) {
        (void)snprintf(text, size, "-");
    } else if (ms < 1000) {
        (void)snprintf(text, size, "%ld ms", (long)ms);
    } else if (ms < 120000) {
        (void)snprintf(text, size, "%ld s", (long)(ms / 1000));
    } else {
        (void)snprintf(text, size, "%ld min", (long)(ms / 60000));
    }
}

/* The first line of a text, not too long. */
static void print_brief(FILE *out, const char *text)
{
    size_t len = strcspn(text, "\n");

    fprintf(out, "%.*s%s", (int)(len < ERROR_COLUMNS ? len : ERROR_COLUMNS), text, len > ERROR_COLUMNS ? "..." : "");
}

/* Whoever looks for a volume on a node should know that there is no node. */
static void print_executor(FILE *out, const char *executor)
{
    if (strcmp(executor, "mock") == 0) {
        fprintf(out, "Nodes:   pretended (glusterfs.executor is \"mock\"); volumes are nowhere\n");
    }
}

/* Nothing when there are none. */
static void print_addresses(FILE *out, const json_t *virtual_ips)
{
    json_t *list = js_list(virtual_ips, "addresses"), *address;
    size_t i;

    if (json_array_size(list) == 0) {
        return;
    }
    fprintf(out, "Address:");
    json_array_foreach(list, i, address)
    {
        fprintf(out, " %s", json_is_string(address) ? json_string_value(address) : "-");
    }
    if (json_is_integer(json_object_get(virtual_ips, "holder"))) {
        fprintf(out, ", at member %s\n", number(virtual_ips, "holder"));
    } else {
        fprintf(out, ", at no member\n");
    }
}

static void print_head(FILE *out, const json_t *status)
{
    const json_t *leader = js_object(status, "leader");
    const json_t *counts = js_object(status, "counts");

    fprintf(out, "Cluster: %s\nHealth:  %s\n", text_or_dash(status, "cluster_id"), text_or_dash(status, "health"));
    if (leader != NULL) {
        fprintf(out, "Leader:  member %s at %s, %s\n", number(leader, "id"), text_or_dash(leader, "api"),
                js_bool(status, "serving") ? "serving" : "seen from a member that does not lead");
    } else {
        fprintf(out, "Leader:  none\n");
    }
    print_executor(out, js_str(status, "executor"));
    print_addresses(out, js_object(status, "virtual_ips"));
    fprintf(out, "Log:     term %s, committed %s, applied %s", number(status, "term"), number(status, "commit_index"),
            number(status, "applied_index"));
    if (json_is_integer(json_object_get(status, "lease_left_ms"))) {
        fprintf(out, ", lease for %s ms", number(status, "lease_left_ms"));
    }
    fprintf(out, "\nHolds:   %s clusters, %s nodes, %s devices, %s volumes, %s bricks\n", number(counts, "clusters"),
            number(counts, "nodes"), number(counts, "devices"), number(counts, "volumes"), number(counts, "bricks"));
}

static void print_warnings(FILE *out, const json_t *warnings)
{
    json_t *warning;
    size_t i;

    if (json_array_size(warnings) > 0) {
        fprintf(out, "\nWarnings:\n");
    }
    json_array_foreach(warnings, i, warning)
    {
        fprintf(out, "  %s: %s\n", text_or_dash(warning, "code"), js_str(warning, "text"));
        if (*js_str(warning, "remedy") != '\0') {
            fprintf(out, "    -> %s\n", js_str(warning, "remedy"));
        }
    }
}

static void print_members(FILE *out, const json_t *members)
{
    json_t *member;
    size_t i;

    fprintf(out, "\n%-4s %-11s %-22s %-22s %-9s %-8s %-8s %-8s %s\n", "Id", "Role", "Address", "API", "Version", "Lag",
            "Contact", "Digest", "at");
    json_array_foreach(members, i, member)
    {
        const json_t *connected = json_object_get(member, "connected");
        char contact[24];

        format_ms(contact, sizeof(contact), member, "last_contact_ms");
        fprintf(out, "%-4s %-11s %-22s %-22s %-9s %-8s %-8s %-8.8s %s%s%s\n", number(member, "id"),
                text_or_dash(member, "role"), text_or_dash(member, "address"), text_or_dash(member, "api"),
                text_or_dash(member, "version"), number(member, "lag"), contact, text_or_dash(member, "digest"),
                number(member, "digest_index"), json_is_false(connected) ? "  NOT CONNECTED" : "",
                json_is_false(json_object_get(member, "voter")) ? "  spare" : "");
    }
}

static void print_node(FILE *out, const json_t *node)
{
    char answered[24];

    format_ms(answered, sizeof(answered), node, "last_ok_ms");
    fprintf(out, "%-33s %-22s %-8s %-6s %s", text_or_dash(node, "id"), text_or_dash(node, "manage"),
            *js_str(node, "state") != '\0' ? out_state(node) : "-", number(node, "fence_term"), answered);
    if (js_bool(node, "down")) {
        fprintf(out, "  DOWN: ");
        print_brief(out, js_str(node, "last_error"));
    }
    fputc('\n', out);
}

static void print_nodes(FILE *out, const json_t *nodes)
{
    size_t i, up = 0;
    json_t *node;

    if (json_array_size(nodes) == 0) {
        return;
    }
    fprintf(out, "\n%-33s %-22s %-8s %-6s %s\n", "Storage node", "Host", "State", "Fence", "Answered");
    json_array_foreach(nodes, i, node)
    {
        if (js_bool(node, "down") || up++ < NODES_SHOWN) {
            print_node(out, node);
        }
    }
    if (up > NODES_SHOWN) {
        fprintf(out, "and %zu more that are not down\n", up - NODES_SHOWN);
    }
}

static void print_steps(FILE *out, const json_t *operation)
{
    json_t *entry;
    size_t i;

    json_array_foreach(js_list(operation, "steps"), i, entry)
    {
        char since[24];

        format_ms(since, sizeof(since), entry, "since_ms");
        fprintf(out, "    %-16s on %-20s %-8s for %s", text_or_dash(entry, "step"), text_or_dash(entry, "host"),
                text_or_dash(entry, "state"), since);
        if (js_int(entry, "attempts") > 1) {
            fprintf(out, ", attempt %s", number(entry, "attempts"));
        }
        if (*js_str(entry, "last_error") != '\0') {
            fprintf(out, ": ");
            print_brief(out, js_str(entry, "last_error"));
        }
        fputc('\n', out);
    }
    if (js_int(operation, "steps_total") > (long)i) {
        fprintf(out, "    and %ld more steps\n", (long)js_int(operation, "steps_total") - (long)i);
    }
    json_array_foreach(js_list(operation, "parked"), i, entry)
    {
        fprintf(out, "    waits for node %s: ", text_or_dash(entry, "node"));
        print_brief(out, js_str(entry, "text"));
        fputc('\n', out);
    }
}

static void print_operations(FILE *out, const json_t *status)
{
    json_t *operations = js_list(status, "operations"), *operation;
    const char *total = number(js_object(status, "counts"), "operations");
    size_t i;

    if (json_array_size(operations) == 0) {
        fprintf(out, "\nOperations: none\n");
        return;
    }
    fprintf(out, "\nOperations: %s\n", total);
    json_array_foreach(operations, i, operation)
    {
        if (i == OPERATIONS_SHOWN) {
            fprintf(out, "  and more: hecate server operations list\n");
            break;
        }
        fprintf(out, "  %s %s %s (%s)\n", text_or_dash(operation, "id"), text_or_dash(operation, "type"),
                text_or_dash(operation, "target"), text_or_dash(operation, "phase"));
        if (*js_str(operation, "reason") != '\0') {
            fprintf(out, "    being undone: ");
            print_brief(out, js_str(operation, "reason"));
            fputc('\n', out);
        }
        print_steps(out, operation);
    }
}

void out_status(FILE *out, const json_t *status)
{
    print_head(out, status);
    print_warnings(out, js_list(status, "warnings"));
    print_members(out, js_list(status, "members"));
    print_nodes(out, js_list(status, "nodes"));
    print_operations(out, status);
}
