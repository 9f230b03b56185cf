#include "store/words.h"

#include <string.h>

#include "store/base/mem.h"
#include "store/base/text.h"

#define NAME_MAX_BYTES 255
#define SHOWN_MAX 120 /* bytes of an unfit word in a message */

/* The first len bytes of text, or fewer: cut in front of a character of UTF-8, never inside. */
static int shown_len(const char *text, size_t len)
{
    if (len > SHOWN_MAX) {
        len = SHOWN_MAX;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    return (int)len;
}

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits > 0 && text[digits] == '.') {
        text += digits + 1;
        digits = strspn(text, "0123456789");
    }
    return digits > 0 && text[digits] == '\0';
}

/* C0, DEL, and C1 as UTF-8 has it. */
static bool has_control(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < ' ' || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)) {
            return true;
        }
    }
    return false;
}

/* What is no character of Unicode is none of XML either (U+FFFE, U+FFFF), or will be none of something else. Where a
 * volume has one in an option, Gluster's client says nothing in XML about any volume any more. */
static bool has_noncharacter(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool last_of_plane = p[0] == 0xef && p[1] == 0xbf;          /* U+FFC0 to U+FFFF */
        bool last_of_other = p[0] >= 0xf0 && (p[1] & 0x0f) == 0x0f; /* U+nF000 to U+nFFFF */

        if (last_of_plane && p[2] >= 0xbe) {
            return true;
        }
        if (last_of_other && p[2] == 0xbf && p[3] >= 0xbe) {
            return true;
        }
        if (p[0] == 0xef && p[1] == 0xb7 && p[2] >= 0x90 && p[2] <= 0xaf) { /* U+FDD0 to U+FDEF */
            return true;
        }
    }
    return false;
}

static bool is_utf8(const char *text)
{
    for (const char *end = text + strlen(text); text < end;) {
        size_t len = text_utf8_len(text, (size_t)(end - text));

        if (len == 0) {
            return false;
        }
        text += len;
    }
    return true;
}

int store_word_check(const char *word, struct err *reterr)
{
    if (strlen(word) > STORE_WORD_MAX) {
        return err_set(reterr, E_INVALID, "a word of %zu bytes, at most %d are supported", strlen(word),
                       STORE_WORD_MAX);
    }
    if (!is_utf8(word)) {
        return err_set(reterr, E_INVALID, "text that is no UTF-8 is not allowed");
    }
    if (has_control(word)) {
        return err_set(reterr, E_INVALID, "control characters and ends of lines are not allowed");
    }
    if (has_noncharacter(word)) {
        return err_set(reterr, E_INVALID, "code points that are no characters are not allowed");
    }
    for (const char *at = word; *at != '\0';) {
        size_t len = strcspn(at, " ");

        if (strncmp(at, "--", 2) == 0) {
            return err_set(reterr, E_INVALID,
                           "the word \"%.*s\" begins with \"--\": programs on the nodes would take it for an option "
                           "of their own",
                           shown_len(at, len), at);
        }
        at += len;
        at += strspn(at, " ");
    }
    if (word[0] == '-' && !is_number(word + 1)) {
        return err_set(reterr, E_INVALID,
                       "the word \"%.*s\" begins with \"-\" and is no number: programs on the nodes would take it for "
                       "an option of their own",
                       shown_len(word, strlen(word)), word);
    }
    return 0;
}

/* Would Gluster read the value back as it was written? */
static int check_volume_file(const char *key, const char *value, struct err *reterr)
{
    bool free_text = strncmp(key, "user.", 5) == 0 && strncmp(key, "user.xlator", 11) != 0;
    const char *found = strpbrk(key, "`\"\\#");

    if (found == NULL) {
        found = strpbrk(value, free_text ? "`" : "`\"\\#");
    }
    if (found == NULL && !free_text) { /* a blank between words; those around them mean nothing */
        const char *end = value + strspn(value, " ");

        end += strcspn(end, " ");
        found = end[strspn(end, " ")] != '\0' ? end : NULL;
    }
    if (found != NULL) {
        return err_set(reterr, E_INVALID,
                       "\"%.*s\" has a '%c', which means more than itself in the files that Gluster writes options to "
                       "(free text may only be a value of \"user.\", without backquotes)",
                       shown_len(value, strlen(value)), value, *found);
    }
    return 0;
}

/* Some of Gluster's options name files of the node that its processes write, read or run, as root. */
static int check_node_path(const char *key, const char *value, struct err *reterr)
{
    static const char *const of_volume[] = {"user.", "auth.", "nfs.export-dir"}; /* no paths, or of the volume */

    value += strspn(value, " ");
    for (size_t i = 0; i < sizeof(of_volume) / sizeof(*of_volume); i++) {
        if (strncmp(key, of_volume[i], strlen(of_volume[i])) == 0) {
            return 0;
        }
    }
    if (*value == '/') {
        return err_set(reterr, E_INVALID,
                       "\"%.*s\" names a file of the storage nodes, which Gluster would write, read or run as root: "
                       "set it there by hand",
                       shown_len(value, strlen(value)), value);
    }
    return 0;
}

int store_option_check(const char *option, struct err *reterr)
{
    const char *space = strchr(option, ' ');
    CLEANUP(free_ptr) char *key = NULL;
    int rc;

    if (strlen(option) > STORE_WORD_MAX) {
        return err_set(reterr, E_INVALID, "%zu bytes, at most %d are supported", strlen(option), STORE_WORD_MAX);
    }
    if (space == NULL) {
        rc = store_word_check(option, reterr);
        if (rc == 0 && strchr(option, '=') != NULL) { /* Gluster would say how it is to be called, and no more */
            rc = err_set(reterr, E_INVALID, "\"%.*s\" has no value: between key and value stands a blank, no \"=\"",
                         shown_len(option, strlen(option)), option);
        }
        return rc != 0 ? rc : check_volume_file(option, "", reterr);
    }
    key = mem_strndup(option, (size_t)(space - option));
    rc = store_word_check(key, reterr);
    rc = rc != 0 ? rc : store_word_check(space + 1, reterr);
    rc = rc != 0 ? rc : check_volume_file(key, space + 1, reterr);
    rc = rc != 0 ? rc : check_node_path(key, space + 1, reterr);
    if (rc == 0 && strcmp(key, "group") == 0 && strchr(space + 1, '/') != NULL) {
        rc = err_set(reterr, E_INVALID, "\"%.*s\" is no name of a group of options: it has a \"/\"",
                     shown_len(space + 1, strlen(space + 1)), space + 1);
    }
    return rc;
}

int store_options_check(const struct store_strs *options, struct err *reterr)
{
    size_t bytes = 0;

    if (options->n > STORE_OPTIONS_MAX) {
        return err_set(reterr, E_INVALID, "too many items specified (%zu), up to %d supported", options->n,
                       STORE_OPTIONS_MAX);
    }
    for (size_t i = 0; i < options->n; i++) {
        int rc = store_option_check(options->items[i], reterr);

        if (rc != 0) {
            (void)err_wrap(reterr, "item %zu", i + 1);
            return rc;
        }
        bytes += strlen(options->items[i]);
    }
    if (bytes > STORE_OPTIONS_BYTES_MAX) {
        return err_set(reterr, E_INVALID, "too long (%zu bytes in all), up to %d supported", bytes,
                       STORE_OPTIONS_BYTES_MAX);
    }
    return 0;
}

void store_options_split(struct store_strs *list, const char *text)
{
    const char *from = text != NULL ? text : "";

    for (;;) {
        const char *comma = strchr(from, ',');
        CLEANUP(free_ptr) char *part = mem_strndup(from, comma != NULL ? (size_t)(comma - from) : strlen(from));

        store_strs_add(list, part);
        if (comma == NULL) {
            return;
        }
        from = comma + 1;
    }
}

int store_path_check(const char *path, struct err *reterr)
{
    size_t len = strlen(path);

    if (len > STORE_PATH_MAX || path[0] != '/') {
        return err_set(reterr, E_INVALID, "\"%.*s\" is no absolute path of at most %d bytes", shown_len(path, len),
                       path, STORE_PATH_MAX);
    }
    if (strspn(path, STORE_LETTERS "/._-") != len) {
        return err_set(reterr, E_INVALID, "path \"%.*s\" has characters that are not allowed", shown_len(path, len),
                       path);
    }
    for (const char *part = path; part != NULL; part = strchr(part + 1, '/')) {
        size_t part_len = strcspn(part + 1, "/");

        if (part_len == 0 || (part_len <= 2 && strspn(part + 1, ".") == part_len)) {
            return err_set(reterr, E_INVALID, "path \"%.*s\" has a part that is empty, \".\" or \"..\"",
                           shown_len(path, len), path);
        }
    }
    return 0;
}

bool store_is_made_of(const char *text, const char *allowed, size_t bytes_max)
{
    size_t len = strlen(text);

    return len > 0 && len <= bytes_max && text[0] != '-' && strspn(text, allowed) == len;
}

bool store_is_name(const char *text)
{
    return store_is_made_of(text, STORE_LETTERS "_.-", NAME_MAX_BYTES);
}

bool store_is_volume_name(const char *text)
{
    return store_is_made_of(text, STORE_LETTERS "_-", STORE_PATH_MAX);
}

bool store_is_reserved_name(const char *text)
{
    static const char *const names[] = {"volume",
                                        "type",
                                        "subvolumes",
                                        "option",
                                        "end-volume",
                                        "all",
                                        "volume_not_in_ring",
                                        "description",
                                        "force",
                                        "snap-max-hard-limit",
                                        "snap-max-soft-limit",
                                        "auto-delete",
                                        "activate-on-create"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(text, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool store_is_host(const char *text)
{
    return store_is_made_of(text, STORE_LETTERS "._:-", NAME_MAX_BYTES);
}

bool store_is_device(const char *text)
{
    return text[0] == '/' && store_is_made_of(text, STORE_LETTERS "/_.:-", STORE_PATH_MAX);
}

void store_word_quote(struct buf *buf, const char *text)
{
    buf_append_char(buf, '\'');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'') {
            buf_append_str(buf, "'\\''");
        } else {
            buf_append_char(buf, *p);
        }
    }
    buf_append_char(buf, '\'');
}
