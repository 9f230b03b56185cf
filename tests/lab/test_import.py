#!/usr/bin/env python3
"""A database that moves to new members: a dump in Heketi's form, and a backup. The volumes on the nodes go on as they are.

The new members begin with terms lower than those that the nodes know: the nodes let them in because their cluster is the
younger one. Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon.
"""

import os
import unittest

from system import LabTest, on_node


class ImportTest(LabTest):
    DISKS = 2

    def setUp(self):
        """A volume with a file in it, and its clone, of members that have led for some terms."""
        for _ in range(3):
            leader, _ = self.kill_leader()
            self.cluster("start", str(leader))
        self.origin = self.create("origin")
        self.mounted("origin", "echo original >file")
        self.clone = self.finish("POST", f"{self.origin}/clone", {"name": "copy"})
        self.before = self.everything()

    def finish(self, method, path, body):
        done = self.finish_request(method, path, body)
        self.assertEqual(done.status, 303, done.body)
        return done.headers["location"]

    def everything(self):
        """What clients may ask for, in one document."""
        seen = {}
        for kind in ("clusters", "nodes", "volumes"):
            seen[kind] = {}
        for cluster in self.get("/clusters")["clusters"]:
            info = self.get(f"/clusters/{cluster}")
            seen["clusters"][cluster] = {key: sorted(value) if isinstance(value, list) else value
                                         for key, value in info.items()}
            for kind in ("nodes", "volumes"):
                seen[kind].update({item: self.get(f"/{kind}/{item}") for item in info[kind]})
        for node in seen["nodes"].values():
            node["devices"].sort(key=lambda device: device["id"])
            for device in node["devices"]:
                device["bricks"].sort(key=lambda brick: brick["id"])
        return seen

    def new_members_with(self, option, data):
        """Each of them gets the file before it is started."""
        path = os.path.join(self.folder, "moving")
        with open(path, "wb") as file:
            file.write(data)
        self.cluster("down")
        self.new_cluster(option, path)

    def go_on(self):
        """All is as before, and what came along can be expanded, cloned and deleted."""
        self.assertEqual(self.everything(), self.before)
        self.assert_nothing_to_report()
        self.finish("POST", f"{self.origin}/expand", {"expand_size": 1})
        self.wait_for_operations()
        self.assertEqual(self.get(self.origin)["size"], 2)
        self.assertEqual(self.mounted("origin", "cat file; echo changed >file"), "original")
        second = self.finish("POST", f"{self.origin}/clone", {"name": "second"})
        self.assertEqual(self.mounted("second", "cat file"), "changed")
        self.assertEqual(self.mounted("copy", "cat file"), "original")
        for path in (self.origin, second, self.clone):
            self.delete(path)
        self.wait_for_operations()
        self.assertEqual(self.get("/volumes"), {"volumes": []})
        self.assert_nodes_equal_database()
        for number in self.NODES:
            self.assertEqual(on_node(number, "lvs --noheadings -o lv_name").strip(), "", f"LVs on node {number}")
        self.assert_nothing_to_report()

    def test_1_dump_to_running_members(self):
        dump = self.get("/db/dump")
        self.cluster("down")
        self.new_cluster()
        answer = self.members.any("POST", "/db/import", dump)
        self.assertEqual(answer.status, 200, answer.body)
        self.go_on()

    def test_2_dump_before_the_start(self):
        self.new_members_with("--import", self.members.any("GET", "/db/dump").data)
        self.go_on()

    def test_3_backup(self):
        self.new_members_with("--restore", self.members.any("GET", "/backup/db").data)
        self.go_on()


if __name__ == "__main__":
    unittest.main(verbosity=2)
