#!/usr/bin/env python3
"""What differs between the storage nodes and the database is found: nothing when all is well, and leftovers of others.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import unittest

from system import LabTest, on_node

PATH = "/internal/state/examine/gluster"


class ExamineTest(LabTest):
    """In the order of their names."""

    def findings(self):
        answer = self.members.any("GET", PATH)
        self.assertEqual(answer.status, 200, answer.body)
        document = answer.json()
        self.assertTrue(document["report"][0].startswith("OnDemand Examiner invoked while "))
        return document, sorted(finding["code"] for finding in document["findings"])

    def test_1_nothing_when_all_is_well(self):
        path = self.create("one")
        document, codes = self.findings()
        self.assertEqual(codes, [], document["findings"])
        self.assertEqual(document["report"][1], "heketi volume list matches with volume list of all nodes")
        node = document["clusters"][0]["NodesData"][0]
        self.assertEqual(node["VolumeInfo"]["Volumes"]["VolumeList"][0]["VolumeName"], "one")
        self.assertEqual(len(node["LVMLVInfo"]["report"][0]["lv"]), 2)
        self.delete(path)
        self.assertEqual(self.findings()[1], [])

    def test_2_leftovers_and_losses(self):
        path = self.create("two")
        group = on_node(1, "lvm vgs --noheadings -o vg_name | grep vg_").split()[0]
        on_node(1, f"set -e; lvm lvcreate -y -L 8M -n brick_forgotten {group}; cp /etc/fstab /etc/fstab.kept; "
                   "sed -i '/brick_/d' /etc/fstab")
        address = self.environment["HECATE_LAB_NODE2"]
        on_node(2, f"set -e; mkdir -p /srv/foreign; gluster --mode=script volume create foreign {address}:/srv/foreign/b force")
        try:
            document, codes = self.findings()
            self.assertEqual(codes, ["foreign-volume", "leftover-lv", "missing-fstab"], document["findings"])
            leftover = next(item for item in document["findings"] if item["code"] == "leftover-lv")
            self.assertIn(f"lvremove {group}/brick_forgotten", leftover["remedy"])
        finally:
            on_node(1, f"lvm lvremove -y {group}/brick_forgotten; cp /etc/fstab.kept /etc/fstab")
            on_node(2, "gluster --mode=script volume delete foreign; rm -rf /srv/foreign")
        self.assertEqual(self.findings()[1], [])
        self.delete(path)

    def test_3_snapshots(self):
        """Somebody's snapshot is nobody's business; an LV of one that Gluster has forgotten is."""
        path = self.create("three")
        group = on_node(1, "lvm vgs --noheadings -o vg_name | grep vg_").split()[0]
        forgotten = "0123456789abcdef0123456789abcdef_0"
        on_node(1, "gluster --mode=script snapshot create somebodys three no-timestamp")
        try:
            self.assertEqual(self.findings()[1], [])
            on_node(1, f"lvm lvcreate -y -L 8M -n {forgotten} {group}")
            document, codes = self.findings()
            self.assertEqual(codes, ["leftover-snapshot"], document["findings"])
            self.assertIn(f"lvremove {group}/{forgotten}", document["findings"][0]["remedy"])
        finally:
            on_node(1, f"lvm lvremove -y {group}/{forgotten}; gluster --mode=script snapshot delete somebodys")
        clone = self.finish_request("POST", f"{path}/clone", {"name": "copy"})
        self.assertEqual(clone.status, 303, clone.body)
        self.assertEqual(self.findings()[1], [])
        self.delete(clone.headers["location"])
        self.delete(path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
