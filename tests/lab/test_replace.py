#!/usr/bin/env python3
"""Three nodes, each with a brick of everything: a disk, or a whole node, is lost and rebuilt at its place, without a fourth one.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import re
import time
import unittest

from system import JOB_S, LabTest, eventually, lab, on_node

FILL = """
mkdir -p folder/deep
for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=folder/file$i bs=64k count=4 2>/dev/null; echo $i >folder/deep/$i; done
cat folder/file* folder/deep/* | sha256sum
"""
SUM = "cat folder/file* folder/deep/* | sha256sum"
LOST = 3  # the node that is lost

# The disk is pulled: nothing of its volume group is left, and what the kernel has of it fails.
LOSE_DISK = r"""
pkill -9 glusterfsd || true
for place in $(awk '/heketi.mounts.vg_GROUP/ {print $2}' /proc/self/mounts); do umount -l $place; done
vgremove -qq -f vg_GROUP; pvremove -qq DISK; wipefs -qa DISK; sed -i '/vg_GROUP/d' /etc/fstab
rm -rf /var/lib/heketi/mounts/vg_GROUP
"""
# The system is reinstalled, DISKS or not.
NEW_SYSTEM = r"""
systemctl stop glusterd; pkill -9 glusterfsd; pkill -9 glusterfs
for place in $(awk '/heketi.mounts/ {print $2}' /proc/self/mounts); do umount $place || umount -l $place; done
sed -i '/heketi/d' /etc/fstab
rm -rf /var/lib/heketi /var/lib/glusterd/glusterd.info /var/lib/glusterd/peers/* /var/lib/glusterd/vols/*
systemctl reset-failed glusterd
systemctl start glusterd
"""
NO_DISKS = r"""
for group in $(vgs --noheadings -o vg_name); do vgremove -qq -f $group; done
for disk in /dev/ubdb /dev/ubdc; do pvremove -qq $disk; wipefs -qa $disk; done 2>/dev/null
true
"""
DISPERSE = {"type": "disperse", "disperse": {"data": 2, "redundancy": 1}}
VOLUMES = {"rep": {}, "arb": {"glustervolumeoptions": ["user.heketi.arbiter true"]},
           "dis": {"size": 2, "durability": DISPERSE}}


class ReplaceTest(LabTest):
    """In the order of their names."""

    DISKS = 2
    sums = {}

    @classmethod
    def load_topology(cls, nodes=None, disks=1):
        super().load_topology(nodes, disks)

    # ---- helpers ----

    def node(self):
        for cluster in self.get("/clusters")["clusters"]:
            for node in self.get(f"/clusters/{cluster}")["nodes"]:
                info = self.get(f"/nodes/{node}")
                if info["hostnames"]["storage"] == [self.environment[f"HECATE_LAB_NODE{LOST}"]]:
                    return info
        raise AssertionError("the node is not there")

    def device(self):
        devices = self.node()["devices"]
        self.assertEqual(len(devices), 1)
        return devices[0]

    def fill_all(self):
        for name, more in VOLUMES.items():
            if name not in self.sums:
                self.create(name, **more)
                self.assert_bricks_online(name)
                self.sums[name] = self.mounted(name, FILL).split()[0]

    def heal_entries(self, name):
        xml = on_node(1, f"gluster --mode=script volume heal {name} info --xml")
        return re.findall(r"<numberOfEntries>([^<]*)<", xml)

    def wait_until_healed(self):
        """What was written before a client knew all bricks; Gluster itself looks every ten minutes."""
        def healed():
            unhealed = [name for name in self.sums if self.heal_entries(name) != ["0"] * 3]
            for name in unhealed:
                on_node(1, f"gluster --mode=script volume heal {name}", check=False)
            return not unhealed
        eventually("all is healed", healed, deadline_s=JOB_S, pause_s=1)

    def entries_on(self, number):
        """Names and sizes on the bricks of the replicated volumes."""
        return on_node(number, r"cd /var/lib/heketi/mounts && find . -path '*/folder/*' -not -path '*/.glusterfs/*' "
                               r"-printf '%f\n' | sort").split()

    def assert_whole(self):
        """Content, bricks, peers: all as before, and healed."""
        for name, digest in self.sums.items():
            self.assert_bricks_online(name)
            self.assertEqual(self.heal_entries(name), ["0"] * 3, name)
            self.assertEqual(self.mounted(name, SUM).split()[0], digest, name)
        self.assertEqual(self.entries_on(LOST), self.entries_on(1))
        self.assertTrue(self.entries_on(LOST))
        self.assert_nodes_equal_database()
        self.assert_nothing_to_report()
        info = self.node()
        self.assertEqual((info["state"], info["devices"][0]["state"]), ("online", "online"))

    def assert_only_copy(self):
        """The replaced node alone, with one more, has all: what was healed is really there."""
        lab("power-off", 2)
        try:
            for name, digest in self.sums.items():
                self.assertEqual(self.mounted(name, SUM).split()[0], digest, name)
        finally:
            lab("power-on", 2)
            self.wait_for_nodes()
            for name in self.sums:
                self.assert_bricks_online(name)
            self.wait_until_healed()

    def replace(self, path, body=None, status=204):
        began = time.monotonic()
        done = self.finish_request("POST", f"{path}/replace", body or {})
        self.assertEqual(done.status, status, done.body)
        print(f"{path.split('/')[1]} replace: {time.monotonic() - began:.1f} s", flush=True)
        return done.body

    # ---- tests ----

    def test_1_intact(self):
        """What is not lost is not replaced."""
        self.fill_all()
        self.wait_until_healed()
        body = self.replace(f"/devices/{self.device()['id']}", status=500)
        self.assertIn("is not lost", body)
        body = self.replace(f"/nodes/{self.node()['id']}", status=500)
        self.assertIn("is not lost", body)
        self.assert_whole()

    def test_2_disk(self):
        """A disk fails; the bricks are rebuilt on the spare one, and a leader dies in between."""
        device = self.device()
        on_node(LOST, LOSE_DISK.replace("GROUP", device["id"]).replace("DISK", device["name"]), check=False)
        began = time.monotonic()
        done = self.kill_leader_and_finish(
            self.accepted("POST", f"/devices/{device['id']}/replace", {"name": "/dev/ubdc"}), "brick-create")
        self.assertEqual(done.status, 204, done.body)
        print(f"device replace: {time.monotonic() - began:.1f} s", flush=True)
        self.assertEqual(self.device()["name"], "/dev/ubdc")
        self.assert_whole()
        self.assert_only_copy()

    def test_3_node(self):
        """The node comes back empty, under its name; a leader dies while glusterd gets its old identity."""
        on_node(LOST, NEW_SYSTEM + NO_DISKS, check=False)
        self.wait_for_nodes()
        node = self.node()
        began = time.monotonic()
        location = self.accepted("POST", f"/nodes/{node['id']}/replace", {"devices": {self.device()["id"]: "/dev/ubdb"}})
        done = self.kill_leader_and_finish(location, "node-renew")
        self.assertEqual(done.status, 204, done.body)
        print(f"node replace: {time.monotonic() - began:.1f} s", flush=True)
        self.assertEqual(self.device()["name"], "/dev/ubdb")
        self.assert_whole()
        self.assert_only_copy()

    def test_4_system(self):
        """Only the system is new: the disks keep what they have."""
        on_node(LOST, NEW_SYSTEM, check=False)
        before = on_node(LOST, "vgs --noheadings -o vg_uuid")
        self.mounted("rep", "echo meanwhile >folder/deep/9")
        self.sums["rep"] = self.mounted("rep", SUM).split()[0]
        self.wait_for_nodes()
        self.replace(f"/nodes/{self.node()['id']}")
        self.assertEqual(on_node(LOST, "vgs --noheadings -o vg_uuid"), before)
        self.assert_whole()

    def test_5_lost_data(self):
        """A brick without another copy is lost with its disk, and that has to be said."""
        one = self.create("one", durability={"type": "none"})
        brick = self.get(one)["bricks"][0]
        path = f"/devices/{brick['device']}/replace"
        answer = self.members.any("POST", path, {})
        self.assertEqual(answer.status, 409, answer.body)
        self.assertIn("no other copy", answer.body)
        self.assertIn("one", answer.body)
        self.delete(one)


if __name__ == "__main__":
    unittest.main(verbosity=2)
