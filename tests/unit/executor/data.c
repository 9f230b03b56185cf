#include "tests/unit/executor/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/buf.h"
#include "store/base/mem.h"

char *data_read(const char *name)
{
    CLEANUP(free_ptr) char *path = mem_printf("tests/unit/executor/data/%s", name);
    struct buf text = BUF_INIT;
    FILE *file = fopen(path, "rb");
    char data[4096];
    size_t n;

    if (file == NULL) {
        fail_msg("%s cannot be read (tests run in the root of the repository)", path);
    }
    while ((n = fread(data, 1, sizeof(data), file)) > 0) {
        buf_append(&text, data, n);
    }
    (void)fclose(file); /* only read from */
    return buf_take(&text);
}

void data_rename_volume(char **text, const char *name)
{
    const char *volume = strstr(*text, "<volume>"), *from = strstr(volume, "<name>") + strlen("<name>");
    char *renamed = mem_printf("%.*s%s%s", (int)(from - *text), *text, name, strchr(from, '<'));

    free(*text);
    *text = renamed;
}
