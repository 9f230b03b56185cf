#!/usr/bin/env python3
"""`make install` and the systemd unit: three members, each in a container with a systemd of its own.

Readiness, watchdog, restart, hand-over at stop, hardening with a working virtual address. Needs root and Docker; skips itself
otherwise.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from images import BASE, ROOT, builder, make_base, why_not  # noqa: E402

IMAGE = "hecate-test-systemd"
SUBNET = "198.18.11"
NUMBERS = (1, 2, 3)
DOCKERFILE = f"""FROM {BASE}
COPY deps /tmp/deps
RUN /tmp/deps run && apt-get -q -y install --no-install-recommends systemd systemd-sysv iproute2 >/dev/null
COPY tree /
RUN systemd-sysusers && chgrp -R hecate /etc/hecate && systemctl -q enable hecated
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
"""


def run(*command, check=True, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def eventually(what, probe, deadline_s=60):
    deadline = time.monotonic() + deadline_s
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.05)


def status(host):
    try:
        with urllib.request.urlopen(f"http://{host}:8080/cluster/status", timeout=2) as answer:
            return json.loads(answer.read())
    except (OSError, ValueError):
        return None


class SystemdTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        make_base()
        cls.name = f"hecate-test-sd-{os.getpid()}"
        cls.folder = tempfile.mkdtemp(prefix="hecate-systemd-test.")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        tree = os.path.join(cls.folder, "tree")
        run("make", "-s", "install", f"DESTDIR={tree}", "prefix=/usr", cwd=ROOT)
        cls.write_files(tree)
        run("docker", "build", "-q", "-t", IMAGE, cls.folder, env=builder())
        run("docker", "network", "create", "--subnet", f"{SUBNET}.0/24", "--ip-range", f"{SUBNET}.128/25", cls.name)
        cls.addClassCleanup(run, "docker", "network", "rm", cls.name)
        for number in NUMBERS:
            cls.addClassCleanup(run, "docker", "rm", "-f", cls.container(number), check=False)
            # Not privileged: what systemd needs to set up a unit, and no more.
            run("docker", "run", "-d", "--name", cls.container(number), "--network", cls.name, "--ip", f"{SUBNET}.{number + 10}",
                "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_NICE",
                "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
                "--tmpfs", "/run", "--tmpfs", "/tmp", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
                "-e", "container=docker", "-v", f"{cls.folder}/member-{number}.json:/etc/hecate/hecate.json:ro", IMAGE)

    @classmethod
    def write_files(cls, tree):
        etc = os.path.join(tree, "etc/hecate")
        run(os.path.join(ROOT, "scripts/pki"), os.path.join(etc, "pki"), *map(str, NUMBERS))
        run("chmod", "-R", "g+rX", etc)
        peers = [{"id": number, "peer": f"{SUBNET}.{number + 10}:8090", "api": f"{SUBNET}.{number + 10}:8080"}
                 for number in NUMBERS]
        for number in NUMBERS:
            with open(os.path.join(cls.folder, f"member-{number}.json"), "w", encoding="utf-8") as file:
                json.dump({"port": "8080", "jwt": {"admin": {"key": "a"}, "user": {"key": "u"}},
                           "glusterfs": {"executor": "mock"},
                           "cluster": {"member_id": number, "initial_peers": peers, "virtual_ips": [f"{SUBNET}.10%eth0"],
                                       "tls": {"ca": "/etc/hecate/pki/ca.pem", "cert": f"/etc/hecate/pki/member-{number}.pem",
                                               "key": f"/etc/hecate/pki/member-{number}.key"}}}, file)
        shutil.copy(os.path.join(ROOT, "scripts/deps"), os.path.join(cls.folder, "deps"))
        with open(os.path.join(cls.folder, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(DOCKERFILE)

    @classmethod
    def container(cls, number):
        return f"{cls.name}-{number}"

    def inside(self, number, *command, check=True):
        return run("docker", "exec", self.container(number), *command, check=check)

    def shown(self, number, name):
        return self.inside(number, "systemctl", "show", "-P", name, "hecated").strip()

    def leader(self, among=NUMBERS):
        """The member that serves at the virtual address."""
        def probe():
            seen = status(f"{SUBNET}.10")
            return seen["member_id"] if seen and seen["serving"] and seen["member_id"] in among else None
        return eventually(f"one of {among} serves at the virtual address\n{self.journals()}", probe)

    def journals(self):
        return "\n".join(self.inside(number, "journalctl", "-u", "hecated", "-n", "15", "--no-pager", check=False)
                         for number in NUMBERS)

    def setUp(self):
        for number in NUMBERS:
            eventually(f"hecated is active on {number}: {self.journals()}",
                       lambda number=number: self.inside(number, "systemctl", "is-active", "hecated", check=False) == "active\n")

    def test_unit(self):
        leader = self.leader()
        self.assertIn("leader, serving, term ", self.shown(leader, "StatusText"))
        pid = self.shown(leader, "MainPID")
        with open(f"/proc/{self.host_pid(leader)}/status", encoding="ascii") as file:
            fields = {line.split(":")[0]: line.split()[1] for line in file}
        self.assertEqual([int(fields[key], 16) for key in ("CapPrm", "CapEff", "CapAmb", "CapBnd")], [0, 0, 0, 0x3000])
        self.assertEqual((fields["NoNewPrivs"], fields["Seccomp"]), ("1", "2"))
        self.assertEqual(self.inside(leader, "stat", "-c", "%U", f"/proc/{pid}").strip(), "hecate")
        self.assertEqual(self.inside(leader, "stat", "-c", "%U %a", "/var/lib/hecate").strip(), "hecate 700")
        with open(f"/proc/{self.host_pid(leader)}/stat", encoding="ascii") as file:
            self.assertEqual(file.read().rsplit(")", 1)[1].split()[16], "-10", "priority")
        self.inside(leader, "systemd-analyze", "verify", "--man=no", "hecated.service")
        exposure = self.inside(leader, "systemd-analyze", "security", "--threshold=25", "hecated.service")
        print(exposure.strip().splitlines()[-1], file=sys.stderr)

    def host_pid(self, number):
        lines = run("docker", "top", self.container(number), "-o", "pid,comm").splitlines()
        return next(int(line.split()[0]) for line in lines[1:] if line.split()[1] == "hecated")

    def test_reload(self):
        self.inside(1, "systemctl", "reload", "hecated")
        eventually("the certificates are read again", lambda: "the certificates were read again" in self.inside(
            1, "journalctl", "-u", "hecated", "--no-pager"))

    def test_stop_hands_over(self):
        leader = self.leader()
        others = [number for number in NUMBERS if number != leader]
        start = time.monotonic()
        self.inside(leader, "systemctl", "stop", "hecated")
        print(f"stopped in {time.monotonic() - start:.1f} s", file=sys.stderr)
        self.leader(others)
        self.assertIn("leadership was handed over", self.inside(leader, "journalctl", "-u", "hecated", "-n", "30", "--no-pager"))
        self.assertEqual(self.shown(leader, "Result"), "success")
        self.inside(leader, "systemctl", "start", "hecated")

    def restarts(self, number):
        return int(self.shown(number, "NRestarts"))

    def test_killed_is_restarted(self):
        leader = self.leader()
        before = self.restarts(leader)
        self.inside(leader, "systemctl", "kill", "--kill-whom=main", "-s", "KILL", "hecated")
        self.leader([number for number in NUMBERS if number != leader])
        eventually("it was started again", lambda: self.restarts(leader) > before)

    def test_watchdog(self):
        """A daemon whose loop does not turn is killed and started again; its address has gone long before."""
        leader = self.leader()
        before = self.restarts(leader)
        self.inside(leader, "systemctl", "kill", "--kill-whom=main", "-s", "STOP", "hecated")
        self.leader([number for number in NUMBERS if number != leader])
        eventually("the watchdog has ended it", lambda: self.restarts(leader) > before)
        self.assertIn("Watchdog timeout", self.inside(leader, "journalctl", "-u", "hecated", "--no-pager"))
        # One whose loop turns is fed: well past the watchdog's time nothing has happened to the others.
        self.assertEqual([self.shown(number, "Result") for number in NUMBERS if number != leader], ["success", "success"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
