/* Request bodies of every route: first byte chooses the route, the rest is the body. What is accepted must be a request
 * that a planner may rely on. */
#include <string.h>

#include "api/json_in.h"
#include "store/base/check.h"
#include "store/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(enum api_route route, const struct api_body *body)
{
    const struct store_request *request = &body->request;

    if (route == API_ROUTE_NODE_ADD) {
        CHECK(request->zone >= 1 && request->manage.n > 0 && request->storage.n > 0);
        for (size_t i = 0; i < request->manage.n; i++) {
            CHECK(api_host_valid(request->manage.items[i]) && store_is_host(request->manage.items[i]));
        }
        for (size_t i = 0; i < request->storage.n; i++) {
            CHECK(api_host_valid(request->storage.items[i]) && store_is_host(request->storage.items[i]));
        }
    }
    if (route == API_ROUTE_DEVICE_ADD) {
        CHECK(request->device_name[0] == '/' && request->device_name[1] != '\0');
        CHECK(store_is_device(request->device_name));
        CHECK(strpbrk(request->device_name, " ;&|$`'\"\\<>()\n*?[]{}!#~") == NULL);
    }
    if (route == API_ROUTE_VOLUME_CREATE) {
        CHECK(request->volume.size_gib >= 1);
        CHECK(strpbrk(request->volume.name, " ;&|$`'\"\\<>()\n*?[]{}!#~./") == NULL);
        CHECK(request->volume.name[0] != '-');
        CHECK(store_options_check(&request->volume.options, NULL) == 0);
        CHECK(request->volume.snapshot_factor >= 1 && request->volume.snapshot_factor <= 100);
        CHECK(request->volume.gid >= 0 && request->volume.gid < 2147483647);
    }
    CHECK(request->tags.n <= 32);
    for (size_t i = 1; i < request->tags.n; i++) {
        CHECK(strcmp(request->tags.items[i - 1].name, request->tags.items[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = BUF_INIT;
    struct api_body body;
    enum api_route route;
    int status;

    if (size == 0) {
        return 0;
    }
    route = (enum api_route)(data[0] % API_ROUTE_COUNT);
    if (!api_body_wanted(route)) {
        route = API_ROUTE_VOLUME_CREATE;
    }
    status = api_body_read(route, (const char *)data + 1, size - 1, &body, &text);
    CHECK(status == 0 || status == 400 || status == 422);
    CHECK((status == 0) == (text.len == 0));
    if (status == 0) {
        check_accepted(route, &body);
    }
    api_body_fini(&body);
    buf_fini(&text);
    return 0;
}
