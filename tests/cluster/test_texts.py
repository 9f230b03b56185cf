#!/usr/bin/env python3
"""What others say, and what is in the log, ends no member: long texts of many-byte characters in committed entries, and an
entry that kills every member that applies it. And no member's memory gets into a file.

Needs root and a C compiler. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from preload import wrap  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402
from test_events import Listener  # noqa: E402

ALL = (1, 2, 3)
# No place to cut is a place between two characters, whatever words stand before it.
TEXTS = ["x" * shift + character * 1500 for shift in range(4) for character in ("\u00fc", "\u20ac", "\U0001f40d")]


class TextsTest(ClusterTest):
    # Twice: a second node is asked before a refusal counts.
    faults = [{"step": "volume-create", "fail": text, "permanent": True, "times": 2} for text in TEXTS]

    def test_long_texts(self):
        listeners = [Listener(self, number) for number in ALL]
        self.load_topology()
        pids = [self.pid(number) for number in ALL]
        for number, _ in enumerate(TEXTS):
            done = self.members.finish(self.create(f"refused-{number}"))
            self.assertEqual(done.status, 500)
            done.data.decode()  # raises when a character was cut
            for member in ALL:
                for path in ("/cluster/status", "/operations", "/operations/pending"):
                    answer = self.members.ask(member, "GET", path)
                    self.assertEqual(answer.status, 200, path)
                    json.loads(answer.data.decode())
        for listener in listeners:
            eventually("all failures are told",
                       lambda listener=listener: listener.states("create-volume").count("failed") == len(TEXTS))
        self.assertEqual(pids, [self.pid(number) for number in ALL])
        for number in ALL:
            self.assertNotIn("panic", self.log(number))
        self.assert_equal_replicas()

    def test_option_of_a_user(self):
        self.load_topology()
        body = {"size": 1, "durability": {"type": "replicate", "replicate": {"replica": 3}},
                "glustervolumeoptions": ["user.x" + "\u00fc" * 1030 + " on"]}
        answer = self.members.any("POST", "/volumes", body)
        self.assertIn(answer.status, (202, 400))
        if answer.status == 202:
            self.assertIn(self.members.finish(answer.headers["location"]).status, (303, 500))
        for member in ALL:
            json.loads(self.members.ask(member, "GET", "/cluster/status").data.decode())
        self.assert_equal_replicas()


class PoisonTest(ClusterTest):
    faults = [{"step": "volume-create", "fail": "poisoned-entry", "permanent": True}]

    def before_up(self):
        self.fixed = os.path.join(self.folder, "hecated-mended")  # another program: one byte more
        shutil.copy(wrap(self, "poison.c"), self.fixed)
        with open(self.fixed, "ab") as file:
            file.write(b"\n")

    def supervise(self):
        """Starts who does not run, as a service manager would; whether two have refused the entry by now. Then no
        majority is left, and the third may never hear of it."""
        for number in ALL:
            if not os.path.exists(f"/proc/{self.pid(number)}") or self.members.status(number) is None:
                self.cluster("start", str(number), check=False)
        return sum(self.refused(number) for number in ALL) >= 2

    def refused(self, number):
        return "is not applied: hecated" in self.log(number)

    def test_entry_that_kills(self):
        self.load_topology()
        kept = "/clusters/" + self.members.any("POST", "/clusters", {"file": True}).json()["id"]
        self.create("deadly")
        eventually("two members have met the entry twice", self.supervise, deadline_s=120, pause_s=0.5)
        for number in ALL:
            text = self.log(number)
            self.assertLessEqual(text.count("panic"), 1, "it dies of it once")
            if not self.refused(number):
                continue
            for words in ("log entry", "store/record.c", "install a release of Hecate that mends it", "died-applying"):
                self.assertIn(words, text)
        os.environ["HECATED"] = self.fixed  # the release that mends it
        for number in ALL:
            self.cluster("kill", str(number), check=False)
        for number in ALL:
            self.cluster("start", str(number), check=False)
        self.members.leader()
        self.assertEqual(self.members.any("GET", kept).status, 200, "nothing was lost")
        self.assert_equal_replicas()


class MemoryTest(ClusterTest):
    cluster_section = {"snapshot_entries": 64, "virtual_ips": ["198.18.1.200%eth0"]}

    @staticmethod
    def limit(pid):
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            return next(line.split()[4:6] for line in file if line.startswith("Max core file size"))

    @staticmethod
    def children(pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def before_up(self):
        before = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, before)

    def test_no_core(self):
        self.load_topology()
        leader = self.members.leader()
        pid = self.pid(leader)
        keepers = self.children(pid)
        self.assertTrue(keepers, "the keeper")
        for process in (pid, *keepers):
            self.assertEqual(self.limit(process), ["0", "0"])
        folder = os.readlink(f"/proc/{pid}/cwd")
        before = set(os.listdir(folder))
        os.kill(pid, signal.SIGABRT)
        self.members.leader(among=[number for number in ALL if number != leader])
        self.assertEqual({name for name in set(os.listdir(folder)) - before if name.startswith("core")}, set())

    def test_memory_is_hidden_from_its_user(self):
        """What ptrace, gcore and /proc/PID/mem need is refused to other processes of the daemon's own user."""
        folder = os.path.join(self.folder, "alone")
        os.mkdir(folder)
        os.chmod(self.folder, 0o755)
        os.chown(folder, 65534, 65534)
        peers = [{"id": number, "peer": f"127.0.0.1:{18090 + number}", "api": f"127.0.0.1:{18080 + number}"}
                 for number in ALL]
        config = {"port": "18081", "jwt": {"admin": {"key": "a"}, "user": {"key": "u"}},
                  "glusterfs": {"executor": "mock"},
                  "cluster": {"member_id": 1, "plain": True, "data_dir": f"{folder}/data", "initial_peers": peers}}
        with open(os.path.join(folder, "hecate.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        daemon = os.environ.get("HECATED", "build/release/hecated")
        for wanted in (None, "1"):
            environment = dict(os.environ, **({"HECATE_CORE": wanted} if wanted else {}))
            # A sanitizer forbids core files on its own.
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":disable_coredump=0"
            command = ["prlimit", "--core=1048576:1048576", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                       daemon, "--config", os.path.join(folder, "hecate.json")]
            with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                try:
                    eventually("it runs", lambda:
                               "hecated" in os.readlink(f"/proc/{process.pid}/exe"))  # pylint: disable=W0640
                    owner = 65534 if wanted else 0  # of what a process that may not be dumped has there
                    eventually("its files in /proc", lambda: os.stat(  # pylint: disable=W0640
                        f"/proc/{process.pid}/mem").st_uid == owner)  # pylint: disable=W0640
                    self.assertEqual(self.limit(process.pid)[0] == "0", wanted is None)
                finally:
                    process.kill()


if __name__ == "__main__":
    unittest.main(verbosity=2)
