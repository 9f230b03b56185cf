/* Volume options: the effective list, and those that Heketi reads itself. */
#include <stdlib.h>
#include <string.h>

#include "store/base/mem.h"
#include "store/plan_priv.h"
#include "store/words.h"

void plan_options(struct store_strs *ret_options, const struct store_plan_env *env,
                  const struct store_volume_request *request)
{
    *ret_options = (struct store_strs){NULL, 0};
    store_options_split(ret_options, env->pre_options);
    if (request->block) {
        store_options_split(ret_options, env->block_options);
    }
    for (size_t i = 0; i < request->options.n; i++) {
        store_strs_add(ret_options, request->options.items[i]);
    }
    store_options_split(ret_options, env->post_options);
}

const char *plan_option(const struct store_strs *options, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = options->n; i > 0; i--) {
        const char *text = options->items[i - 1];

        if (strncmp(text, key, len) == 0 && (text[len] == ' ' || text[len] == '\0')) {
            return text[len] == ' ' ? text + len + 1 : "";
        }
    }
    return NULL;
}

bool plan_option_true(const struct store_strs *options, const char *key)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    const char *value = plan_option(options, key);

    for (size_t i = 0; value != NULL && i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcmp(value, yes[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- tag rules ---- */

/* Heketi's pattern is [a-zA-Z0-9.-_], where ".-_" is a range: '-' is not in it, but '/', ':' and others are. */
static bool in_class(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '.' && text[i] <= '_'))) {
            return false;
        }
    }
    return len > 0;
}

bool plan_tag_rule_parse(const char *text, struct plan_tag_rule *ret_rule)
{
    size_t len = strlen(text);

    *ret_rule = (struct plan_tag_rule){NULL, NULL, false};
    if (len == 0) {
        return true;
    }
    for (size_t i = len - 1; i > 0; i--) { /* the pattern is greedy: the last '=' with something after it */
        size_t name_len = text[i - 1] == '!' ? i - 1 : i;

        if (text[i] == '=' && in_class(text, name_len) && in_class(text + i + 1, len - i - 1)) {
            ret_rule->name = mem_strndup(text, name_len);
            ret_rule->value = mem_strdup(text + i + 1);
            ret_rule->differs = name_len < i;
            return true;
        }
    }
    return false;
}

void plan_tag_rule_fini(struct plan_tag_rule *rule)
{
    free(rule->name);
    free(rule->value);
    *rule = (struct plan_tag_rule){NULL, NULL, false};
}

bool plan_tag_rule_accepts(const struct plan_tag_rule *rule, const struct device_entry *device)
{
    const char *value;

    if (rule == NULL || rule->name == NULL) {
        return true;
    }
    value = store_tags_get(&device->rec.tags, rule->name); /* the device's tags win over its node's */
    value = value != NULL ? value : store_tags_get(&device->node->rec.tags, rule->name);
    return (value != NULL && strcmp(value, rule->value) == 0) != rule->differs;
}
