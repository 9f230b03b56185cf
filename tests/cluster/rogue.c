/* Loaded before the library of raft (LD_PRELOAD): a leader that proposes what nobody can apply. A command that contains
 * one of these names, and that its own member has judged, becomes something else on its way into the log. */
#include <dlfcn.h>
#include <raft.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name, *command;
    size_t len;
} commands[] = {
    {"command-of-no-release", "no command", 10},
    {"command-of-nothing", "", 0},
    {"command-of-a-later-release", "\x82\x00\x01\x01\x32", 5},
};

int raft_step(struct raft *r, struct raft_event *event, struct raft_update *update)
{
    static int (*real)(struct raft *, struct raft_event *, struct raft_update *);

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "raft_step");
    }
    for (unsigned i = 0; event->type == RAFT_SUBMIT && i < event->submit.n; i++) {
        struct raft_entry *entry = &event->submit.entries[i];

        for (size_t j = 0; entry->type == RAFT_COMMAND && j < sizeof(commands) / sizeof(commands[0]); j++) {
            if (memmem(entry->buf.base, entry->buf.len, commands[j].name, strlen(commands[j].name)) != NULL) {
                entry->buf = (struct raft_buffer){.base = (void *)commands[j].command, .len = commands[j].len};
                break;
            }
        }
    }
    return real(r, event, update);
}
