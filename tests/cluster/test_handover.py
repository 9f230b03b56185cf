#!/usr/bin/env python3
"""Leadership is handed over under load, by request and by SIGTERM: no request fails.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from address import URL, AddressCluster  # noqa: E402
from client import eventually  # noqa: E402
from load import Load  # noqa: E402

TRANSFERS = 6


class HandoverTest(AddressCluster):
    def transfer(self, target=None):
        leader = self.members.leader()
        answer = self.members.ask(leader, "POST", "/cluster/transfer", {"member": target} if target else None)
        self.assertEqual(answer.status, 200, answer.body)
        successor = answer.json()["leader"]
        self.assertNotEqual(successor, leader)
        if target:
            self.assertEqual(successor, target)
        self.assertEqual(self.leader_has_it(), successor)
        return successor

    def assert_none_failed(self, name, load):
        result = load.result
        self.assertIsNotNone(result, "the load ended early")
        print(f"{name}: {load.summary()}", file=sys.stderr)
        self.assertEqual(result["failures"], [])
        self.assertGreater(result["requests"], 100)
        for location in result["accepted"]:
            self.assertEqual(self.members.finish(location).status, 303)
        self.assert_equal_replicas()

    def test_transfer_under_load(self):
        self.load_topology()
        for name, urls in (("virtual address", [URL]), ("members", list(self.members.urls.values()))):
            self.leader_has_it()
            with Load(self.hosts.namespace("c1"), 9, urls) as load:
                for _ in range(TRANSFERS):
                    self.transfer()
            self.assert_none_failed(f"{TRANSFERS} transfers, {name}", load)

    def test_transfer_to_the_given_member(self):
        leader = self.leader_has_it()
        for target in (1, 2, 3, 1):
            if target != leader:
                leader = self.transfer(target)
        answer = self.members.ask(leader, "POST", "/cluster/transfer", {"member": 7})
        self.assertEqual(answer.status, 409, answer.body)
        self.assertEqual(self.leader_has_it(), leader)

    def test_asked_of_a_follower(self):
        """Who forwards the request repeats it when the leader changes: it is carried out once."""
        for _ in range(4):
            leader = self.leader_has_it()
            follower = next(number for number in (1, 2, 3) if number != leader)
            answer = self.members.ask(follower, "POST", "/cluster/transfer", {"from": leader})
            self.assertEqual(answer.status, 200, answer.body)
            self.assertNotEqual(answer.json()["leader"], leader)
            self.assertEqual(self.leader_has_it(), answer.json()["leader"])

    def test_stop_under_load(self):
        self.load_topology()
        leader = self.leader_has_it()
        with Load(self.hosts.namespace("c1"), 9, [URL]) as load:
            for _ in range(3):
                self.cluster("stop", str(leader))
                successor = self.leader_has_it([number for number in (1, 2, 3) if number != leader])
                self.cluster("start", str(leader))
                eventually("it is back", lambda number=leader: (self.members.status(number) or {}).get("leader"))
                leader = successor
        self.assert_none_failed("3 stops of the leader, virtual address", load)


if __name__ == "__main__":
    unittest.main(verbosity=2)
