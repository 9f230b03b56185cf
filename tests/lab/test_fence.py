#!/usr/bin/env python3
"""The fence of one storage node is damaged by hand in several ways: volumes on the other nodes go on, the status names
the node, and it is used again by itself or once the printed remedy was followed word by word.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import re
import unittest

from system import LabTest, eventually, on_node

FILE = "/var/lib/heketi/.hecate-fence"
LATER = "ff" * 16
BAD = 4


class FenceTest(LabTest):
    NODES = (1, 2, 3, 4)

    def state(self):
        return self.members.status(self.members.leader())

    def node(self):
        address = self.environment[f"HECATE_LAB_NODE{BAD}"]
        return next(node for node in self.state()["nodes"] if node["manage"] == address)

    def wait_until_avoided(self, *codes):
        eventually(f"node {BAD} is avoided for {codes}", lambda: self.node()["cause"] in codes, deadline_s=90,
                   pause_s=0.5)

    def wait_until_well(self):
        eventually(f"node {BAD} is used again", lambda: not self.node()["avoided"], deadline_s=150, pause_s=0.5)

    def touch_node(self):
        """A step on the node, which looks at its fence."""
        device = self.get(f"/nodes/{self.node()['id']}")["devices"][0]["id"]
        self.assertEqual(self.members.any("GET", f"/devices/{device}/resync").status, 202)

    def assert_others_go_on(self, name):
        path = self.create(name)
        self.assert_bricks_online(name)
        self.delete(path)

    def damage(self, script):
        on_node(BAD, script)
        self.touch_node()

    def test_repaired_by_itself(self):
        leader, term = self.members.leader(), self.state()["term"]
        for number, text in enumerate(["garbage\\n", "0199 x7\\n", "", "0199 99999999999999999999\\n"]):
            with self.subTest(text=text):
                self.damage(f"printf '{text}' >{FILE}")
                self.assert_others_go_on(f"other{number}")
                self.wait_until_well()
                self.assertRegex(on_node(BAD, f"cat {FILE}"), f"^[0-9a-f]{{32}} {term}\n$")
        self.assertEqual((self.members.leader(), self.state()["term"]), (leader, term))
        self.assert_nothing_to_report()

    def check_remedy(self, script, code, name):
        self.damage(script)
        self.wait_until_avoided(code)
        self.assert_others_go_on(name)
        command = re.search(rf"(rm (?:-rf )?{re.escape(FILE)})", self.node()["remedy"]).group(1)
        on_node(BAD, command)
        self.wait_until_well()
        self.assert_others_go_on(f"{name}-after")

    def test_remedies(self):
        own = on_node(BAD, f"cat {FILE}").split()[0]
        self.check_remedy(f"echo '{own} 999999' >{FILE}", "fence-ahead", "ahead")
        self.check_remedy(f"echo '{LATER} 1' >{FILE}", "node-foreign", "foreign")
        self.check_remedy(f"rm /var/lib/heketi/.hecate-managers; echo garbage >{FILE}", "fence-damaged", "damaged")
        self.assert_nothing_to_report()


if __name__ == "__main__":
    unittest.main(verbosity=2)
