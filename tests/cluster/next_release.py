"""Builds what a later release might be: it understands one more feature level, which brings one command and one field."""

import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# file: what is replaced by what
CHANGES = {
    "store/level.h": [("#define STORE_LEVEL_MAX 2", "#define STORE_LEVEL_MAX 3")],
    "store/types.h": [("    enum store_hold hold;", "    uint32_t note; /* since level 3 */\n    enum store_hold hold;")],
    "store/keys.h": [("    KEY_SETTINGS_HOLD = 8,\n", "    KEY_SETTINGS_HOLD = 8,\n    KEY_SETTINGS_NOTE = 9,\n")],
    "store/schema.c": [("    SCALAR(struct store_settings, feature_level,",
                        "    SCALAR(struct store_settings, note, KEY_SETTINGS_NOTE, F_U32),\n"
                        "    SCALAR(struct store_settings, feature_level,")],
    "store/command.h": [("STORE_CMD_LEVEL = 44,", "STORE_CMD_NOTE = 60,\n STORE_CMD_LEVEL = 44,")],
    "store/command.c": [("    case STORE_CMD_LEVEL:\n", "    case STORE_CMD_NOTE:\n    case STORE_CMD_LEVEL:\n")],
    "store/store_priv.h": [("RULE(level);\n", "RULE(level);\nRULE(note);\n")],
    "store/apply.c": [("    [STORE_CMD_LEVEL] =", "    [STORE_CMD_NOTE] = {check_note, commit_note},\n    [STORE_CMD_LEVEL] =")],
    "store/apply_settings.c": [
        ("uint32_t store_cmd_level(const struct store_cmd *cmd)\n{\n",
         "uint32_t store_cmd_level(const struct store_cmd *cmd)\n{\n"
         "    if (cmd->type == STORE_CMD_NOTE) {\n        return STORE_LEVEL_MAX;\n    }\n"),
        ("enum store_code check_empty_job(",
         "enum store_code check_note(const struct store *store, const struct store_cmd *cmd, struct store_result *result)\n"
         "{\n    (void)store;\n    (void)cmd;\n    (void)result;\n    return STORE_OK;\n}\n\n"
         "void commit_note(struct store *store, uint64_t index, const struct store_cmd *cmd)\n"
         "{\n    struct store_settings next = store->settings.rec;\n\n    (void)index;\n    next.id = STORE_SETTINGS_ID;\n"
         "    next.note = cmd->settings.note;\n    update_settings(store, &next);\n}\n\nenum store_code check_empty_job(")],
    "daemon/upgrade.c": [
        ("    if (member->raising ||",
         "    if (!member->raising && member_serving(member) && store_level(member->store) >= STORE_LEVEL_MAX &&\n"
         "        store_settings(member->store)->note == 0) {\n"
         "        store_cmd_init(&cmd, STORE_CMD_NOTE);\n        cmd.settings.note = 7;\n        member->raising = true;\n"
         "        member_propose(member, &cmd, raised, member);\n        store_cmd_fini(&cmd);\n        return;\n    }\n"
         "    if (member->raising ||"),
        ("    document = json_pack(\"{s:I, ", "    document = json_pack(\"{s:I, s:I, "),
        ("\"feature_level\", (json_int_t)level,",
         "\"note\", (json_int_t)store_settings(member->store)->note, \"feature_level\", (json_int_t)level,")],
}


def build():
    """The daemon, built from a copy of this tree with the changes."""
    folder = os.path.join(ROOT, "build", "next")
    source = os.path.join(folder, "source")
    os.makedirs(source, exist_ok=True)
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "Makefile", "store", "consensus",
                            "daemon", "api", "cli", "tests/simulation/rules.mk"],
                           check=True, capture_output=True, text=True).stdout.split()
    for name in names:
        path = os.path.join(source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if name in CHANGES:
            with open(os.path.join(ROOT, name), encoding="utf-8") as file:
                text = file.read()
            for old, new in CHANGES[name]:
                assert text.count(old) == 1, f"{name}: '{old}' is there {text.count(old)} times"
                text = text.replace(old, new)
            write(path, text)
        elif not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(os.path.join(ROOT, name)):
            shutil.copy2(os.path.join(ROOT, name), path)
    done = subprocess.run(["make", "-C", source, f"-j{os.cpu_count()}", f"CC={os.environ.get('CC', 'gcc')}",
                           "build/release/hecated"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return os.path.join(source, "build", "release", "hecated")


def write(path, text):
    """Only when it differs, so that make builds no more than it has to."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    print(build())
