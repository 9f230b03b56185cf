#!/usr/bin/env python3
"""docker-compose.yml with pretended storage nodes: three members, a virtual address that moves, rolling restart.

Needs root and Docker; skips itself otherwise.
"""

import os
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [HERE, os.path.join(os.path.dirname(HERE), "cluster")]
# pylint: disable=wrong-import-position
from client import token  # noqa: E402
from images import ADDRESS, Project, composes, make_base, why_not  # noqa: E402

MEMBERS = ["member1", "member2", "member3"]
TOPOLOGY = """{"clusters": [{"nodes": [
  {"node": {"hostnames": {"manage": ["192.0.2.11"], "storage": ["192.0.2.11"]}, "zone": 1}, "devices": ["/dev/sdb"]},
  {"node": {"hostnames": {"manage": ["192.0.2.12"], "storage": ["192.0.2.12"]}, "zone": 2}, "devices": ["/dev/sdb"]},
  {"node": {"hostnames": {"manage": ["192.0.2.13"], "storage": ["192.0.2.13"]}, "zone": 3}, "devices": ["/dev/sdb"]}
]}]}"""


def leader():
    """The member that answers at the virtual address and leads; None while there is none."""
    try:
        with urllib.request.urlopen(f"{ADDRESS}/cluster/leader", timeout=1) as answer:
            answer.read()
        with urllib.request.urlopen(f"{ADDRESS}/cluster/status", timeout=1) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    return f"member{text.split(chr(34) + 'member_id' + chr(34) + ':')[1].split(',')[0]}"


def wait_leader(among, deadline_s=60):
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        found = leader()
        if found in among:
            return found
        time.sleep(0.02)
    raise AssertionError(f"none of {among} leads at {ADDRESS} within {deadline_s} s")


class Prober:
    """Sends requests to the virtual address until stop(), each over a new connection: how many failed, the longest gap."""

    def __init__(self, project):
        self.key = project.run("run", "--rm", "-T", "--entrypoint", "cat", "client", "/etc/hecate/admin-key").stdout.strip()
        self.asked, self.failed, self.longest_s = 0, [], 0.0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        last = time.monotonic()
        while not self.stopping.is_set():
            try:
                request = urllib.request.Request(f"{ADDRESS}/volumes", headers={
                    "Authorization": f"bearer {token('GET', '/volumes', self.key)}"})
                with urllib.request.urlopen(request, timeout=15) as answer:
                    answer.read()
                now = time.monotonic()
                self.longest_s, last = max(self.longest_s, now - last), now
            except OSError as error:
                self.failed.append(str(error))
            self.asked += 1
            time.sleep(0.005)

    def stop(self):
        self.stopping.set()
        self.thread.join()


class ComposeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        make_base()

    def project(self, compose):
        project = Project(compose, f"hecate-test-{os.getpid()}", HEKETI_EXECUTOR="mock")
        self.addCleanup(project.down)
        return project

    def check_capabilities(self, project):
        for member in MEMBERS:
            seen = {}
            for pid, name in project.processes(member):
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    fields = {line.split(":")[0]: line.split()[1] for line in file}
                self.assertNotEqual(fields["Uid"], "0", f"{name} of {member} is root")
                seen[name] = tuple(int(fields[key], 16) for key in ("CapPrm", "CapEff", "CapBnd"))
            self.assertEqual(seen, {"hecated": (0, 0, 0x3000), "hecate-keeper": (0x3000, 0x3000, 0x3000)},
                             "none for the daemon, CAP_NET_ADMIN and CAP_NET_RAW for its keeper")

    def check_secrets(self, project):
        """Nothing of the authority, and no other member's key, is within a member's reach."""
        for member in MEMBERS:
            listed = project.run("exec", "-T", member, "find", "/etc/hecate", "-name", "*key*", "-o", "-name", "ca*").stdout
            self.assertEqual(sorted(listed.split()), ["/etc/hecate/admin-key", "/etc/hecate/ca.pem", "/etc/hecate/member.key",
                                                      "/etc/hecate/user-key"])

    def make_volume(self, project):
        # Through a file of the container's own: its root file system is read-only, /dev/shm is not.
        project.run("run", "--rm", "-T", "--entrypoint", "bash", "client", "-c",
                    f"cat >/dev/shm/t.json <<'T'\n{TOPOLOGY}\nT\n/usr/lib/hecate/client topology load --json=/dev/shm/t.json")
        project.client("volume", "create", "--name=in-a-container", "--size=1", "--replica=3")

    def volumes(self, project):
        return project.client("volume", "list").count("Name:in-a-container")

    def kill_leader(self, project):
        first = wait_leader(MEMBERS)
        prober = Prober(project)
        try:
            subprocess.run(["docker", "kill", project.container(first)], check=True, stdout=subprocess.DEVNULL)
            others = [member for member in MEMBERS if member != first]
            second = wait_leader(others)
            self.assertEqual(self.volumes(project), 1)
        finally:
            prober.stop()
        print(f"{first} killed, {second} answers; longest gap {prober.longest_s:.2f} s", file=sys.stderr)
        project.run("start", first)
        project.wait_healthy(MEMBERS)

    def rolling_restart(self, project):
        prober = Prober(project)
        try:
            for member in MEMBERS:
                project.run("restart", member)
                project.wait_healthy(MEMBERS)
        finally:
            prober.stop()
        print(f"rolling restart: {len(prober.failed)} of {prober.asked} requests failed, longest gap "
              f"{prober.longest_s:.2f} s", file=sys.stderr)
        self.assertGreater(prober.asked, 100)
        self.assertEqual(prober.failed, [])
        self.assertEqual(self.volumes(project), 1)

    def whole_story(self, name):
        if name not in composes():
            self.skipTest(f"Compose {name} is not installed")
        project = self.project(composes()[name])
        project.run("--profile", "client", "build")
        project.run("up", "-d")
        project.wait_healthy(MEMBERS)
        wait_leader(MEMBERS)
        self.check_capabilities(project)
        self.check_secrets(project)
        self.make_volume(project)
        self.kill_leader(project)
        self.rolling_restart(project)
        project.run("stop", "-t", "20")
        project.run("up", "-d")
        project.wait_healthy(MEMBERS)
        wait_leader(MEMBERS)
        self.assertEqual(self.volumes(project), 1, "members keep their data on named volumes")
        project.run("down", "-v")
        self.assertEqual(project.left(), [])

    def test_compose_v1(self):
        self.whole_story("v1")

    def test_compose_v2(self):
        self.whole_story("v2")


if __name__ == "__main__":
    unittest.main(verbosity=2)
