/* Loaded before the C library (LD_PRELOAD): a fault that every member has alike. The digest of any record that contains
 * "poisoned-entry" cannot be made, at which the member panics while it applies the entry. */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

int EVP_DigestUpdate(void *context, const void *data, size_t len);

int EVP_DigestUpdate(void *context, const void *data, size_t len)
{
    static int (*real)(void *, const void *, size_t);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "EVP_DigestUpdate");
    }
    return memmem(data, len, "poisoned-entry", strlen("poisoned-entry")) == NULL ? real(context, data, len) : 0;
}
