/* The Authorization header, the path and its routing: first line is the raw path, the rest the header's value. Nothing
 * that was not signed with a key may pass. */
#include <string.h>

#include "api/auth.h"
#include "api/path.h"
#include "api/router.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const struct buf *path)
{
    struct buf clean = BUF_INIT, again = BUF_INIT, escaped = BUF_INIT, decoded = BUF_INIT;
    struct api_match match;

    api_path_clean(path->data, path->len, &clean);
    CHECK(clean.len > 0 && clean.data[0] == '/');
    api_path_clean(clean.data, clean.len, &again);
    CHECK(again.len == clean.len && memcmp(again.data, clean.data, clean.len) == 0);
    api_path_escape(clean.data, clean.len, &escaped);
    CHECK(strpbrk(buf_str(&escaped), "\r\n \"<>") == NULL);
    CHECK(api_path_decode(escaped.data, escaped.len, &decoded));
    CHECK(decoded.len == clean.len && memcmp(decoded.data, clean.data, clean.len) == 0);
    match = api_route_match("GET", 3, clean.data, clean.len);
    CHECK(match.id == NULL || (match.id > clean.data && match.id + match.id_len <= clean.data + clean.len));
    buf_fini(&clean);
    buf_fini(&again);
    buf_fini(&escaped);
    buf_fini(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct api_auth auth = {"admin key that is not in any seed", "user key that is not either", 120};
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t path_len = line != NULL ? (size_t)(line - data) : size;
    struct buf path = BUF_INIT, text = BUF_INIT;
    enum api_role role;

    if (api_path_decode((const char *)data, path_len, &path)) {
        const struct api_auth_request request = {
            .header = line != NULL ? (const char *)line + 1 : NULL,
            .header_len = line != NULL ? size - path_len - 1 : 0,
            .method = "GET",
            .method_len = 3,
            .path = path.data,
            .path_len = path.len,
            .now_s = 1700000000,
        };
        int status = api_auth_check(&auth, &request, &role, &text);

        CHECK(status == 400 || status == 401);
        CHECK(text.len > 0);
        check_path(&path);
    }
    buf_fini(&path);
    buf_fini(&text);
    return 0;
}
