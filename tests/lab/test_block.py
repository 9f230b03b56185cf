#!/usr/bin/env python3
"""Block volumes on real Gluster nodes: a hosting volume made on the way, growing, deleting, and a leader that dies inside a
create. Debian has no gluster-block: tests/lab/gluster-block stands in for that one command, on the nodes' real volumes.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import unittest

from system import JOB_S, LabTest, eventually, lab, on_node

HERE = os.path.dirname(os.path.abspath(__file__))


def install_stand_in(number):
    with open(os.path.join(HERE, "gluster-block"), encoding="utf-8") as file:
        text = file.read()
    on_node(number, "cat >/usr/local/bin/gluster-block <<'STAND-IN'\n" + text + "STAND-IN\n"
                    "chmod 755 /usr/local/bin/gluster-block; ln -sf /usr/local/bin/gluster-block /usr/sbin/; sync -f /usr")


class BlockTest(LabTest):
    """In the order of their names."""

    SETTINGS = {"auto_create_block_hosting_volume": True, "block_hosting_volume_size": 4}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number in cls.NODES:
            install_stand_in(number)

    def tearDown(self):
        for number in self.NODES:
            on_node(number, "rm -f /run/gluster-block.fault")

    # ---- helpers ----

    def begin_block(self, **body):
        answer = self.members.any("POST", "/blockvolumes", body)
        self.assertEqual(answer.status, 202, answer.body)
        return answer.headers["location"]

    def create_block(self, **body):
        done = self.members.finish(self.begin_block(**body), deadline_s=JOB_S)
        self.assertEqual(done.status, 303, done.body)
        return done.headers["location"]

    def seen(self, block):
        """What gluster-block says of it, on another node than usual."""
        hosting = self.get(f"/volumes/{block['blockhostingvolume']}")["name"]
        return json.loads(on_node(3, f"gluster-block info {hosting}/{block['name']} --json"))

    def assert_blocks_equal_database(self):
        """On every hosting volume are the block volumes of the database, and their images, and nothing else."""
        wanted = {}
        for volume in self.get("/volumes")["volumes"]:
            info = self.get(f"/volumes/{volume}")
            if info.get("block"):
                blocks = [self.get(f"/blockvolumes/{block}")["name"] for block in info["blockinfo"].get("blockvolume", [])]
                wanted[info["name"]] = sorted(blocks)
        for name, blocks in wanted.items():
            found = json.loads(on_node(1, f"gluster-block list {name} --json"))["blocks"]
            self.assertEqual(found, blocks, name)
        images = on_node(1, "find /var/lib/heketi/mounts/*/*/brick/block-store -type f 2>/dev/null | wc -l; true")
        self.assertEqual(int(images), sum(len(blocks) for blocks in wanted.values()))
        self.assert_nodes_equal_database()

    def set_fault(self, words):
        for number in self.NODES:
            on_node(number, f"echo {words} >/run/gluster-block.fault")

    # ---- tests ----

    def test_1_life(self):
        """The first one brings its hosting volume along."""
        self.assertEqual(self.get("/volumes")["volumes"], [])
        path = self.create_block(size=1, name="lun", auth=True)
        block = self.get(path)
        seen = self.seen(block)
        self.assertEqual(block["blockvolume"]["iqn"], "iqn.2016-12.org.gluster-block:" + seen["GBID"])
        self.assertEqual((block["blockvolume"]["username"], block["blockvolume"]["password"]),
                         (seen["GBID"], seen["PASSWORD"]))
        addresses = sorted(self.environment[f"HECATE_LAB_NODE{number}"] for number in self.NODES)
        self.assertEqual(sorted(block["blockvolume"]["hosts"]), addresses)
        self.assertEqual((block["hacount"], block["size"], block["usablesize"]), (3, 1, 1))
        self.assert_blocks_equal_database()
        second = self.create_block(size=1, name="two", hacount=1)
        self.assertEqual(self.get(second)["blockhostingvolume"], block["blockhostingvolume"])
        self.assertEqual(len(self.get(second)["blockvolume"]["hosts"]), 1)
        done = self.finish_request("POST", path + "/expand", {"new_size": 2})
        self.assertEqual(done.status, 303, done.body)
        self.assertEqual(self.seen(block)["SIZE"], "2.0 GiB")
        self.assertEqual((self.get(path)["size"], self.get(path)["usablesize"]), (2, 2))
        self.assert_blocks_equal_database()
        hosting = "/volumes/" + block["blockhostingvolume"]
        self.assertEqual(self.get(hosting)["blockinfo"].get("freesize", 0), 0)
        self.assertEqual(self.members.any("DELETE", hosting).status, 409)
        self.delete(path)
        self.delete(second)
        self.assert_blocks_equal_database()
        self.delete(hosting)
        self.assert_nodes_equal_database()

    def test_2_leader_killed_inside_a_create(self):
        self.set_fault("slow")
        location = self.begin_block(size=1, name="killed")
        leader = self.members.leader()
        eventually("the block volume is being made", lambda: self.steps("block-create"), deadline_s=JOB_S)
        self.cluster("kill", str(leader))
        others = [number for number in self.NODES if number != leader]
        done = self.members.finish(location, among=others, deadline_s=JOB_S)
        self.assertEqual(done.status, 303, done.body)
        self.cluster("start", str(leader))
        self.assertEqual(self.seen(self.get(done.headers["location"]))["SIZE"], "1.0 GiB")
        self.assert_blocks_equal_database()

    def test_3_half_made(self):
        """gluster-block itself dies in the middle: the next try clears away what it left."""
        self.set_fault("half")
        done = self.members.finish(self.begin_block(size=1, name="half"), deadline_s=JOB_S)
        self.assertIn(done.status, (303, 500), done.body)
        self.assert_blocks_equal_database()

    def test_4_partial_expand(self):
        path = self.create_block(size=1, name="partial")
        self.set_fault("partial")
        done = self.finish_request("POST", path + "/expand", {"new_size": 2})
        self.assertEqual(done.status, 500)
        self.assertIn("resize failed", done.body)
        self.assertEqual((self.get(path)["size"], self.get(path)["usablesize"]), (2, 1))
        self.tearDown()
        done = self.finish_request("POST", path + "/expand", {"new_size": 2})
        self.assertEqual(done.status, 303, done.body)
        self.assertEqual(self.get(path)["usablesize"], 2)
        self.assert_blocks_equal_database()

    def test_5_no_daemon(self):
        self.set_fault("silent")
        location = self.begin_block(size=1, name="silent")
        eventually("the undo waits for a daemon", lambda: any(
            operation["type"] == "create-block-volume" and operation["phase"] == "undo"
            for operation in self.members.status(self.members.leader())["operations"]), deadline_s=JOB_S)
        self.tearDown()
        done = self.members.finish(location, deadline_s=JOB_S)
        self.assertEqual(done.status, 500)
        self.assertIn("daemon is operational", done.body)
        self.assert_blocks_equal_database()

    def test_6_all_lose_power_right_after_a_create(self):
        """What was acknowledged is on the disks of the hosting volume."""
        path = self.create_block(size=1, name="lasting")
        for number in self.NODES:
            lab("power-off", number)
        for number in self.NODES:
            lab("power-on", number)
        block = self.get(path)
        self.assert_bricks_online(self.get(f"/volumes/{block['blockhostingvolume']}")["name"])
        self.assertEqual(self.seen(block)["SIZE"], "1.0 GiB")
        self.assert_blocks_equal_database()

    def test_7_not_installed(self):
        """Refused, and nothing is waited for."""
        for number in self.NODES:
            on_node(number, "mv /usr/local/bin/gluster-block /usr/local/bin/away; rm -f /usr/sbin/gluster-block")
        done = self.members.finish(self.begin_block(size=1, name="absent"), deadline_s=JOB_S)
        self.assertEqual(done.status, 500)
        self.assertIn("gluster-block is not installed", done.body)
        for number in self.NODES:
            on_node(number, "mv /usr/local/bin/away /usr/local/bin/gluster-block; "
                            "ln -sf /usr/local/bin/gluster-block /usr/sbin/")
        self.assert_blocks_equal_database()

    def test_8_somebody_elses_hosting_volume(self):
        """One took the name of a hosting volume of ours: nothing is made, changed or deleted there."""
        path = self.create_block(size=1, name="ours")
        hosting = self.get(path)["blockhostingvolume"]
        name = self.get(f"/volumes/{hosting}")["name"]
        address = self.environment["HECATE_LAB_NODE1"]
        gone = f"set -e\ngluster --mode=script volume stop {name} force\ngluster --mode=script volume delete {name}\n"
        on_node(1, f"{gone}mkdir -p /srv\ngluster --mode=script volume create {name} {address}:/srv/{name} force\n"
                   f"gluster --mode=script volume start {name}")
        for method, to, body in (("POST", "/blockvolumes", {"size": 1, "name": "theirs"}),
                                 ("POST", f"{path}/expand", {"new_size": 2}), ("DELETE", path, None)):
            done = self.finish_request(method, to, body)
            self.assertEqual(done.status, 500, done.body)
            self.assertIn("is not the one that is meant, and was left as it is", done.body)
            self.assertEqual(on_node(1, f"ls /srv/{name}").strip(), "")
        self.assertEqual(self.get(path)["size"], 1)
        on_node(1, f"{gone}rm -rf /srv/{name}")
        for block in self.get("/blockvolumes")["blockvolumes"]:
            if self.get(f"/blockvolumes/{block}")["blockhostingvolume"] == hosting:
                self.delete(f"/blockvolumes/{block}")
        self.delete(f"/volumes/{hosting}")
        self.assert_nodes_equal_database()


if __name__ == "__main__":
    unittest.main(verbosity=2)
