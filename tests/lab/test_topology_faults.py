#!/usr/bin/env python3
"""Nodes and devices that come and go, in the middle of which the leader is killed, or their node loses power.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import unittest

from system import JOB_S, LabTest, eventually, on_node


class TopologyFaultsTest(LabTest):
    """In the order of their names. Three nodes belong to the cluster, the fourth comes and goes."""

    NODES = (1, 2, 3, 4)
    DISKS = 2
    NEWCOMER = 4

    @classmethod
    def load_topology(cls, nodes=(1, 2, 3), disks=1):
        super().load_topology(nodes, disks)

    # ---- helpers ----

    def node_of(self, number):
        """Its id; None when the database does not have it."""
        for cluster in self.get("/clusters")["clusters"]:
            for node in self.get(f"/clusters/{cluster}")["nodes"]:
                if self.get(f"/nodes/{node}")["hostnames"]["storage"] == [self.environment[f"HECATE_LAB_NODE{number}"]]:
                    return node
        return None

    def devices_of(self, number):
        return {device["name"]: device["id"] for device in self.get(f"/nodes/{self.node_of(number)}")["devices"]}

    def peers(self, number):
        """Whom the node's glusterd takes for its peers."""
        told = on_node(number, "gluster pool list").split()
        return {other for other in self.NODES if self.environment[f"HECATE_LAB_NODE{other}"] in told}

    def assert_pool(self, members):
        for number in members:
            self.assertEqual(self.peers(number), members - {number}, f"as node {number} sees it")

    def groups(self, number):
        return set(on_node(number, "lvm vgs --noheadings -o vg_name").split())

    def add_device(self, fault, outcomes):
        done = fault(self.accepted("POST", "/devices", {"name": "/dev/ubdc", "node": self.node_of(2)}), "device-setup")
        self.assertIn(done.status, outcomes, done.body)
        self.wait_for_operations()
        self.assertEqual("/dev/ubdc" in self.devices_of(2), done.status == 204)
        eventually("the node has the groups of the database", lambda: self.groups(2) == {
            f"vg_{device}" for device in self.devices_of(2).values()}, JOB_S, pause_s=1)
        self.assert_nothing_to_report()

    def delete_device(self, fault, outcomes):
        if "/dev/ubdc" not in self.devices_of(2):
            done = self.finish_request("POST", "/devices", {"name": "/dev/ubdc", "node": self.node_of(2)})
            self.assertEqual(done.status, 204, done.body)
        path = f"/devices/{self.devices_of(2)['/dev/ubdc']}"
        for state in ("offline", "failed"):
            self.assertEqual(self.finish_request("POST", f"{path}/state", {"state": state}).status, 204)
        done = fault(self.accepted("DELETE", path), "device-teardown")
        self.assertIn(done.status, outcomes, done.body)
        self.wait_for_operations()
        if done.status == 500:
            self.delete(path)
        self.assertEqual(set(self.devices_of(2)), {"/dev/ubdb"})
        self.assertEqual(self.groups(2), {f"vg_{device}" for device in self.devices_of(2).values()})
        self.assert_nothing_to_report()

    def add_node(self, fault, outcomes):
        address = self.environment[f"HECATE_LAB_NODE{self.NEWCOMER}"]
        done = fault(self.accepted("POST", "/nodes", {
            "zone": 4, "cluster": self.get("/clusters")["clusters"][0],
            "hostnames": {"manage": [address], "storage": [address]}}), "peer-probe")
        self.assertIn(done.status, outcomes, done.body)
        self.wait_for_operations()
        self.assertEqual(self.node_of(self.NEWCOMER) is not None, done.status == 303)
        self.assert_pool({1, 2, 3, 4} if done.status == 303 else {1, 2, 3})
        self.assert_nothing_to_report()

    def have_newcomer(self):
        if self.node_of(self.NEWCOMER) is None:
            self.add_node(lambda location, _: self.members.finish(location, deadline_s=JOB_S), (303,))

    def delete_node(self, fault, outcomes):
        self.have_newcomer()
        path = f"/nodes/{self.node_of(self.NEWCOMER)}"
        done = fault(self.accepted("DELETE", path), "peer-detach")
        self.assertIn(done.status, outcomes, done.body)
        self.wait_for_operations()
        if done.status == 500:
            self.delete(path)
        self.assertIsNone(self.node_of(self.NEWCOMER))
        self.assert_pool({1, 2, 3})
        self.assert_nothing_to_report()

    # ---- tests ----

    def test_1_device_leader(self):
        self.add_device(self.kill_leader_and_finish, (204,))
        self.delete_device(self.kill_leader_and_finish, (204,))

    def test_2_device_power(self):
        self.add_device(self.cut_power_and_finish, (204, 500))
        self.delete_device(self.cut_power_and_finish, (204, 500))

    def test_3_node_leader(self):
        self.add_node(self.kill_leader_and_finish, (303,))
        self.delete_node(self.kill_leader_and_finish, (204,))

    def test_4_node_power(self):
        """Of the node that asks its peers; the newcomer itself may be it."""
        self.add_node(self.cut_power_and_finish, (303, 500))
        self.delete_node(self.cut_power_and_finish, (204, 500))

    def test_5_node_remembered(self):
        """A node that lost its power in a detaching may have lost with it that it had let go of the peer."""
        self.have_newcomer()
        on_node(2, "systemctl stop glusterd")
        on_node(1, f"gluster --mode=script peer detach {self.environment[f'HECATE_LAB_NODE{self.NEWCOMER}']} force")
        self.assertNotIn(self.NEWCOMER, self.peers(1))
        on_node(2, "systemctl start glusterd")
        eventually("node 2 sees its pool again", lambda: 3 in self.peers(2), JOB_S, pause_s=1)
        self.assertIn(self.NEWCOMER, self.peers(2))  # and may have told the others of it by now
        self.delete(f"/nodes/{self.node_of(self.NEWCOMER)}")
        self.assert_pool({1, 2, 3})
        self.assert_nothing_to_report()

    def test_6_node_forgot(self):
        """All have the peer still, and it knows nobody: it lost what it had, or was detached, and one who had missed that
        told the others of it again."""
        self.have_newcomer()
        on_node(self.NEWCOMER, "systemctl stop glusterd\nrm /var/lib/glusterd/peers/*\nsystemctl start glusterd\n")
        eventually("the newcomer answers", lambda: self.NEWCOMER in self.peers(1) and not self.peers(self.NEWCOMER), JOB_S,
                   pause_s=1)
        self.delete(f"/nodes/{self.node_of(self.NEWCOMER)}")
        self.assert_pool({1, 2, 3})
        self.assert_nothing_to_report()


if __name__ == "__main__":
    unittest.main(verbosity=2)
