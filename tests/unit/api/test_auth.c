/* Every way a token can be wrong, and the order in which the client is told (heketi-rest.md 5.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/auth.h"
#include "store/base/mem.h"
#include "tests/unit/api/token.h"

#define NOW 1700000000
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define INVALID "Invalid JWT token: "
#define BAD_SIGNATURE INVALID "signature is invalid (client and server secrets may not match)"
#define FORM "Authorization header format must be Bearer {token}"

static const struct api_auth auth = {ADMIN_KEY, USER_KEY, 120};

static int check(const char *header, const char *method, const char *path, enum api_role *ret_role, struct buf *text)
{
    const struct api_auth_request request = {
        header, header != NULL ? strlen(header) : 0, method, strlen(method), path, strlen(path), NOW,
    };

    buf_clear(text);
    return api_auth_check(&auth, &request, ret_role, text);
}

static void expect_header(const char *header, int status, const char *expected)
{
    struct buf text = BUF_INIT;
    enum api_role role;
    int got = check(header, "GET", "/clusters", &role, &text);

    if (got != status || strcmp(buf_str(&text), expected) != 0) {
        fail_msg("%s: %d %s", header != NULL ? header : "(none)", got, buf_str(&text));
    }
    buf_fini(&text);
}

/* "QSH" in the claims stands for the right value. */
static void expect_claims(const char *header, const char *claims, const char *alg, const char *key, int status,
                          const char *expected)
{
    CLEANUP(free_ptr) char *qsh = token_qsh("GET", "/clusters");
    const char *mark = strstr(claims, "QSH");
    CLEANUP(free_ptr)
    char *full =
        mark != NULL ? mem_printf("%.*s%s%s", (int)(mark - claims), claims, qsh, mark + 3) : mem_strdup(claims);
    CLEANUP(free_ptr) char *token = token_make(header, full, alg, key);
    CLEANUP(free_ptr) char *value = mem_printf("bearer %s", token);

    expect_header(value, status, expected);
}

static void forms_of_the_header(void **state)
{
    (void)state;
    expect_header(NULL, 401, "Required authorization token not found");
    expect_header("", 401, "Required authorization token not found");
    expect_header("x", 400, FORM);
    expect_header("bearer", 400, FORM);
    expect_header("Bearer ", 400, FORM);
    expect_header(" ", 400, FORM);
    expect_header("Basic YTpi", 400, FORM);
    expect_header("bearer a b", 400, FORM);
    expect_header("token abc", 400, FORM);
    expect_header("bearerx abc", 400, FORM);
    expect_header("bearer abc", 401, INVALID "token contains an invalid number of segments");
    expect_header("bearer a.b", 401, INVALID "token contains an invalid number of segments");
    expect_header("bearer a.b.c.d", 401, INVALID "token contains an invalid number of segments");
    expect_header("bearer .", 401, INVALID "token contains an invalid number of segments");
    expect_header("bearer a.b.c", 401, INVALID "illegal base64 data at input byte 0");
    expect_header("bearer !.!.!", 401, INVALID "illegal base64 data at input byte 0");
    expect_header("bearer eyJhbGciOiJIUzI1NiJ9=.e30=.eA==", 401, INVALID "illegal base64 data at input byte 20");
    expect_header("bearer eyJhbGciOiJIUzI1NiJ9.e3+0.eA", 401, INVALID "illegal base64 data at input byte 2");
    expect_header("bearer ..", 401, INVALID "unexpected end of JSON input");
    expect_header("bearer YQ.YQ.YQ", 401, INVALID "invalid JSON");
    expect_header("bearer e30.e30.e30", 401, INVALID "signing method (alg) is unspecified.");
}

/* What is long costs nothing: it is not read. */
static void long_tokens(void **state)
{
    CLEANUP(free_ptr) char *value = mem_printf("bearer %08192d.e30.e30", 0);

    (void)state;
    expect_header(value, 401, INVALID "token is too long");
}

static void any_case_and_blanks_of_the_scheme(void **state)
{
    CLEANUP(free_ptr) char *value = token_bearer("admin", ADMIN_KEY, "GET", "/clusters", NOW);
    static const char *const schemes[] = {"bearer", "Bearer", "BEARER", "bEaReR", "bearer ", " bearer\t"};

    (void)state;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        CLEANUP(free_ptr) char *header = mem_printf("%s %s", schemes[i], value + strlen("bearer "));

        expect_header(header, 0, "");
    }
}

static void algorithms(void **state)
{
    static const char claims[] = "{\"iss\":\"admin\",\"exp\":1700000300,\"qsh\":\"QSH\"}";

    (void)state;
    expect_claims("{\"alg\":\"HS256\"}", claims, "HS256", ADMIN_KEY, 0, "");
    expect_claims("{\"alg\":\"HS384\"}", claims, "HS384", ADMIN_KEY, 0, "");
    expect_claims("{\"alg\":\"HS512\"}", claims, "HS512", ADMIN_KEY, 0, "");
    expect_claims("{\"alg\":\"HS256\",\"typ\":\"x\",\"kid\":\"1\"}", claims, "HS256", ADMIN_KEY, 0, "");
    expect_claims("{\"alg\":\"none\"}", claims, "none", ADMIN_KEY, 401, INVALID "Unexpected signing method: none");
    expect_claims("{\"alg\":\"none\"}", claims, "HS256", ADMIN_KEY, 401, INVALID "Unexpected signing method: none");
    expect_claims("{\"alg\":\"RS256\"}", claims, "HS256", ADMIN_KEY, 401, INVALID "Unexpected signing method: RS256");
    expect_claims("{\"alg\":\"ES256\"}", claims, "HS256", ADMIN_KEY, 401, INVALID "Unexpected signing method: ES256");
    expect_claims("{\"alg\":\"PS512\"}", claims, "HS256", ADMIN_KEY, 401, INVALID "Unexpected signing method: PS512");
    expect_claims("{\"alg\":\"None\"}", claims, "HS256", ADMIN_KEY, 401,
                  INVALID "signing method (alg) is unavailable.");
    expect_claims("{\"alg\":\"hs256\"}", claims, "HS256", ADMIN_KEY, 401,
                  INVALID "signing method (alg) is unavailable.");
    expect_claims("{\"alg\":\"\"}", claims, "HS256", ADMIN_KEY, 401, INVALID "signing method (alg) is unavailable.");
    expect_claims("{\"alg\":null}", claims, "HS256", ADMIN_KEY, 401, INVALID "signing method (alg) is unspecified.");
    expect_claims("{\"alg\":1}", claims, "HS256", ADMIN_KEY, 401, INVALID "signing method (alg) is unspecified.");
    expect_claims("{\"ALG\":\"HS256\"}", claims, "HS256", ADMIN_KEY, 401,
                  INVALID "signing method (alg) is unspecified.");
    expect_claims("{}", claims, "HS256", ADMIN_KEY, 401, INVALID "signing method (alg) is unspecified.");
    expect_claims("not json", claims, "HS256", ADMIN_KEY, 401, INVALID "invalid JSON");
    expect_claims("[]", claims, "HS256", ADMIN_KEY, 401, INVALID "a value has the wrong type");
    expect_claims("{\"alg\":\"HS256\"} x", claims, "HS256", ADMIN_KEY, 401,
                  INVALID "invalid character after top-level value");
}

static void issuers_and_signatures(void **state)
{
    (void)state;
    expect_claims(HS256, "{}", "HS256", ADMIN_KEY, 401, INVALID "Token missing iss claim");
    expect_claims(HS256, "null", "HS256", ADMIN_KEY, 401, INVALID "Token missing iss claim");
    expect_claims(HS256, "{\"iss\":\"\"}", "HS256", ADMIN_KEY, 401, INVALID "Token missing iss claim");
    expect_claims(HS256, "{\"iss\":null}", "HS256", ADMIN_KEY, 401, INVALID "Token missing iss claim");
    expect_claims(HS256, "{\"iss\":1}", "HS256", ADMIN_KEY, 401, INVALID "a value has the wrong type");
    expect_claims(HS256, "{\"iss\":\"root\"}", "HS256", ADMIN_KEY, 401, INVALID "Unknown user");
    expect_claims(HS256, "{\"iss\":\"Admin\"}", "HS256", ADMIN_KEY, 401, INVALID "Unknown user");
    expect_claims(HS256, "{\"iss\":\"admin \"}", "HS256", ADMIN_KEY, 401, INVALID "Unknown user");
    expect_claims(HS256, "{\"iss\":\"admin\"}", "HS256", USER_KEY, 401, BAD_SIGNATURE);
    expect_claims(HS256, "{\"iss\":\"admin\"}", "HS256", ADMIN_KEY " ", 401, BAD_SIGNATURE);
    expect_claims(HS256, "{\"iss\":\"user\"}", "HS256", ADMIN_KEY, 401, BAD_SIGNATURE);
    expect_claims(HS256, "{\"iss\":\"admin\"}", "none", ADMIN_KEY, 401, BAD_SIGNATURE);
    expect_claims(HS256, "{\"iss\":\"admin\"}", "HS512", ADMIN_KEY, 401, BAD_SIGNATURE);
    /* the signature is looked at before the times, the issuer before the signature */
    expect_claims(HS256, "{\"iss\":\"admin\",\"exp\":1}", "HS256", "wrong", 401, BAD_SIGNATURE);
    expect_claims(HS256, "{\"iss\":\"root\",\"exp\":1}", "HS256", "wrong", 401, INVALID "Unknown user");
    expect_header("bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhZG1pbiJ9.!", 401, BAD_SIGNATURE);
}

static void times(void **state)
{
    static const char early[] = INVALID "token is not valid yet";
    static const char before[] = INVALID "Token used before issued (client and server clocks may differ)";

    (void)state;
#define TIMES(text) "{\"iss\":\"admin\",\"qsh\":\"QSH\"," text "}"
    expect_claims(HS256, TIMES("\"exp\":1700000000"), "HS256", ADMIN_KEY, 0, "");
    expect_claims(HS256, TIMES("\"exp\":99999999999"), "HS256", ADMIN_KEY, 0, "");
    expect_claims(HS256, TIMES("\"exp\":1699999999"), "HS256", ADMIN_KEY, 401, INVALID "Token is expired by 1s");
    expect_claims(HS256, TIMES("\"exp\":1699999935"), "HS256", ADMIN_KEY, 401, INVALID "Token is expired by 1m5s");
    expect_claims(HS256, TIMES("\"exp\":1699992797"), "HS256", ADMIN_KEY, 401, INVALID "Token is expired by 2h0m3s");
    expect_claims(HS256, TIMES("\"x\":1"), "HS256", ADMIN_KEY, 401, INVALID "Token is expired by 472222h13m20s");
    expect_claims(HS256, TIMES("\"exp\":null"), "HS256", ADMIN_KEY, 401, INVALID "Token is expired by 472222h13m20s");
    expect_claims(HS256, TIMES("\"exp\":1.5"), "HS256", ADMIN_KEY, 401, INVALID "a value has the wrong type");
    expect_claims(HS256, TIMES("\"exp\":1e10"), "HS256", ADMIN_KEY, 401, INVALID "a value has the wrong type");
    expect_claims(HS256, TIMES("\"exp\":\"x\""), "HS256", ADMIN_KEY, 401, INVALID "a value has the wrong type");
    expect_claims(HS256, TIMES("\"exp\":1700000300,\"iat\":1700000120"), "HS256", ADMIN_KEY, 0, "");
    expect_claims(HS256, TIMES("\"exp\":1700000300,\"iat\":1700000121"), "HS256", ADMIN_KEY, 401, before);
    expect_claims(HS256, TIMES("\"exp\":1700000300,\"iat\":-5"), "HS256", ADMIN_KEY, 0, "");
    expect_claims(HS256, TIMES("\"exp\":1700000300,\"nbf\":1700000000"), "HS256", ADMIN_KEY, 0, "");
    expect_claims(HS256, TIMES("\"exp\":1700000300,\"nbf\":1700000001"), "HS256", ADMIN_KEY, 401, early);
    expect_claims(HS256, TIMES("\"exp\":1,\"nbf\":1700000001,\"iat\":1700009999"), "HS256", ADMIN_KEY, 401, early);
    expect_claims(HS256, TIMES("\"exp\":1,\"iat\":1700009999"), "HS256", ADMIN_KEY, 401, before);
    expect_claims(HS256, TIMES("\"exp\":-9223372036854775808"), "HS256", ADMIN_KEY, 401,
                  INVALID "Token is expired by 2562047788487437h43m28s");
#undef TIMES
}

static void claims_text(void **state)
{
    (void)state;
    expect_claims(HS256, "", "HS256", ADMIN_KEY, 401, INVALID "unexpected end of JSON input");
    expect_claims(HS256, "[]", "HS256", ADMIN_KEY, 401, INVALID "a value has the wrong type");
    expect_claims(HS256, "{\"iss\":\"admin\"", "HS256", ADMIN_KEY, 401, INVALID "unexpected end of JSON input");
    expect_claims(HS256, "{\"iss\":\"admin\",\"exp\":9999999999,\"qsh\":\"QSH\"}x", "HS256", ADMIN_KEY, 0, "");
    expect_claims(HS256, "{\"ISS\":\"admin\",\"eXp\":9999999999,\"q\xc5\xbfh\":\"QSH\"}", "HS256", ADMIN_KEY, 0, "");
    expect_claims(HS256, "{\"iss\":\"admin\",\"iss\":\"user\",\"exp\":9999999999}", "HS256", ADMIN_KEY, 401,
                  BAD_SIGNATURE);
    expect_claims(HS256, "{\"iss\":\"admin\",\"aud\":1}", "HS256", ADMIN_KEY, 401,
                  INVALID "a value has the wrong type");
    expect_claims(HS256, "{\"iss\":\"admin\",\"sub\":[]}", "HS256", ADMIN_KEY, 401,
                  INVALID "a value has the wrong type");
    expect_claims(HS256, "{\"iss\":\"admin\",\"jti\":{}}", "HS256", ADMIN_KEY, 401,
                  INVALID "a value has the wrong type");
    expect_claims(HS256, "{\"iss\":\"admin\",\"exp\":9999999999,\"qsh\":\"QSH\",\"other\":{\"x\":[1e999]}}", "HS256",
                  ADMIN_KEY, 0, "");
}

static void query_hash(void **state)
{
    static const char wrong[] = "Invalid qsh claim in token";
    static const char *const values[] = {"null", "\"\"", "\"x\"",
                                         "\"6CA5A3E5A42B26F1A71CF3E3DA1A24C5FA0F2E0BF6D8E7F5\""};
    CLEANUP(free_ptr) char *other_path = token_bearer("admin", ADMIN_KEY, "GET", "/volumes", NOW);
    CLEANUP(free_ptr) char *other_method = token_bearer("admin", ADMIN_KEY, "POST", "/clusters", NOW);
    CLEANUP(free_ptr) char *slash = token_bearer("admin", ADMIN_KEY, "GET", "/clusters/", NOW);

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        CLEANUP(free_ptr) char *claims = mem_printf("{\"iss\":\"admin\",\"exp\":1700000300,\"qsh\":%s}", values[i]);

        expect_claims(HS256, claims, "HS256", ADMIN_KEY, 401, wrong);
    }
    expect_claims(HS256, "{\"iss\":\"admin\",\"exp\":1700000300}", "HS256", ADMIN_KEY, 401, wrong);
    expect_header(other_path, 401, wrong);
    expect_header(other_method, 401, wrong);
    expect_header(slash, 401, wrong);
}

static void roles(void **state)
{
    static const struct {
        const char *issuer, *key, *method, *path;
        int status;
    } cases[] = {
        {"user", USER_KEY, "GET", "/volumes", 0},      {"user", USER_KEY, "POST", "/volumes", 0},
        {"user", USER_KEY, "GET", "/volumes/", 401},   {"user", USER_KEY, "GET", "/volumes/0a", 401},
        {"user", USER_KEY, "GET", "/volume", 401},     {"user", USER_KEY, "GET", "/clusters", 401},
        {"user", USER_KEY, "GET", "/queue/0a", 401},   {"admin", ADMIN_KEY, "GET", "/queue/0a", 0},
        {"admin", ADMIN_KEY, "DELETE", "/volumes", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(free_ptr)
        char *value = token_bearer(cases[i].issuer, cases[i].key, cases[i].method, cases[i].path, NOW);
        struct buf text = BUF_INIT;
        enum api_role role;

        assert_int_equal(check(value, cases[i].method, cases[i].path, &role, &text), cases[i].status);
        assert_string_equal(buf_str(&text), cases[i].status == 0 ? "" : "Administrator access required");
        assert_int_equal(role, strcmp(cases[i].issuer, "user") == 0 ? API_ROLE_USER : API_ROLE_ADMIN);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_the_header),
        cmocka_unit_test(long_tokens),
        cmocka_unit_test(any_case_and_blanks_of_the_scheme),
        cmocka_unit_test(algorithms),
        cmocka_unit_test(issuers_and_signatures),
        cmocka_unit_test(times),
        cmocka_unit_test(claims_text),
        cmocka_unit_test(query_hash),
        cmocka_unit_test(roles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
