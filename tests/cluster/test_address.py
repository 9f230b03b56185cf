#!/usr/bin/env python3
"""The virtual address in real network stacks: it is where the leader is, and nowhere else.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from address import V4, V6, AddressCluster  # noqa: E402
from client import eventually  # noqa: E402

class AddressTest(AddressCluster):
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
        successor = self.members.leader()
        for number in (1, 2, 3):  # each member knows who holds them
            want = {"addresses": [f"{V4}%eth0", f"{V6}%eth0"], "held": number == successor, "holder": successor}
            eventually(f"member {number} tells the holder", lambda number=number, want=want:
                       (self.members.status(number) or {}).get("virtual_ips") == want)

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
