#!/usr/bin/env python3
"""Nodes and devices that come and go, in the middle of which the leader is killed, or their node loses power.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import re
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

    def pool(self, number):
        """Whom glusterd takes for its peers."""
        return {number for number in (1, 2, 3, 4)
                if self.environment[f"HECATE_LAB_NODE{number}"] in on_node(1, "gluster pool list")} - {1}

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
        self.assertEqual(self.pool(1), {2, 3, 4} if done.status == 303 else {2, 3})
        self.assert_nothing_to_report()

    def forget_again(self):
        """A node that lost its power may have lost with it that it had let go of a peer: examine says so, and what to do."""
        for item in self.get("/internal/state/examine/gluster")["findings"]:
            if item["code"] == "foreign-peer":
                print(item["text"], flush=True)
                command = re.search(r"gluster peer detach \S+", item["remedy"]).group()
                on_node(self.number_of(item["node"]), command.replace("gluster", "gluster --mode=script", 1))

    def delete_node(self, fault, outcomes, forgets=False):
        if self.node_of(self.NEWCOMER) is None:
            self.add_node(lambda location, _: self.members.finish(location, deadline_s=JOB_S), (303,))
        path = f"/nodes/{self.node_of(self.NEWCOMER)}"
        done = fault(self.accepted("DELETE", path), "peer-detach")
        self.assertIn(done.status, outcomes, done.body)
        self.wait_for_operations()
        if done.status == 500:
            self.delete(path)
        self.assertIsNone(self.node_of(self.NEWCOMER))
        if forgets:
            self.forget_again()
        self.assertEqual(self.pool(1), {2, 3})
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
        self.delete_node(self.cut_power_and_finish, (204, 500), forgets=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
