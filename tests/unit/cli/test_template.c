/* Templates: what they print of a topology, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/template.h"
#include "store/base/mem.h"

#define TOPOLOGY                                                                                            \
    "{\"clusters\":["                                                                                       \
    "{\"id\":\"c1\",\"file\":true,\"block\":false,\"volumes\":[{\"name\":\"v1\",\"size\":10,"               \
    "\"snapshot\":{\"enable\":true,\"factor\":1.5},\"durability\":{\"type\":\"replicate\"},"                \
    "\"mount\":{\"glusterfs\":{\"hosts\":[\"h1\",\"h2\"],\"device\":\"h1:v1\",\"options\":{\"o\":\"x\"}}}," \
    "\"bricks\":[{\"id\":\"b1\",\"size\":5},{\"id\":\"b2\",\"size\":6}]},{\"name\":\"v2\",\"size\":2}],"    \
    "\"nodes\":[{\"id\":\"n1\",\"zone\":3,\"tags\":{\"rack\":\"r1\",\"arbiter\":\"no\"},\"devices\":[]}]}," \
    "{\"id\":\"c2\",\"volumes\":[],\"nodes\":[]}]}"

static void expect(const char *text, const char *want, const char *want_error)
{
    json_t *topology = json_loads(TOPOLOGY, 0, NULL);
    struct buf out = BUF_INIT;
    char *error = NULL;

    assert_non_null(topology);
    (void)template_run(text, topology, &out, &error);
    assert_string_equal(error != NULL ? error : "", want_error);
    if (*want_error == '\0') {
        assert_string_equal(buf_str(&out), want);
    }
    free(error);
    buf_fini(&out);
    json_decref(topology);
}

struct row {
    const char *text, *want;
};

static void expect_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        expect(rows[i].text, rows[i].want, "");
    }
}

#define EACH_VOLUME "{{range .ClusterList}}{{range .Volumes}}"
#define ENDS "{{end}}{{end}}"

static void test_fields(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"text } { only\n", "text } { only\n"},
        {"{{range .ClusterList}}{{.Id}}{{end}}", "c1c2"},
        {EACH_VOLUME "{{.Name}}:{{.Size}} " ENDS, "v1:10 v2:2 "},
        {EACH_VOLUME "{{.Mount.GlusterFS.MountPoint}}{{.Snapshot.Factor}}{{.Snapshot.Enable}}," ENDS,
         "h1:v11.5true,0false,"},
        {EACH_VOLUME "{{.Mount.GlusterFS.Hosts}}{{.Mount.GlusterFS.Options}}" ENDS, "[h1 h2]map[o:x][]map[]"},
        {EACH_VOLUME "{{.Mount.GlusterFS.Options.o}}|{{.Mount.GlusterFS.Options.p}};" ENDS,
         "x|<no value>;<no value>|<no value>;"},
        {"{{range .ClusterList}}{{range .Nodes}}{{.Zone}}{{.Tags}}{{.Tags.rack}}{{.DevicesInfo}}" ENDS,
         "3map[arbiter:no rack:r1]r1[]"},
        {EACH_VOLUME "{{.Durability}}" ENDS, "{replicate {0} {0 0}}{ {0} {0 0}}"},
    };

    (void)state;
    expect_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void test_flow(void **state)
{
    static const struct row rows[] = {
        {"{{range .ClusterList}}{{if .File}}f{{else if .Block}}b{{else}}-{{end}}{{end}}", "f-"},
        {"{{range .ClusterList}}{{range .Nodes}}n{{else}}none{{end}}{{end}}", "nnone"},
        {"{{range $i, $c := .ClusterList}}{{$i}}={{$c.Id}}{{range .Nodes}}({{$c.Id}}{{.Id}}){{end}} {{end}}",
         "0=c1(c1n1) 1=c2 "},
        {"{{range $c := .ClusterList}}{{$c.Id}}{{end}}", "c1c2"},
        {"{{range .ClusterList}}{{range .Nodes}}{{range $k, $v := .Tags}}{{$k}}:{{$v}} {{end}}" ENDS,
         "arbiter:no rack:r1 "},
        {"{{with .ClusterList}}{{len .}}{{end}}{{with false}}x{{else}}y{{end}}", "2y"},
        {"{{$n := 1}}{{range .ClusterList}}{{$n = 5}}{{end}}{{$n}}{{$.ClusterList | len}}", "52"},
        {"{{range .ClusterList}}{{$x := .Id}}{{end}}a {{- /* comment */ -}}  b", "ab"},
        {"a  {{- 1 -}}  b {{1}} c", "a1b 1 c"},
        {"{{if and .ClusterList true}}y{{end}}{{if or false nil}}n{{end}}{{if not 0}}y{{end}}", "yy"},
    };

    (void)state;
    expect_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void test_functions(void **state)
{
    static const struct row rows[] = {
        {EACH_VOLUME "{{if gt .Size 5}}{{.Name}}{{end}}" ENDS, "v1"},
        {"{{eq 1 2 1}}{{ne \"a\" \"b\"}}{{lt 1 1.5}}{{le 2 2}}{{ge 1 2}}{{eq true true}}", "truetruetruetruefalsetrue"},
        {"{{(index .ClusterList 1).Id}}{{index (index .ClusterList 0).Volumes 1 | printf \"%v\" | len}}", "c272"},
        {"{{printf \"%-5s|%5s|%05d|%+d|%.2f|%5.1f|%t|%q|%x|%%\" \"ab\" `c` 42 7 1.005 2.25 true \"x\\\"y\" 255}}",
         "ab   |    c|00042|+7|1.00|  2.2|true|\"x\\\"y\"|ff|%"},
        {"{{printf \"%d %s\" \"x\" 1}}{{printf \"%d\"}}{{printf \"%\"}}",
         "%!d(string=x) %!s(int=1)%!d(MISSING)%!(NOVERB)"},
        {"{{print 1 2 \"a\" 3}}{{println 1 \"b\"}}", "1 2a31 b\n"},
        {"{{.ClusterList | len | printf \"%03d\"}}{{\"a\\tb\"}}{{-3}}", "002a\tb-3"},
    };

    (void)state;
    expect_rows(rows, sizeof(rows) / sizeof(*rows));
}

static void test_errors(void **state)
{
    static const struct row rows[] = {
        {"{{.Nosuch}}",
         "failed to execute template: template: topology:1:2: executing \"topology\" at <.Nosuch>: can't "
         "evaluate field Nosuch in type *api.TopologyInfoResponse"},
        {"\n{{range .ClusterList}}\n {{.Nosuch}}{{end}}", "failed to execute template: template: topology:3:3: "
                                                          "executing \"topology\" at <.Nosuch>: can't evaluate field "
                                                          "Nosuch in type api.Cluster"},
        {"{{.ClusterList.Id}}", "failed to execute template: template: topology:1:2: executing \"topology\" at "
                                "<.ClusterList.Id>: can't evaluate field Id in type []api.Cluster"},
        {"{{index .ClusterList 7}}", "failed to execute template: template: topology:1:2: executing \"topology\" at "
                                     "<index .ClusterList 7>: error calling index: index out of range: 7"},
        {"{{range 3}}{{end}}",
         "failed to execute template: template: topology:1:8: executing \"topology\" at <3>: range "
         "can't iterate over type int"},
        {"{{eq 1 \"a\"}}",
         "failed to execute template: template: topology:1:2: executing \"topology\" at <eq 1 \"a\">: "
         "error calling eq: incompatible types for comparison"},
        {"{{if true}}x", "failed to parse template: template: topology:1: unexpected EOF"},
        {"{{if false}}{{range}}{{end}}{{end}}",
         "failed to parse template: template: topology:1: unexpected word or sign in an action"},
        {"a{{end}}", "failed to parse template: template: topology:1: unexpected {{end}}"},
        {"{{if true}}{{else}}{{else}}{{end}}", "failed to parse template: template: topology:1: unexpected {{else}}"},
        {"{{.Id", "failed to parse template: template: topology:1: unclosed action"},
        {"{{\"a}}", "failed to parse template: template: topology:1: unterminated quoted string"},
        {"{{$x}}", "failed to parse template: template: topology:1: undefined variable"},
        {"{{if true}}{{$x := 1}}{{end}}{{$x}}", "failed to parse template: template: topology:1: undefined variable"},
        {"{{nosuch 1}}", "failed to parse template: template: topology:1: unexpected word or sign in an action"},
        {"{{1 2}}", "failed to parse template: template: topology:1: only functions take arguments"},
        {"{{1 | 2}}", "failed to parse template: template: topology:1: a pipeline goes on with a function"},
        {"{{(1}}", "failed to parse template: template: topology:1: unclosed left paren"},
        {"{{/* x", "failed to parse template: template: topology:1: unclosed comment"},
        {"{{12x}}", "failed to parse template: template: topology:1: bad number syntax"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        expect(rows[i].text, "", rows[i].want);
    }
}

/* Nesting has a limit, not the stack. */
static void test_depth(void **state)
{
    struct buf text = BUF_INIT;

    (void)state;
    buf_append_str(&text, "{{");
    for (int i = 0; i < 10000; i++) {
        buf_append_char(&text, '(');
    }
    expect(buf_str(&text), "", "failed to parse template: template: topology:1: nested too deeply");
    buf_fini(&text);
    for (int i = 0; i < 10000; i++) {
        buf_append_str(&text, "{{if 1}}");
    }
    expect(buf_str(&text), "", "failed to parse template: template: topology:1: nested too deeply");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_flow),  cmocka_unit_test(test_functions),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
