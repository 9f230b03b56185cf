#!/usr/bin/env python3
"""Members are added, removed, replaced and moved while the cluster serves.

Needs root. HECATED names the daemon (default build/release/hecated), HECATE the client.
"""

import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from disk import set_cluster  # noqa: E402
from load import Load  # noqa: E402
from members import MembersCluster  # noqa: E402


class MembersTest(MembersCluster):
    def test_three_to_five_and_back(self):
        self.load_topology()
        urls = dict(self.members.urls)
        with Load(self.hosts.namespace("c1"), 9, list(urls.values())) as load:
            self.join(4)
            self.hecate("member", "add", "4", *self.place(4))
            self.wait_voters([1, 2, 3, 4])
            self.hecate("member", "add", "5", *self.place(5), "--standby")  # started afterwards
            self.assertEqual(self.listed()[5]["role"], "spare")
            self.join(5)
            eventually("member 5 stands by", lambda: self.listed()[5]["role"] == "standby" and self.listed()[5]["lag"] < 50)
            self.hecate("member", "promote", "5")
            self.wait_voters([1, 2, 3, 4, 5])
            for number in [number for number in sorted(self.listed()) if number < 4][:2]:  # perhaps the leader
                self.hecate("member", "remove", str(number))
                self.wait_ended(number, "was removed")
                del self.members.urls[number]
            left = sorted(self.members.urls)
            self.wait_voters(left)
        self.assertIsNotNone(load.result)
        print(f"three to five to three: {load.summary()}", file=sys.stderr)
        # Clients of the two that went have nobody to ask any more; nobody else has a failure.
        self.assertEqual([item for item in load.result["failures"] if item.startswith(urls[3])], [])
        for location in load.result["accepted"]:
            self.assertEqual(self.members.finish(location).status, 303)
        self.at_one_index(left)
        eventually("the keys of those who were added are noted", lambda: all(item["key"] for item in self.listed().values()))
        self.cluster("kill", str(self.members.leader()))  # who was added counts
        self.assertEqual(self.members.any("GET", "/volumes").status, 200)

    def test_leader_is_removed(self):
        self.load_topology()
        leader = self.members.leader()
        refused = self.members.ask(leader, "DELETE", f"/cluster/members/{leader}")
        self.assertEqual(refused.status, 409)
        self.assertIn("hand leadership over", refused.body)
        self.hecate("member", "remove", str(leader))
        self.wait_ended(leader, "was removed")
        others = [number for number in (1, 2, 3) if number != leader]
        answer = self.members.any("DELETE", f"/cluster/members/{others[0]}", among=[others[1]])
        answer = answer if answer.status == 409 and "fewer than two" in answer.body else self.members.any(
            "DELETE", f"/cluster/members/{others[1]}", among=[others[0]])
        self.assertEqual(answer.status, 409)
        self.assertIn("fewer than two", answer.body)

    def test_wiped_disk_is_replaced_with_one_command(self):
        self.load_topology()
        victim = next(number for number in (1, 2, 3) if number != self.members.leader())
        self.cluster("kill", str(victim))
        shutil.rmtree(os.path.join(self.directory, f"data-{victim}"))
        self.cluster("start", str(victim), check=False)
        self.wait_ended(victim, f"hecate member replace {victim}")
        self.assertEqual(self.members.finish(self.create("meanwhile")).status, 303)
        self.hecate("member", "replace", str(victim))
        self.cluster("start", str(victim))
        self.wait_voters([1, 2, 3])
        self.assert_equal_replicas()
        self.hecate("leader", "transfer", str(victim))
        self.assertEqual(self.members.leader(), victim)

    def test_foreign_disk_is_refused_and_replaced(self):
        self.load_topology()
        victim = next(number for number in (1, 2, 3) if number != self.members.leader())
        self.cluster("stop", str(victim))
        data = os.path.join(self.directory, f"data-{victim}")
        set_cluster(data, b"another cluster!")
        self.cluster("start", str(victim), check=False)
        self.wait_ended(victim, "another cluster's")
        self.assertIn(f"hecate member replace {victim}", self.log(victim))
        os.rename(data, data + ".foreign")
        self.hecate("member", "replace", str(victim))
        self.cluster("start", str(victim))
        self.wait_voters([1, 2, 3])
        self.assert_equal_replicas()

    def test_member_moves(self):
        self.load_topology()
        mover = next(number for number in (1, 2, 3) if number != self.members.leader())
        self.cluster("stop", str(mover))
        path = os.path.join(self.directory, f"member-{mover}.json")
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
        for peer in config["cluster"]["initial_peers"]:
            if peer["id"] == mover:
                peer["peer"] = f"{self.hosts.address(f'm{mover}')}:8099"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.hecate("member", "add", str(mover), *self.place(mover, 8099))
        self.cluster("start", str(mover))
        self.wait_voters([1, 2, 3])
        eventually("all are connected", lambda: all(item["connected"] for item in self.listed().values()))
        self.assertEqual(self.listed()[mover]["peer"], f"{self.hosts.address(f'm{mover}')}:8099")
        self.assert_equal_replicas()
        for number in (1, 2, 3):  # and after a restart of all
            self.cluster("kill", str(number))
        for number in (1, 2, 3):
            self.cluster("start", str(number))
        eventually("all are connected", lambda: all(item["connected"] for item in self.listed().values()))
        self.assert_equal_replicas()

    def test_wrong_requests(self):
        for body in ({}, {"member": 0}, {"member": 4}, {"member": 4, "peer": "nowhere", "api": "h:1"},
                     {"member": 4, "peer": "h:1", "api": "h:2", "color": "red"}, {"member": "4"}):
            answer = self.members.any("POST", "/cluster/members", body)
            self.assertEqual(answer.status, 400, f"{body}: {answer.body}")
        self.assertEqual(self.members.any("POST", "/cluster/members/7/promote").status, 404)
        self.assertEqual(self.members.any("DELETE", "/cluster/members/7").status, 200)
        self.assertIn("is not the number", self.hecate("member", "remove", "x", expect=255))
        self.wait_voters([1, 2, 3])


if __name__ == "__main__":
    unittest.main(verbosity=2)
