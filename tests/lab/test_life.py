#!/usr/bin/env python3
"""The life of nodes and devices with data on them: bricks move, heal, and what they leave is cleaned away; a node that is dead
for good is left out and comes back. What clients wrote is read back through FUSE and compared with what is on the new bricks.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import re
import unittest

from system import JOB_S, LabTest, eventually, lab, on_node

FILL = """
mkdir -p folder
for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=folder/file$i bs=64k count=16 2>/dev/null; done
setfattr -n user.mark -v set folder
cat folder/file* | sha256sum
"""
SUM = "cat folder/file* | sha256sum; getfattr --only-values -n user.mark folder"


class LifeTest(LabTest):
    """In the order of their names."""

    NODES = (1, 2, 3, 4)

    # ---- helpers ----

    def bricks(self, path):
        return self.get(path)["bricks"]

    def fill(self, name):
        """Until nothing of it is being healed: a brick that others heal from may not be replaced, and that is refused."""
        self.assert_bricks_online(name)
        digest = self.mounted(name, FILL).split()[0]

        def healed():
            if self.heal_entries(name) == {"0"}:
                return True
            # The client may have been there before a brick; Gluster itself looks every ten minutes.
            on_node(self.number_of(self.bricks_node(name)), f"gluster --mode=script volume heal {name}", check=False)
            return False
        eventually(f"{name} is healed", healed, deadline_s=120, pause_s=1)
        return digest

    def assert_content(self, name, digest):
        self.assertEqual(self.mounted(name, SUM).split(), [digest, "-", "set"], name)

    def assert_brick_has(self, brick, digest):
        """Of a replica: the files themselves are on it, healed."""
        found = on_node(self.number_of(brick["node"]), f"cat {brick['path']}/folder/file* | sha256sum")
        self.assertEqual(found.split()[0], digest)

    def heal_entries(self, name):
        xml = on_node(self.number_of(self.bricks_node(name)), f"gluster --mode=script volume heal {name} info --xml")
        return set(re.findall(r"<numberOfEntries>([^<]*)<", xml))

    def assert_healed(self, name):
        self.assertEqual(self.heal_entries(name), {"0"})

    def bricks_node(self, name):
        for volume in self.get("/volumes")["volumes"]:
            info = self.get(f"/volumes/{volume}")
            if info["name"] == name:
                return info["bricks"][0]["node"]
        raise AssertionError(f"there is no volume {name}")

    def do(self, method, path, body=None):
        done = self.finish_request(method, path, body)
        self.assertEqual(done.status, 204, done.body)

    def device_of(self, brick):
        """The device's path on the node, and its id."""
        return self.get(f"/devices/{brick['device']}")["name"], brick["device"]

    def add_device(self, node_id, name):
        self.do("POST", "/devices", {"name": name, "node": node_id})

    def assert_moved(self, name, path, old, digest):
        """The old brick is gone, the others are where they were, and the content is all there, on the new brick, too."""
        self.wait_for_operations()
        bricks = self.bricks(path)
        self.assertNotIn(old["id"], [brick["id"] for brick in bricks])
        self.assertEqual(len({brick["node"] for brick in bricks}), len(bricks))
        self.assert_content(name, digest)
        self.assert_bricks_online(name, len(bricks))
        self.assert_healed(name)
        self.assert_nodes_equal_database()
        self.assert_nothing_to_report()

    # ---- tests ----

    def test_1_evict_a_brick(self):
        path = self.create("one")
        digest = self.fill("one")
        old = self.bricks(path)[1]
        self.do("POST", f"/bricks/to-evict/{old['id']}")
        self.assert_moved("one", path, old, digest)
        for brick in self.bricks(path):
            self.assert_brick_has(brick, digest)
        self.delete(path)
        self.assert_nothing_to_report()

    def test_2_evict_of_a_disperse_volume(self):
        path = self.create("coded", size=2, durability={"type": "disperse", "disperse": {"data": 2, "redundancy": 1}})
        digest = self.fill("coded")
        old = self.bricks(path)[0]
        self.do("POST", f"/bricks/to-evict/{old['id']}")
        self.assert_moved("coded", path, old, digest)
        # The other two must not be needed for what the new one has: it serves together with one of them.
        stays, leaves = (self.number_of(self.bricks(path)[at]["node"]) for at in (1, 2))
        lab("power-off", leaves)
        try:
            self.assertEqual(self.mounted("coded", SUM, stays).split()[0], digest)
        finally:
            lab("power-on", leaves)
        self.assert_bricks_online("coded", 3)
        self.delete(path)
        self.assert_nothing_to_report()

    def test_3_remove_a_device(self):
        """Offline: takes no new bricks. Failed: its bricks move. Then it can be deleted and added anew."""
        path = self.create("two")
        digest = self.fill("two")
        old = self.bricks(path)[0]
        name, device = self.device_of(old)
        self.do("POST", f"/devices/{device}/state", {"state": "offline"})
        self.do("POST", f"/devices/{device}/state", {"state": "failed"})
        self.assertEqual(self.get(f"/devices/{device}")["state"], "failed")
        self.assert_moved("two", path, old, digest)
        self.do("DELETE", f"/devices/{device}")
        self.assertNotIn("vg_" + device, on_node(self.number_of(old["node"]), "lvm vgs"))
        self.add_device(old["node"], name)
        self.assert_nothing_to_report()
        self.delete(path)

    def test_4_remove_and_delete_a_node(self):
        path = self.create("three")
        digest = self.fill("three")
        old = self.bricks(path)[2]
        node, number = old["node"], self.number_of(old["node"])
        address = self.environment[f"HECATE_LAB_NODE{number}"]
        cluster = self.get(f"/nodes/{node}")["cluster"]
        name, device = self.device_of(old)
        self.do("POST", f"/nodes/{node}/state", {"state": "offline"})
        self.do("POST", f"/nodes/{node}/state", {"state": "failed"})
        self.assert_moved("three", path, old, digest)
        self.do("DELETE", f"/devices/{device}")
        self.do("DELETE", f"/nodes/{node}")
        other = next(number for number in self.NODES if self.environment[f"HECATE_LAB_NODE{number}"] != address)
        self.assertNotIn(address, on_node(other, "gluster pool list"))
        self.assertEqual(self.mounted("three", SUM, other).split()[0], digest)
        done = self.finish_request("POST", "/nodes", {
            "zone": number, "cluster": cluster, "hostnames": {"manage": [address], "storage": [address]}})
        self.assertEqual(done.status, 303, done.body)
        self.add_device(done.headers["location"].rsplit("/", 1)[1], name)
        self.assert_nothing_to_report()
        self.delete(path)

    def test_5_dead_node(self):
        """It lost power and does not come back soon: its brick moves, the clean-up waits for it and is shown."""
        path = self.create("four")
        digest = self.fill("four")
        old = self.bricks(path)[0]
        number = self.number_of(old["node"])
        lab("power-off", number)
        try:
            self.do("POST", f"/bricks/to-evict/{old['id']}")
            survivor = next(self.number_of(brick["node"]) for brick in self.bricks(path))
            self.assertEqual(self.mounted("four", SUM, survivor).split()[0], digest)
            eventually("what waits for the node is shown", lambda: any(
                parked["node"] == old["node"] and parked["text"].startswith("brick-destroy")
                for operation in self.members.status(self.members.leader())["operations"]
                for parked in operation["parked"]), deadline_s=JOB_S, pause_s=1)
        finally:
            lab("power-on", number)
        self.assert_moved("four", path, old, digest)
        for brick in self.bricks(path):
            self.assert_brick_has(brick, digest)
        self.delete(path)

    def test_6_nowhere_to_go(self):
        """Refused with the reason; nothing has changed."""
        path = self.create("five")
        digest = self.fill("five")
        bricks = self.bricks(path)
        holders = {brick["node"] for brick in bricks}
        spare = next(node for cluster in self.get("/clusters")["clusters"]
                     for node in self.get(f"/clusters/{cluster}")["nodes"] if node not in holders)
        self.do("POST", f"/nodes/{spare}/state", {"state": "offline"})
        done = self.finish_request("POST", f"/bricks/to-evict/{bricks[0]['id']}")
        self.assertEqual(done.status, 500, done.body)
        self.assertIn("No Replacement was found", done.body)
        self.do("POST", f"/nodes/{spare}/state", {"state": "online"})
        self.assertEqual(self.bricks(path), bricks)
        self.assert_content("five", digest)
        self.assert_nodes_equal_database()
        self.assert_nothing_to_report()
        self.delete(path)

    def test_7_single_bricks_do_not_move(self):
        path = self.create("six", durability={"type": "none"})
        digest = self.mounted("six", FILL).split()[0]  # nothing heals there
        bricks = self.bricks(path)
        done = self.finish_request("POST", f"/bricks/to-evict/{bricks[0]['id']}")
        self.assertEqual(done.status, 500, done.body)
        self.assertEqual(self.bricks(path), bricks)
        self.assert_content("six", digest)
        self.assert_nothing_to_report()
        self.delete(path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
