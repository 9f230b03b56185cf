#!/usr/bin/env python3
"""The virtual address in real network stacks: it is where the leader is, and nowhere else.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually, request  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402

V4, V6 = "198.18.1.200", "2001:db8:1::200"
URL = f"http://{V4}:8080"
URL6 = f"http://[{V6}]:8080"


class AddressTest(ClusterTest):
    cluster_section = {"snapshot_entries": 64, "virtual_ips": [f"{V4}%eth0", f"{V6}%eth0"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number, name in enumerate(cls.hosts.names, 1):
            subprocess.run(["ip", "netns", "exec", cls.hosts.namespace(name), "ip", "-6", "addr", "add",
                            f"2001:db8:1::{number}/64", "dev", "eth0", "nodad"], check=True)

    def holders(self):
        """The members on whose hosts the addresses are (all of them)."""
        found = []
        for number in (1, 2, 3):
            text = subprocess.run(["ip", "netns", "exec", self.hosts.namespace(f"m{number}"), "ip", "-o", "addr", "show",
                                   "dev", "eth0"], check=True, capture_output=True, text=True).stdout
            have = [f" {V4}/32 " in text, f" {V6}/128 " in text]
            if any(have):
                found.append(number if all(have) else -number)
        return found

    def through_address(self, url=URL):
        answer = request(url, "GET", "/clusters", namespace=self.hosts.namespace("c1"), timeout_s=1)
        return answer is not None and answer.status == 200

    def leader_has_it(self, among=(1, 2, 3)):
        def probe():
            leader = self.members.leader(among=among)
            return leader if self.holders() == [leader] and self.through_address() and self.through_address(URL6) else None
        return eventually("the leader holds the addresses and answers there", probe)

    def keeper_of(self, pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
        self.assertEqual(len(children), 1, children)
        return int(children[0])

    def capabilities(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return {line.split()[0]: int(line.split()[1], 16) for line in file if line.startswith("Cap")}

    def test_capabilities(self):
        self.leader_has_it()
        for number in (1, 2, 3):
            daemon = self.capabilities(self.pid(number))
            self.assertEqual((daemon["CapPrm:"], daemon["CapEff:"]), (0, 0), "the daemon keeps none")
            keeper = self.capabilities(self.keeper_of(self.pid(number)))
            self.assertEqual((keeper["CapPrm:"], keeper["CapEff:"]), (0x3000, 0x3000), "CAP_NET_ADMIN, CAP_NET_RAW")

    def test_leader_killed(self):
        leader = self.leader_has_it()
        self.cluster("kill", str(leader))
        others = [number for number in (1, 2, 3) if number != leader]
        self.assertIn(self.leader_has_it(others), others)
        self.cluster("start", str(leader))
        state = eventually("status", lambda: self.members.status(self.members.leader()))
        self.assertEqual(state["virtual_ips"], {"addresses": [f"{V4}%eth0", f"{V6}%eth0"], "held": True})

    def test_daemon_frozen(self):
        """The keeper takes the addresses away when the deadline passes; thawed, the daemon does not take them back."""
        leader = self.leader_has_it()
        others = [number for number in (1, 2, 3) if number != leader]
        os.kill(self.pid(leader), signal.SIGSTOP)
        self.addCleanup(self.thaw, leader)
        successor = self.leader_has_it(others)
        self.thaw(leader)
        eventually("the thawed member follows", lambda: self.members.status(leader)["leader"]["id"] == successor)
        self.assertEqual(self.leader_has_it(), successor)

    def thaw(self, number):
        try:
            os.kill(self.pid(number), signal.SIGCONT)
        except ProcessLookupError:
            pass

    def test_host_frozen(self):
        """Daemon and keeper both: the kernel ends the addresses."""
        leader = self.leader_has_it()
        others = [number for number in (1, 2, 3) if number != leader]
        keeper = self.keeper_of(self.pid(leader))
        for pid in (self.pid(leader), keeper):
            os.kill(pid, signal.SIGSTOP)
            self.addCleanup(os.kill, pid, signal.SIGCONT)
        self.assertIn(self.leader_has_it(others), others)

    def test_leader_cut_off(self):
        leader = self.leader_has_it()
        others = [number for number in (1, 2, 3) if number != leader]
        self.hosts.cut(f"m{leader}")
        self.assertIn(self.leader_has_it(others), others)
        self.hosts.heal(f"m{leader}")
        self.leader_has_it()

    def test_planned_stop(self):
        leader = self.leader_has_it()
        self.cluster("stop", str(leader))
        others = [number for number in (1, 2, 3) if number != leader]
        self.assertIn(self.leader_has_it(others), others)

    def test_no_majority_no_address(self):
        leader = self.leader_has_it()
        for number in (1, 2, 3):
            if number != leader:
                self.cluster("kill", str(number))
        eventually("nobody holds the addresses", lambda: self.holders() == [])
        self.assertFalse(self.through_address())


if __name__ == "__main__":
    unittest.main(verbosity=2)
