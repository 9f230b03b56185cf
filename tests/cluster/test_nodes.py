#!/usr/bin/env python3
"""One storage node of six answers what it should not: operations that do not need it end as ever, the status names it
with cause and remedy, no leadership changes, and when it is well it is used again by itself.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402

NODES = [f"192.0.2.{number}" for number in range(11, 17)]
BAD = NODES[0]


LIES = ["volume-delete", "volume-look", "heal-wait", "brick-replace", "brick-unreplaced"]


class NodesTest(ClusterTest):
    glusterfs_section = {"start_time_background_cleaner": 1, "refresh_time_background_cleaner": 1}

    def before_up(self):
        self.orders = os.path.join(self.folder, "orders.json")
        self.give([])
        self.mock["faults_file"] = self.orders

    def give(self, orders):
        with open(f"{self.orders}.new", "w", encoding="utf-8") as file:
            json.dump(orders, file)
        os.replace(f"{self.orders}.new", self.orders)

    def node(self):
        """What the leader says of the node."""
        state = self.members.status(self.members.leader())
        return state and next((node for node in state["nodes"] if node["manage"] == BAD), None)

    def warnings(self):
        return {warning["code"]: warning for warning in self.members.status(self.members.leader())["warnings"]}

    def check(self, order, code, remedy):
        leader = self.members.leader()
        term = self.members.status(leader)["term"]
        self.give([{"host": BAD, **order}])
        locations = [self.create(f"{code}-{number}") for number in range(11)]
        eventually("the node is avoided", lambda: (self.node() or {}).get("cause") == code)
        for location in locations:
            self.assertEqual(self.members.finish(location).status, 303)
        locations = [self.create(f"{code}-later-{number}") for number in range(3)]  # not on the node that is avoided
        for location in locations:
            self.assertEqual(self.members.finish(location).status, 303)
        self.assertIn(BAD, self.warnings()[code]["text"])
        self.assertIn(remedy, self.warnings()[code]["remedy"])
        self.give([])
        eventually("the node is used again", lambda: self.node()["avoided"] is False)
        eventually("no operation is left", lambda: self.members.status(leader)["operations"] == [])
        self.assertNotIn(code, self.warnings())
        self.assertEqual((self.members.leader(), self.members.status(leader)["term"]), (leader, term))

    def test_one_node_of_six(self):
        self.load_topology(NODES)
        self.check({"code": "fenced"}, "fence-ahead", "rm /var/lib/heketi/.hecate-fence")
        self.check({"code": "fence damaged"}, "fence-damaged", "rm -rf /var/lib/heketi/.hecate-fence")
        self.check({"code": "flood"}, "node-floods", "its answers must end")

    def test_one_answer(self):
        """Once, in the middle: nothing stays behind."""
        self.load_topology(NODES)
        leader = self.members.leader()
        self.give([{"host": BAD, "step": "brick-create", "code": "fenced", "times": 1}])
        for location in [self.create(f"volume-{number}") for number in range(11)]:
            self.assertEqual(self.members.finish(location).status, 303)
        eventually("all is well", lambda: self.members.status(leader)["health"] == "ok")
        self.assertEqual(self.members.leader(), leader)

    def test_one_node_lies(self):
        """It says that all is done at once, and that there are no volumes: nothing that the others have is destroyed by
        its word (a pretended node does not let go of a brick that is in a volume), and nobody is told to delete."""
        self.load_topology(NODES)
        leader = self.members.leader()
        paths = []
        for location in [self.create(f"true-{number}") for number in range(40)]:  # it is asked about some
            answer = self.members.finish(location)
            self.assertEqual(answer.status, 303, answer.body)
            paths.append(answer.headers["location"])
        self.give([{"host": BAD, "step": step, "lie": True} for step in LIES] +
                  [{"host": BAD, "step": "inventory", "lose": "true-"}])
        warning = eventually("the nodes disagree", lambda: self.warnings().get("nodes-disagree"))
        self.assertIn(f"node {BAD}: there is no such volume", warning["text"])
        self.assertNotIn("missing-volume", self.warnings())
        for item in self.warnings().values():
            self.assertNotIn("volume delete", item["remedy"])
        for path in paths:
            answer = self.members.any("DELETE", path)
            self.assertEqual(answer.status, 202, answer.body)
            self.assertEqual(self.members.finish(answer.headers["location"]).status, 204)
        eventually("no operation is left", lambda: self.members.status(leader)["operations"] == [])
        self.assertEqual(self.members.leader(), leader)


if __name__ == "__main__":
    unittest.main(verbosity=2)
