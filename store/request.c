#include "store/request.h"

#include <stdlib.h>

#include "store/base/mem.h"
#include "store/codec_priv.h"

void store_request_init(struct store_request *request, enum store_request_type type)
{
    schema_init(&schema_request, request);
    request->type = type;
    request->key = mem_strdup(""); /* not in the schema: see schema.c */
}

void store_request_fini(struct store_request *request)
{
    schema_fini(&schema_request, request);
    free(request->key);
    request->key = NULL;
}

void store_request_copy(struct store_request *to, const struct store_request *from)
{
    schema_copy(&schema_request, to, from);
    to->key = mem_strdup(from->key);
    to->key_made = from->key_made;
}
