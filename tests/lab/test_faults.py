#!/usr/bin/env python3
"""Every kind of operation, in the middle of which the leader is killed, and in the middle of which a storage node loses power:
the operation ends, what was there before keeps its content, and examine reports nothing afterwards.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import json
import unittest

from system import JOB_S, LabTest, eventually, on_node
from test_block import install_stand_in

FILL = """
mkdir -p folder
for i in 1 2 3 4; do dd if=/dev/urandom of=folder/file$i bs=64k count=16 2>/dev/null; done
cat folder/file* | sha256sum
"""
SUM = "cat folder/file* | sha256sum"


class FaultsTest(LabTest):
    """In the order of their names: test_<operation>_leader, test_<operation>_power."""

    NODES = (1, 2, 3, 4)
    SETTINGS = {"auto_create_block_hosting_volume": True, "block_hosting_volume_size": 3}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number in cls.NODES:
            install_stand_in(number)

    def setUp(self):
        self.addCleanup(self.delete_all)

    # ---- helpers ----

    def assert_ended_well(self, *names):
        """Whatever came of it: nothing is left to do, nothing differs, and all bricks of these volumes serve."""
        self.wait_for_operations()
        for name in names:
            info = next(info for info in map(self.get, self.volume_paths()) if info["name"] == name)
            self.assert_bricks_online(name, len(info["bricks"]))
        self.assert_nothing_to_report()

    def volume_paths(self):
        return [f"/volumes/{volume}" for volume in self.get("/volumes")["volumes"]]

    def filled(self, name):
        path = self.create(name)
        return path, self.mounted(name, FILL)

    def assert_content(self, name, digest):
        self.assertEqual(self.mounted(name, SUM), digest)

    def delete_all(self):
        """Also after a test that failed, so that the next one finds nothing of it."""
        for block in self.get("/blockvolumes")["blockvolumes"]:
            self.delete_block(f"/blockvolumes/{block}")
        for path in sorted(self.volume_paths(), key=lambda path: self.get(path)["name"] != "twin"):  # before its source
            self.delete(path)
        self.wait_for_operations()
        self.assert_nodes_equal_database()
        self.assert_nothing_to_report()

    # ---- create: it may fail when a node is lost, and is then undone ----

    def test_create_leader(self):
        done = self.kill_leader_and_finish(self.begin_create("made"), "brick-create")
        self.assertEqual(done.status, 303, done.body)
        self.assert_ended_well("made")

    def check_create_power(self, kind):
        done = self.cut_power_and_finish(self.begin_create("made"), kind)
        self.assertIn(done.status, (303, 500), done.body)
        self.assert_ended_well(*(["made"] if done.status == 303 else []))

    def test_create_power(self):
        self.check_create_power("brick-create")

    def test_create_power_at_the_start(self):
        """What Gluster has written on the new brick when the volume started is lost."""
        self.check_create_power("volume-create")

    # ---- delete ----

    def check_delete(self, fault):
        location = self.accepted("DELETE", self.create("gone"))
        done = fault(location, "volume-delete")
        self.assertEqual(done.status, 204, done.body)
        self.assert_ended_well()
        self.assertEqual(self.volume_paths(), [])

    def test_delete_leader(self):
        self.check_delete(self.kill_leader_and_finish)

    def test_delete_power(self):
        self.check_delete(self.cut_power_and_finish)

    # ---- expand ----

    def check_expand(self, fault, kind, outcomes):
        path, digest = self.filled("grows")
        done = fault(self.accepted("POST", f"{path}/expand", {"expand_size": 1}), kind)
        self.assertIn(done.status, outcomes, done.body)
        self.assert_ended_well("grows")
        self.assertEqual(len(self.get(path)["bricks"]), 6 if done.status == 303 else 3)
        self.assert_content("grows", digest)

    def test_expand_leader(self):
        self.check_expand(self.kill_leader_and_finish, "volume-expand", (303,))

    def test_expand_power(self):
        self.check_expand(self.cut_power_and_finish, "brick-create", (303, 500))

    # ---- clone ----

    def check_clone(self, fault, kind, outcomes):
        path, digest = self.filled("source")
        done = fault(self.accepted("POST", f"{path}/clone", {"name": "twin"}), kind)
        self.assertIn(done.status, outcomes, done.body)
        names = ["source"] + (["twin"] if done.status == 303 else [])
        self.assert_ended_well(*names)
        for name in names:
            self.assert_content(name, digest)

    def test_clone_leader(self):
        self.check_clone(self.kill_leader_and_finish, "volume-clone", (303,))

    def test_clone_power(self):
        self.check_clone(self.cut_power_and_finish, "volume-clone", (303, 500))

    # ---- bricks move ----

    def check_evict(self, fault, kind, outcomes):
        path, digest = self.filled("moves")
        old = self.get(path)["bricks"][0]["id"]
        done = fault(self.accepted("POST", f"/bricks/to-evict/{old}"), kind)
        self.assertIn(done.status, outcomes, done.body)
        self.assert_ended_well("moves")
        self.assertEqual(old in [brick["id"] for brick in self.get(path)["bricks"]], done.status == 500)
        self.assert_content("moves", digest)

    def test_evict_leader(self):
        self.check_evict(self.kill_leader_and_finish, "brick-replace", (204,))

    def test_evict_power(self):
        self.check_evict(self.cut_power_and_finish, "brick-create", (204, 500))

    def set_state(self, path, state):
        done = self.finish_request("POST", f"{path}/state", {"state": state})
        self.assertEqual(done.status, 204, done.body)

    def check_remove(self, what, fault, kind, outcomes):
        """The device or the node of a brick."""
        volume, digest = self.filled("leaves")
        brick = self.get(volume)["bricks"][0]
        path = f"/{what}s/{brick[what]}"
        self.set_state(path, "offline")
        done = fault(self.accepted("POST", f"{path}/state", {"state": "failed"}), kind)
        self.assertIn(done.status, outcomes, done.body)
        self.assert_ended_well("leaves")
        self.assertEqual(len(self.get(f"/devices/{brick['device']}")["bricks"]), 0 if done.status == 204 else 1)
        self.assert_content("leaves", digest)
        if done.status == 204 and what == "node":  # it does not come back but as a new one
            self.make_anew(brick)
            return
        if done.status == 204:
            self.set_state(path, "offline")
        self.set_state(path, "online")

    def make_anew(self, brick):
        """The node, without bricks, that a brick was on."""
        node, device = self.get(f"/nodes/{brick['node']}"), self.get(f"/devices/{brick['device']}")
        self.delete(f"/devices/{device['id']}")
        self.delete(f"/nodes/{node['id']}")
        done = self.finish_request("POST", "/nodes", {key: node[key] for key in ("zone", "cluster", "hostnames")})
        self.assertEqual(done.status, 303, done.body)
        added = done.headers["location"].rsplit("/", 1)[1]
        done = self.finish_request("POST", "/devices", {"name": device["name"], "node": added})
        self.assertEqual(done.status, 204, done.body)

    def test_remove_leader(self):
        self.check_remove("device", self.kill_leader_and_finish, "brick-replace", (204,))

    def test_remove_power(self):
        self.check_remove("device", self.cut_power_and_finish, "brick-replace", (204, 500))

    def test_remove_node_leader(self):
        self.check_remove("node", self.kill_leader_and_finish, "brick-replace", (204,))

    def test_remove_node_power(self):
        self.check_remove("node", self.cut_power_and_finish, "brick-create", (204, 500))

    # ---- block volumes ----

    def blocks_on(self, hosting, number):
        return json.loads(on_node(number, f"gluster-block list {hosting} --json"))["blocks"]

    def delete_block(self, path):
        """It is refused while a node is missing or what gluster-block keeps is being healed; never for long."""
        eventually(f"{path} is deleted", lambda: self.finish_request("DELETE", path).status == 204, JOB_S, pause_s=2)

    def check_block_create(self, fault, kind, outcomes):
        done = fault(self.accepted("POST", "/blockvolumes", {"size": 1, "name": "lun", "hacount": 3}), kind)
        self.assertIn(done.status, outcomes, done.body)
        self.assert_ended_well(*[self.get(path)["name"] for path in self.volume_paths()])
        for path in self.volume_paths():
            self.assertEqual(self.blocks_on(self.get(path)["name"], 1), ["lun"] if done.status == 303 else [])
        if done.status == 303:
            self.delete_block(done.headers["location"])

    def test_block_create_leader(self):
        self.check_block_create(self.kill_leader_and_finish, "block-create", (303,))

    def test_block_create_power(self):
        self.check_block_create(self.cut_power_and_finish, "block-create", (303, 500))

    def check_block_delete(self, fault, outcomes):
        done = self.finish_request("POST", "/blockvolumes", {"size": 1, "name": "lun", "hacount": 3})
        self.assertEqual(done.status, 303, done.body)
        hosting = self.get(self.volume_paths()[0])["name"]
        path = done.headers["location"]
        done = fault(self.accepted("DELETE", path), "block-delete")
        self.assertIn(done.status, outcomes, done.body)
        self.assert_ended_well(hosting)
        if done.status == 500:
            self.delete_block(path)
        self.assertEqual(self.blocks_on(hosting, 1), [])

    def check_block_expand(self, fault, outcomes):
        done = self.finish_request("POST", "/blockvolumes", {"size": 1, "name": "lun", "hacount": 3})
        self.assertEqual(done.status, 303, done.body)
        path = done.headers["location"]
        hosting = self.get(self.volume_paths()[0])["name"]
        done = fault(self.accepted("POST", f"{path}/expand", {"new_size": 2}), "block-expand")
        self.assertIn(done.status, outcomes, done.body)
        self.assert_ended_well(hosting)
        if done.status == 500:  # it may have come to nothing, or to a part; the same again completes it
            eventually(f"{path} has grown", lambda: self.finish_request(
                "POST", f"{path}/expand", {"new_size": 2}).status == 303, JOB_S, pause_s=2)
        self.assertEqual((self.get(path)["size"], self.get(path)["usablesize"]), (2, 2))
        self.assertEqual(json.loads(on_node(2, f"gluster-block info {hosting}/lun --json"))["SIZE"], "2.0 GiB")

    def test_block_expand_leader(self):
        self.check_block_expand(self.kill_leader_and_finish, (303,))

    def test_block_expand_power(self):
        self.check_block_expand(self.cut_power_and_finish, (303, 500))

    def test_block_delete_leader(self):
        self.check_block_delete(self.kill_leader_and_finish, (204,))

    def test_block_delete_power(self):
        """The replicas of what gluster-block keeps may contradict each other (EIO) until they are healed."""
        self.check_block_delete(self.cut_power_and_finish, (204, 500))


if __name__ == "__main__":
    unittest.main(verbosity=2)
