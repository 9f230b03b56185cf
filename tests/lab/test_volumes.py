#!/usr/bin/env python3
"""Expanded and cloned volumes on real Gluster nodes, and snapshots that somebody else made.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import re
import unittest

from system import JOB_S, LabTest, eventually, lab, on_node


class VolumesTest(LabTest):
    DISKS = 2

    def finish(self, method, path, body, status=303):
        done = self.finish_request(method, path, body)
        self.assertEqual(done.status, status, done.body)
        return done.headers.get("location")

    def name_of(self, path):
        return self.members.any("GET", path).json()["name"]

    def assert_nothing_left(self):
        """No volume, no brick, no snapshot, and no LV on any node."""
        self.wait_for_operations()
        self.assertEqual(self.members.any("GET", "/volumes").json(), {"volumes": []})
        self.assert_nodes_equal_database()
        for number in self.NODES:
            self.assertEqual(on_node(number, "lvs --noheadings -o lv_name").strip(), "", f"LVs on node {number}")
            self.assertIn("No snapshots", on_node(number, "gluster --mode=script snapshot list"))
            self.assertEqual(on_node(number, "mount | grep -c /run/gluster/snaps || true").strip(), "0")

    def test_1_expand(self):
        path = self.create("grow")
        self.mounted("grow", "echo before >file; df -k . | tail -1")
        self.finish("POST", f"{path}/expand", {"expand_size": 1})
        self.wait_for_operations()
        moves = on_node(1, "gluster --mode=script volume rebalance grow status --xml")
        self.assertEqual(re.findall("<statusStr>([^<]*)<", moves), ["completed"] * 4, moves)  # on each node, and in all
        info = self.members.any("GET", path).json()
        self.assertEqual((info["size"], len(info["bricks"])), (2, 6))
        size = self.mounted("grow", "cat file; df -k --output=size . | tail -1").split()
        self.assertEqual(size[0], "before")
        self.assertGreater(int(size[1]), 1900 * 1024)
        self.assert_bricks_online("grow", 6)
        self.assert_nodes_equal_database()
        self.delete(path)
        self.assert_nothing_left()

    def test_2_clone_and_clone_of_it(self):
        path = self.create("origin")
        self.mounted("origin", "echo original >file")
        clone = self.finish("POST", f"{path}/clone", {"name": "copy"})
        self.assertEqual(self.name_of(clone), "copy")
        self.assertEqual(self.mounted("copy", "cat file; echo changed >file"), "original")
        self.assertEqual(self.mounted("origin", "cat file"), "original")
        second = self.finish("POST", f"{clone}/clone", {"name": "copy2"})
        self.assertEqual(self.mounted("copy2", "cat file"), "changed")
        self.delete(path)  # the origin first: the pools stay while a clone lives in them
        self.assertEqual(self.mounted("copy", "cat file"), "changed")
        self.delete(second)
        self.delete(clone)
        self.assert_nothing_left()

    def test_3_snapshot_keeps_a_volume(self):
        path = self.create("kept")
        on_node(1, "gluster --mode=script snapshot create by-hand kept no-timestamp")
        done = self.finish_request("DELETE", path)
        self.assertEqual(done.status, 500)
        self.assertIn("Unable to delete volume kept because it contains 1 snapshots", done.body)
        self.assert_bricks_online("kept")
        on_node(1, "gluster --mode=script snapshot delete by-hand")
        self.delete(path)
        self.assert_nothing_left()

    def test_4_leader_killed_inside_an_expand(self):
        path = self.create("killed")
        answer = self.members.any("POST", f"{path}/expand", {"expand_size": 1})
        self.assertEqual(answer.status, 202, answer.body)
        leader = self.members.leader()
        eventually("a brick is being made", lambda: self.steps("brick-create"))
        self.cluster("kill", str(leader))
        others = [number for number in (1, 2, 3) if number != leader]
        done = self.members.finish(answer.headers["location"], among=others, deadline_s=JOB_S)
        self.assertEqual(done.status, 303, done.body)
        self.cluster("start", str(leader))
        self.wait_for_operations()
        self.assert_bricks_online("killed", 6)
        self.assert_nodes_equal_database()
        self.delete(path)
        self.assert_nothing_left()

    def test_5_leader_killed_inside_a_clone(self):
        path = self.create("source")
        self.mounted("source", "echo original >file")
        answer = self.members.any("POST", f"{path}/clone", {"name": "twin"})
        self.assertEqual(answer.status, 202, answer.body)
        leader = self.members.leader()
        eventually("the clone is being made", lambda: self.steps("volume-clone"))
        self.cluster("kill", str(leader))
        others = [number for number in (1, 2, 3) if number != leader]
        done = self.members.finish(answer.headers["location"], among=others, deadline_s=JOB_S)
        self.assertEqual(done.status, 303, done.body)
        self.cluster("start", str(leader))
        self.assertEqual(self.mounted("twin", "cat file"), "original")
        self.delete(done.headers["location"])
        self.delete(path)
        self.assert_nothing_left()

    def test_6_clone_survives_a_power_cut(self):
        path = self.create("mother")
        self.mounted("mother", "echo original >file")
        clone = self.finish("POST", f"{path}/clone", {"name": "daughter"})
        lab("power-off", 2)
        lab("power-on", 2)
        self.assert_bricks_online("daughter")
        self.assertEqual(self.mounted("daughter", "cat file"), "original")
        self.delete(clone)
        self.delete(path)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
