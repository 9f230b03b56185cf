#!/usr/bin/env python3
"""The virtual address in real network stacks: it is where the leader is, and nowhere else.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from address import URL, URL6, V4, V6, AddressCluster  # noqa: E402
from client import eventually  # noqa: E402
from namespace import socket_in  # noqa: E402

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

    def client(self, url):
        """A client in the middle of a request: it waits for an answer without an end of its own."""
        client = socket_in(self.hosts.namespace("c1"), socket.AF_INET6 if url == URL6 else socket.AF_INET)
        self.addCleanup(client.close)
        client.settimeout(30)
        client.connect((V6 if url == URL6 else V4, 8080))
        return client

    def test_daemon_frozen(self):
        """The keeper takes the addresses away when the deadline passes, and resets the connections to them; thawed, the
        daemon does not take them back."""
        leader = self.leader_has_it()
        others = [number for number in (1, 2, 3) if number != leader]
        clients = [self.client(url) for url in (URL, URL6)]
        os.kill(self.pid(leader), signal.SIGSTOP)
        self.addCleanup(self.thaw, leader)
        for client in clients:
            with self.assertRaises(ConnectionResetError):
                client.sendall(b"GET /clusters HTTP/1.1\r\nHost: a\r\n\r\n")
                client.recv(1)
        successor = self.leader_has_it(others)
        self.thaw(leader)
        eventually("the thawed member follows", lambda: self.follows(leader, successor))
        self.assertEqual(self.leader_has_it(), successor)

    def thaw(self, number):
        try:
            os.kill(self.pid(number), signal.SIGCONT)
        except ProcessLookupError:
            pass

    def claims(self, number):
        """What a member says of itself: whether the addresses are on its host; None when it does not answer."""
        answer = self.members.ask(number, "GET", "/cluster/status", timeout_s=0.3)
        return answer.json()["virtual_ips"]["held"] if answer else None

    def test_keeper_stopped(self):
        """A keeper that hangs is ended and its member with it; nobody says that he has what he has not."""
        leader = self.leader_has_it()
        others = [number for number in (1, 2, 3) if number != leader]
        begin = time.monotonic()
        os.kill(self.keeper_of(self.pid(leader)), signal.SIGSTOP)
        lie_since = None
        while True:
            holders = self.holders()
            now = time.monotonic() - begin
            lies = any(self.claims(number) and number not in holders for number in (1, 2, 3))
            lie_since = (lie_since or now) if lies else None
            self.assertLess(now - (lie_since or now), 0.5, "a member says for long that it has the addresses")
            if len(holders) == 1 and holders[0] in others and self.claims(holders[0]) and self.through_address():
                break
            self.assertLess(now, 5, f"holders {holders}")
        print(f"the addresses answer again after {now:.2f} s", file=sys.stderr)
        self.assertLess(now, 3)
        self.assertIn("did not answer and was ended", self.log(leader))
        eventually("the member has ended", lambda: self.members.status(leader) is None)
        self.cluster("start", str(leader))
        self.assertIn(self.leader_has_it(), (1, 2, 3))

    def conflict(self, number):
        state = self.members.status(number)
        texts = [item for item in state["warnings"] if item["code"] == "virtual-ip"] if state else []
        return texts[0]["text"] if texts else None

    def test_silent_second_holder(self):
        """Another host gets an address and announces nothing: it is found by asking."""
        leader = self.leader_has_it()
        other = ["ip", "netns", "exec", self.hosts.namespace("c1"), "ip"]
        link = json.loads(subprocess.run([*other, "-j", "link", "show", "eth0"], check=True, capture_output=True).stdout)[0]
        self.assertIsNone(self.conflict(leader))
        for address in (f"{V4}/32", f"{V6}/128"):
            begin = time.monotonic()
            subprocess.run([*other, "addr", "add", address, "dev", "eth0", "nodad"], check=True)
            try:
                text = eventually("a warning", lambda: self.conflict(leader), deadline_s=6)
                self.assertIn(link["address"], text)
                self.assertIn(address.split("/", maxsplit=1)[0], text)
                print(f"{address} is told after {time.monotonic() - begin:.2f} s", file=sys.stderr)
            finally:
                subprocess.run([*other, "addr", "del", address, "dev", "eth0"], check=True)
            eventually("the warning goes", lambda: self.conflict(leader) is None)
        self.assertEqual(self.leader_has_it(), leader)

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
