/* Texts for people without a token do not tell where files of this host are. */
#include <string.h>

#include "daemon/config.h"
#include "store/base/buf.h"

struct file {
    const char *path, *key;
};

static const struct file *longest_at(const struct file *files, size_t n, const char *text)
{
    const struct file *found = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t len = files[i].path != NULL ? strlen(files[i].path) : 0;

        if (len > 1 && strncmp(text, files[i].path, len) == 0 && (found == NULL || len > strlen(found->path))) {
            found = &files[i];
        }
    }
    return found;
}

void cfg_hide_files(const struct cfg *cfg, const char *text, struct buf *ret_text)
{
    const struct file files[] = {
        {cfg->cert_file, "cert_file"},
        {cfg->key_file, "key_file"},
        {cfg->tls_ca, "cluster.tls.ca"},
        {cfg->tls_cert, "cluster.tls.cert"},
        {cfg->tls_key, "cluster.tls.key"},
        {cfg->api_ca, "cluster.tls.api_ca"},
        {cfg->data_dir, "cluster.data_dir"},
        {cfg->ssh_keyfile, "glusterfs.sshexec.keyfile"},
        {cfg->ssh_known_hosts, "glusterfs.sshexec.known_hosts"},
    };

    while (*text != '\0') {
        const struct file *file = longest_at(files, sizeof(files) / sizeof(*files), text);

        if (file != NULL) {
            buf_append_str(ret_text, file->key);
            text += strlen(file->path);
        } else {
            buf_append_char(ret_text, *text++);
        }
    }
}
