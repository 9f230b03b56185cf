#!/usr/bin/env python3
"""The whole system on real Gluster nodes: the demo's steps as assertions, and storage nodes that lose power.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import unittest

from system import JOB_S, LabTest, eventually, lab, on_node


class SystemTest(LabTest):
    """In the order of their names."""

    def test_1_volume_is_mounted_and_replicated(self):
        path = self.create("one")
        address = self.environment["HECATE_LAB_NODE1"]
        on_node("c1", f"set -e; mkdir -p /mnt/one; mount -t glusterfs {address}:/one /mnt/one; "
                      "echo hello >/mnt/one/file; sync; umount /mnt/one")
        for number in self.NODES:
            self.assertIn("hello", on_node(number, "cat /var/lib/heketi/mounts/*/*/brick/file"))
        self.assert_nodes_equal_database()
        self.delete(path)
        self.assert_nodes_equal_database()

    def test_2_leader_killed_inside_a_create(self):
        location = self.begin_create("two")
        leader = self.members.leader()
        eventually("a brick is being made", lambda: self.steps("brick-create"))
        self.cluster("kill", str(leader))
        others = [number for number in self.NODES if number != leader]
        done = self.members.finish(location, among=others, deadline_s=JOB_S)
        self.assertEqual(done.status, 303, done.body)
        self.cluster("start", str(leader))
        self.assert_bricks_online("two")
        self.assert_nodes_equal_database()
        self.delete(done.headers["location"])
        self.assert_nodes_equal_database()

    def test_3_brick_survives_a_power_cut_right_after_create(self):
        path = self.create("three")
        lab("power-off", 2)
        lab("power-on", 2)
        self.assert_bricks_online("three")
        self.assert_nodes_equal_database()
        self.delete(path)
        self.assert_nodes_equal_database()

    def test_5_node_loses_power_during_create(self):
        """It comes back at once: the create ends, one way or the other, and the nodes equal the database."""
        location = self.begin_create("six")
        eventually("bricks are being made", lambda: self.steps("brick-create"))
        lab("power-off", 2)
        lab("power-on", 2)
        done = self.members.finish(location, deadline_s=JOB_S)
        self.assertIn(done.status, (303, 500), done.body)
        self.wait_for_operations()
        if done.status == 303:
            self.assert_bricks_online("six")
            self.assert_nodes_equal_database()
            self.delete(done.headers["location"])
        self.assert_nodes_equal_database()

    def test_6_node_is_gone_during_create(self):
        """It stays away: undone with the reason; what was left on it goes when it is back."""
        location = self.begin_create("seven")
        eventually("bricks are being made", lambda: self.steps("brick-create"))
        lab("power-off", 2)
        done = self.members.finish(location, deadline_s=JOB_S)
        self.assertEqual(done.status, 500, done.body)
        self.assertIn(self.environment["HECATE_LAB_NODE2"], done.body)
        self.assertEqual(self.members.any("GET", "/volumes").json()["volumes"], [])
        lab("power-on", 2)
        self.wait_for_operations()
        self.assert_nodes_equal_database()
        self.wait_for_nodes()
        self.delete(self.create("eight"))

    def test_4_node_loses_power_during_delete(self):
        path = self.create("five")
        answer = self.members.any("DELETE", path)
        self.assertEqual(answer.status, 202, answer.body)
        lab("power-off", 2)
        lab("power-on", 2)
        done = self.members.finish(answer.headers["location"], deadline_s=JOB_S)
        self.assertEqual(done.status, 204, done.body)
        self.assert_nodes_equal_database()


if __name__ == "__main__":
    unittest.main(verbosity=2)
