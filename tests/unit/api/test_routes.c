/* Every route of heketi-rest.md 2, by its number there: status, headers, body, and what its job ends with; then what
 * each says of an id that nobody has, and of a method it does not know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/mem.h"
#include "tests/unit/api/fixture.h"

#define JSON "application/json; charset=UTF-8"
#define TEXT "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"
#define UNKNOWN "ffffffffffffffffffffffffffffffff"
#define VOLUME "{\"size\":1,\"durability\":{\"type\":\"replicate\",\"replicate\":{\"replica\":3}}"

enum name {
    CLUSTER,
    EMPTY,
    NODE,
    SPARE_NODE,
    DEVICE,
    SPARE_DEVICE,
    HOSTING,
    SHARE,
    GONE,
    LUN,
    BRICK,
    OPERATION,
    N_NAMES
};

static const char *const names[N_NAMES] = {"{cluster}", "{empty}",        "{node}",    "{spare-node}",
                                           "{device}",  "{spare-device}", "{hosting}", "{volume}",
                                           "{gone}",    "{block}",        "{brick}",   "{operation}"};

struct scene {
    struct fixture fixture;
    char ids[N_NAMES][ID_TEXT_LEN + 1];
};

struct row {
    int number; /* in the contract's table; 0: a step in between */
    const char *method, *path, *body;
    int status;
    const char *type; /* NULL: no Content-Type */
    const char *text; /* "": empty; ends with LF: the whole body; NULL: anything; else how it begins */
    const char *end;  /* of the job: "204", or where it points to; NULL: not looked at */
};

static const struct row rows[] = {
    {1, "GET", "/hello", NULL, 200, "text/plain; charset=UTF-8", "Hello from Heketi", NULL},
    {2, "GET", "/metrics", NULL, 200, "text/plain; version=0.0.4; charset=utf-8", "# HELP heketi_", NULL},
    {4, "POST", "/clusters", "{}", 201, JSON, "{\"id\":\"", NULL},
    {5, "GET", "/clusters", NULL, 200, JSON, "{\"clusters\":[\"", NULL},
    {6, "GET", "/clusters/{cluster}", NULL, 200, JSON, "{\"id\":\"{cluster}\",\"nodes\":[\"", NULL},
    {7, "POST", "/clusters/{cluster}/flags", "{\"file\":true,\"block\":true}", 200, JSON, "", NULL},
    {8, "DELETE", "/clusters/{empty}", NULL, 200, NULL, "", NULL},
    {9, "POST", "/nodes",
     "{\"zone\":1,\"cluster\":\"{cluster}\",\"hostnames\":{\"manage\":[\"m\"],\"storage\":[\"s\"]}}", 202, NULL, "",
     "/nodes/"},
    {10, "GET", "/nodes/{node}", NULL, 200, JSON, "{\"zone\":", NULL},
    {11, "DELETE", "/nodes/{spare-node}", NULL, 202, NULL, "", "204"},
    {12, "POST", "/nodes/{node}/state", "{\"state\":\"online\"}", 202, NULL, "", "204"},
    {13, "POST", "/nodes/{node}/tags", "{\"change_type\":\"set\",\"tags\":{\"rack\":\"r7\"}}", 200, JSON,
     "{\"rack\":\"r7\"}\n", NULL},
    {14, "POST", "/devices", "{\"name\":\"/dev/sdy\",\"node\":\"{node}\"}", 202, NULL, "", "204"},
    {15, "GET", "/devices/{device}", NULL, 200, JSON, "{\"name\":\"/dev/sdb\",\"storage\":{\"total\":524288000,", NULL},
    {17, "POST", "/devices/{spare-device}/state", "{\"state\":\"offline\"}", 202, NULL, "", "204"},
    {0, "POST", "/devices/{spare-device}/state", "{\"state\":\"failed\"}", 202, NULL, "", "204"},
    {16, "DELETE", "/devices/{spare-device}", "{\"forceforget\":true}", 202, NULL, "", "204"},
    {18, "GET", "/devices/{device}/resync", NULL, 202, HTML, "<a href=\"/queue/", "204"},
    {19, "POST", "/devices/{device}/tags", "{\"change_type\":\"set\"}", 200, JSON, "{}\n", NULL},
    {20, "POST", "/volumes", VOLUME "}", 202, NULL, "", "/volumes/"},
    {21, "GET", "/volumes", NULL, 200, JSON, "{\"volumes\":[\"", NULL},
    {22, "GET", "/volumes/{volume}", NULL, 200, JSON, "{\"size\":1,\"name\":\"vol_{volume}\",", NULL},
    {23, "POST", "/volumes/{volume}/expand", "{\"expand_size\":1}", 202, NULL, "", "/volumes/{volume}"},
    {24, "POST", "/volumes/{volume}/clone", "{\"name\":\"copy\"}", 202, NULL, "", "/volumes/"},
    {25, "POST", "/volumes/{hosting}/block-restriction", "{}", 202, NULL, "", "/volumes/{hosting}"},
    {27, "POST", "/blockvolumes", "{\"size\":1}", 202, NULL, "", "/blockvolumes/"},
    {28, "GET", "/blockvolumes", NULL, 200, JSON, "{\"blockvolumes\":[\"", NULL},
    {29, "GET", "/blockvolumes/{block}", NULL, 200, JSON, "{\"size\":1,\"name\":\"blockvol_{block}\",", NULL},
    {30, "POST", "/blockvolumes/{block}/expand", "{\"new_size\":2}", 202, NULL, "", "/blockvolumes/{block}"},
    {31, "DELETE", "/blockvolumes/{block}", NULL, 202, NULL, "", "204"},
    {33, "GET", "/backup/db", NULL, 200, "application/octet-stream", NULL, NULL},
    {34, "GET", "/db/dump", NULL, 200, JSON, "{\n    \"clusterentries\": {", NULL},
    {35, "GET", "/db/check", NULL, 200, JSON, "{\n    \"clusters\": {\n        \"total\": 2,", NULL},
    {36, "GET", "/internal/logging", NULL, 200, JSON, "{\"loglevel\":{\"glusterfs\":\"", NULL},
    {37, "POST", "/internal/logging", "{\"loglevel\":{\"glusterfs\":\"error\"}}", 200, JSON,
     "{\"loglevel\":{\"glusterfs\":\"error\"}}\n", NULL},
    {32, "POST", "/bricks/to-evict/{brick}", NULL, 202, NULL, "", "running"},
    {3, "GET", "/queue/{operation}", NULL, 200, NULL, "", NULL},
    {38, "GET", "/operations", NULL, 200, JSON, "{\"total\":1,\"in_flight\":1,\"stale\":0,\"failed\":0,\"new\":1}\n",
     NULL},
    {39, "GET", "/operations/pending", NULL, 200, JSON,
     "{\"pendingoperations\":[{\"id\":\"{operation}\",\"type_name\":\"evict-brick\",\"status\":\"\","
     "\"sub_status\":\"in-flight\"}]}\n",
     NULL},
    {40, "GET", "/operations/pending/{operation}", NULL, 200, JSON,
     "{\"id\":\"{operation}\",\"type_name\":\"evict-brick\",\"status\":\"\",\"sub_status\":\"\",\"changes\":["
     "{\"id\":\"{brick}\",\"description\":\"Delete brick\"}",
     NULL},
    {41, "POST", "/operations/pending/cleanup", "{\"operations\":[\"{operation}\"]}", 202, NULL, "", "204"},
    {26, "DELETE", "/volumes/{gone}", NULL, 202, NULL, "", "204"},
    {42, "GET", "/internal/state/examine/gluster", NULL, 200, JSON, "{\n    \"heketidb\": {", NULL},
    {43, "GET", "/admin", NULL, 200, JSON, "{\"state\":\"normal\"}\n", NULL},
    {44, "POST", "/admin", "{\"state\":\"normal\"}", 204, NULL, "", NULL},
    {45, "GET", "/debug/pprof/", NULL, 404, TEXT, "Invalid path or request\n", NULL}, /* left out on purpose */
};

/* ---- ids ---- */

static void name_id(struct scene *scene, enum name name, struct id id)
{
    assert_false(id_is_none(id));
    memcpy(scene->ids[name], id_text(id).text, ID_TEXT_LEN + 1);
}

/* The text with ids for names; NULL for NULL. */
static char *fill(const struct scene *scene, const char *text)
{
    struct buf out = BUF_INIT;

    if (text == NULL) {
        return NULL;
    }
    while (*text != '\0') {
        size_t i = 0;

        while (i < N_NAMES && strncmp(text, names[i], strlen(names[i])) != 0) {
            i++;
        }
        if (i < N_NAMES) {
            buf_append_str(&out, scene->ids[i]);
            text += strlen(names[i]);
        } else {
            buf_append_char(&out, *text++);
        }
    }
    return buf_take(&out);
}

static const struct store_device *first_device(const struct scene *scene)
{
    const struct store *store = scene->fixture.store;

    return store_node_device_next(store, store_node_next(store, NULL)->id, NULL);
}

static struct id made(struct scene *scene, const char *path, const char *body)
{
    CLEANUP(free_ptr) char *text = fill(scene, body);
    const char *made_id = create(&scene->fixture, 0, path, text);
    struct id id = ID_NONE;

    (void)id_parse(made_id, strlen(made_id), &id);
    return id;
}

static int setup(void **state)
{
    struct scene *scene = mem_calloc(1, sizeof(*scene));
    struct fixture *f = &scene->fixture;
    const struct store_device *device = NULL;
    struct id id;

    *state = scene;
    memcpy(scene->ids[OPERATION], UNKNOWN, sizeof(UNKNOWN)); /* until there is one */
    fixture_init(f, false);
    fixture_start(f, 0);
    fixture_start(f, 1);
    fixture_lead(f, 0);
    memcpy(scene->ids[CLUSTER], make_topology(f, 0), ID_TEXT_LEN + 1);
    name_id(scene, NODE, store_node_next(f->store, NULL)->id);
    name_id(scene, DEVICE, first_device(scene)->id);
    expect(f, 0, "POST", "/clusters", "{}", 201, NULL);
    id = store_cluster_next(f->store, NULL)->id;
    if (strcmp(id_text(id).text, scene->ids[CLUSTER]) == 0) {
        id = store_cluster_next(f->store, store_cluster_next(f->store, NULL))->id;
    }
    name_id(scene, EMPTY, id);
    name_id(scene, SPARE_NODE,
            made(scene, "/nodes",
                 "{\"zone\":9,\"cluster\":\"{cluster}\",\"hostnames\":{\"manage\":[\"x\"],\"storage\":[\"y\"]}}"));
    id = made(scene, "/volumes", VOLUME "}");
    name_id(scene, SHARE, id);
    name_id(scene, BRICK, store_volume(f->store, id)->bricks[0].id);
    name_id(scene, GONE, made(scene, "/volumes", VOLUME "}"));
    name_id(scene, HOSTING, made(scene, "/volumes", "{\"size\":50,\"block\":true}"));
    name_id(scene, LUN, made(scene, "/blockvolumes", "{\"size\":1}"));
    (void)made(scene, "/devices", "{\"name\":\"/dev/sdx\",\"node\":\"{node}\"}");
    while ((device = store_device_next(f->store, device)) != NULL) {
        if (strcmp(device->name, "/dev/sdx") == 0) {
            name_id(scene, SPARE_DEVICE, device->id);
        }
    }
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    fixture_fini(&scene->fixture);
    free(scene);
    return 0;
}

/* ---- each route ---- */

static bool text_fits(const struct answer *answer, const char *text)
{
    const char *body = buf_str(&answer->body);

    if (text == NULL) {
        return answer->body.len > 0;
    }
    return *text == '\0' || text[strlen(text) - 1] == '\n' ? strcmp(body, text) == 0
                                                           : strncmp(body, text, strlen(text)) == 0;
}

static bool header_is(const struct answer *answer, const char *name, const char *value)
{
    const char *found = answer_header(answer, name);

    return value == NULL ? found == NULL : found != NULL && strcmp(found, value) == 0;
}

/* A 202 and its job. */
static void check_job(struct scene *scene, const struct row *row, size_t member, const char *queue)
{
    struct answer answer = client_do(&scene->fixture, member, "GET", queue, "", NULL);
    CLEANUP(free_ptr) char *end = fill(scene, row->end);
    const char *location = answer_header(&answer, "Location");
    CLEANUP(free_ptr) char *target = location != NULL ? mem_strdup(location) : NULL;
    CLEANUP(free_ptr) char *page = mem_printf("<a href=\"%s\">See Other</a>.\n\n", target != NULL ? target : "");

    if (strcmp(end, "running") == 0) {
        memcpy(scene->ids[OPERATION], strrchr(queue, '/') + 1, ID_TEXT_LEN);
        assert_int_equal(answer.status, 200);
        assert_true(header_is(&answer, "X-Pending", "true"));
    } else if (strcmp(end, "204") == 0) {
        assert_int_equal(answer.status, 204);
        assert_null(target);
    } else if (answer.status != 303 || strncmp(target, end, strlen(end)) != 0 ||
               strlen(strrchr(target, '/') + 1) != ID_TEXT_LEN || strcmp(buf_str(&answer.body), page) != 0 ||
               !header_is(&answer, "Content-Type", HTML)) {
        fail_msg("%d: the job ends with %d %s", row->number, answer.status, target != NULL ? target : "");
    }
    answer_fini(&answer);
}

static void check_row(struct scene *scene, const struct row *row, size_t member)
{
    CLEANUP(free_ptr) char *path = fill(scene, row->path);
    CLEANUP(free_ptr) char *body = fill(scene, row->body);
    CLEANUP(free_ptr) char *text = fill(scene, row->text);
    struct answer answer;

    scene->fixture.members[0].ends = row->end == NULL || strcmp(row->end, "running") != 0;
    answer = client_do(&scene->fixture, member, row->method, path, "", body);
    if (answer.status != row->status || !header_is(&answer, "Content-Type", row->type) || !text_fits(&answer, text)) {
        fail_msg("%d: %s %s: %s%s", row->number, row->method, path, buf_str(&answer.head), buf_str(&answer.body));
    }
    if (row->type == NULL && row->status != 204) {
        assert_true(header_is(&answer, "Content-Length", "0"));
    }
    if (row->status >= 400) {
        assert_true(header_is(&answer, "X-Content-Type-Options", "nosniff"));
    }
    if (row->status == 202) {
        const char *location = answer_header(&answer, "Location");
        CLEANUP(free_ptr) char *queue = location != NULL ? mem_strdup(location) : NULL;

        assert_non_null(queue);
        assert_int_equal(strncmp(queue, "/queue/", strlen("/queue/")), 0);
        assert_true(header_is(&answer, "X-Pending", NULL));
        check_job(scene, row, member, queue);
    } else {
        assert_null(answer_header(&answer, "Location"));
    }
    answer_fini(&answer);
}

static void all_served(struct scene *scene, size_t member)
{
    uint64_t seen = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        check_row(scene, &rows[i], member);
        seen |= UINT64_C(1) << rows[i].number;
    }
    assert_true(seen >> 1 == (UINT64_C(1) << 45) - 1); /* none of the 45 is missing */
}

static void served_by_leader(void **state)
{
    all_served(*state, 0);
}

static void served_by_follower(void **state)
{
    all_served(*state, 1);
}

/* ---- ids that nobody has, methods that no route has ---- */

/* A body that is refused for nothing but the id. */
static const char *any_body(const char *path)
{
    static const struct {
        const char *ending, *body;
    } bodies[] = {
        {"/state", "{\"state\":\"online\"}"},
        {"/tags", "{\"change_type\":\"set\"}"},
        {"/volumes/{volume}/expand", "{\"expand_size\":1}"},
        {"/blockvolumes/{block}/expand", "{\"new_size\":1}"},
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        size_t len = strlen(bodies[i].ending);

        if (strlen(path) >= len && strcmp(path + strlen(path) - len, bodies[i].ending) == 0) {
            return bodies[i].body;
        }
    }
    return "{}";
}

static void unknown_ids(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < N_NAMES; i++) {
        memcpy(scene->ids[i], UNKNOWN, sizeof(UNKNOWN));
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP(free_ptr) char *path = fill(scene, rows[i].path);
        bool pending = strncmp(path, "/operations/pending/" UNKNOWN, strlen("/operations/pending/" UNKNOWN)) == 0;

        if (strchr(rows[i].path, '{') != NULL) {
            expect(&scene->fixture, 0, rows[i].method, path, any_body(rows[i].path), 404,
                   pending ? "Id not found: " UNKNOWN "\n" : "Id not found\n");
        }
    }
    expect(&scene->fixture, 0, "POST", "/nodes",
           "{\"zone\":1,\"cluster\":\"" UNKNOWN "\",\"hostnames\":{\"manage\":[\"m\"],\"storage\":[\"s\"]}}", 404,
           "Cluster id does not exist\n");
    expect(&scene->fixture, 0, "POST", "/devices", "{\"name\":\"/dev/sdb\",\"node\":\"" UNKNOWN "\"}", 404,
           "Node id does not exist\n");
    expect(&scene->fixture, 0, "POST", "/volumes", "{\"size\":1,\"clusters\":[\"" UNKNOWN "\"]}", 400,
           "Cluster id " UNKNOWN " not found\n");
    expect(&scene->fixture, 0, "POST", "/blockvolumes", "{\"size\":1,\"clusters\":[\"\"]}", 400,
           "Cluster id  not found\n");
}

static void wrong_methods(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP(free_ptr) char *path = fill(scene, rows[i].path);
        struct answer answer = client_do(&scene->fixture, 0, "PATCH", path, "", NULL);
        bool open =
            rows[i].number <= 2 || rows[i].number == 45; /* no routes of the table that methods are looked up in */

        if (rows[i].number > 0 && (answer.status != (open ? 404 : 405) || (!open && answer.body.len > 0))) {
            fail_msg("PATCH %s: %d", path, answer.status);
        }
        assert_null(answer_header(&answer, "Allow"));
        answer_fini(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(served_by_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(served_by_follower, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_methods, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
