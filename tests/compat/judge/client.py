"""Replays recorded runs of the command line client: arguments, environment and input files; output, exit code, files."""

import json
import os
import re
import subprocess
import tempfile

from .renaming import Mismatch, Renaming
from .volatile import REASONS, Volatile, bracketed, parse

RUN_S = 20
MARK = "f" * 32  # makes a list of lines a set
# What follows from the random order of node ids, or is found on a node.
OWN_WORDS = (
    (r"(Mount: )[^\s:]+:", r"\1<host>:"),
    (r"(backup-volfile-servers=)(\S*)", lambda m: f"{m.group(1)}<{len([h for h in m.group(2).split(',') if h])} hosts>"),
    (r"(Hosts: )\[([^]]*)\]", lambda m: f"{m.group(1)}<{len(m.group(2).split())} hosts>"),
    (r"tmpsnap_[0-9a-f]{32}", "tmpsnap_<id>"),
    (r"(Physical Volume UUID: |Known Paths: ).*", r"\1<device>"),
    (r"Volume [0-9a-f]{8}-[0-9a-f-]{27}", "Volume <pv>"),
    (r"((/var)?/run/gluster)/\S*", r"\1/<clone>"),
    REASONS,
)


class Client:
    """Like replay.Replay. program: the client, which is called by the name of the original."""

    def __init__(self, header, url, control, program):
        self.url, self.control, self.program = url, control, program
        self.ids = Renaming()
        self.calls = 0
        self.differences = []
        self.volatile = Volatile(header, lambda cluster: None)

    def line(self, line):
        own = None
        try:
            if "control" in line:
                self.control(line["control"])
                return
            self.calls += 1
            argv, files = json.loads(self.ids.translate(json.dumps([line["argv"], line["files"]])))
            own = self.execute(argv, line["env"], files)
            self.compare(line, own)
        except subprocess.TimeoutExpired:
            self.differences.append((line, Mismatch("run", f"an end within {RUN_S} s", "none"), ""))
        except Mismatch as mismatch:
            self.differences.append((line, mismatch, json.dumps(own, ensure_ascii=False)))

    def execute(self, argv, env, files):
        with tempfile.TemporaryDirectory(prefix="hecate-compat-") as folder, \
                tempfile.TemporaryDirectory(prefix="hecate-compat-") as programs:
            program = os.path.join(programs, "heketi-cli")
            os.symlink(self.program, program)
            for name, text in files.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(text)
            environment = {"PATH": os.environ["PATH"], "HOME": folder}
            environment.update({name: value.replace("{SERVER}", self.url) for name, value in env.items()})
            done = subprocess.run([program] + [word.replace("{SERVER}", self.url) for word in argv], cwd=folder,
                                  env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_S, check=False)
            made = {}
            for name in sorted(set(os.listdir(folder)) - set(files)):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    made[name] = re.sub(r'("heketi.db": ")[^"]*', r"\1<base64>", file.read())
        out, err = (text.decode("utf-8", "replace").replace(self.url, "{SERVER}") for text in (done.stdout, done.stderr))
        return {"exit": done.returncode, "stdout": out, "stderr": err, "files_out": made}

    def compare(self, line, own):
        if line["exit"] != own["exit"]:
            raise Mismatch("exit", line["exit"], own["exit"])
        for name in ("stdout", "stderr"):
            self.compare_text(line[name], own[name], name, line.get("unordered", False))
        files = line.get("files_out", {})
        if files.keys() != own["files_out"].keys():
            raise Mismatch("files", sorted(files), sorted(own["files_out"]))
        for name, text in files.items():
            self.compare_text(text, own["files_out"][name], name, False)

    def compare_text(self, theirs, ours, where, unordered):
        if theirs.startswith(("{", "[")):
            try:
                document = json.loads(theirs)
            except ValueError:
                document = None
            if document is not None:
                if theirs.endswith("\n") != ours.endswith("\n"):
                    raise Mismatch(where + " (last line feed)", theirs[-20:], ours[-20:])
                self.ids.match(self.document(document), self.document(parse(ours)))
                return
        theirs, ours = self.lines(theirs), self.lines(ours)
        if unordered:
            self.ids.match(theirs + [MARK], ours + [MARK])
        elif len(theirs) != len(ours):
            raise Mismatch(where + " (lines)", theirs, ours)
        else:
            for recorded, own in zip(theirs, ours):
                self.ids.match({where: recorded}, {where: own})

    @staticmethod
    def lines(text):
        for pattern, name in OWN_WORDS:
            text = re.sub(pattern, name, text)
        return [bracketed(line) for line in text.split("\n")]

    def document(self, value):
        return endpoints(self.volatile(value))


def endpoints(value):
    """Lists of hosts are in the order of node ids; names made from an id are shortened to one."""
    if isinstance(value, dict):
        value = {key: endpoints(item) for key, item in value.items()}
        for name in ("subsets", "addresses"):
            if isinstance(value.get(name), list):
                value[name] = sorted(value[name], key=json.dumps)
        return value
    if isinstance(value, list):
        return [endpoints(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"^glusterfs-[0-9a-f]{8}$", "glusterfs-<id>", value)
    return value
