/* Dumps of anybody: refused with a reason, or a whole database. */
#include "daemon/import.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import_report report;
    struct store *store = NULL;
    struct err err = ERR_INIT;
    int rc = import_dump((const char *)data, size, &store, &report);

    CHECK(rc == 0 || (rc == E_INVALID && report.n_errors > 0 && report.errors.n > 0));
    if (rc == 0) {
        CHECK(store_check(store, &err) == 0);
    }
    store_free(store);
    json_decref(import_report_json(&report));
    import_report_fini(&report);
    return 0;
}
