#!/usr/bin/env python3
"""Requests are data, on real Gluster nodes: what an attacker found is refused and leaves nothing behind; a value with all
that a shell could read arrives unchanged.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import re
import unittest
from xml.sax.saxutils import unescape

from system import LabTest, on_node

WRITTEN = "/etc/profile.d/hecate-probe.sh"
VALUE = "; id & | $(id) 'x' \"y\" \\z <a >b *?[c]{d,e} ! #f ~g %s =h ,i -j"


class DataTest(LabTest):
    DISKS = 1

    def ask(self, options):
        return self.members.any(
            "POST",
            "/volumes",
            {
                "size": 1,
                "name": "probe",
                "durability": {"type": "replicate", "replicate": {"replica": 3}},
                "glustervolumeoptions": options,
            },
        )

    def test_1_options_of_the_client_are_refused(self):
        """Gluster's client would write its log, as root, to any file, with what else the request says in it."""
        for value in (f"--log-file={WRITTEN}", f"on --log-file={WRITTEN}", f"--remote-host=$(touch {WRITTEN})"):
            answer = self.ask(["user.a 1", f"user.b {value}"])
            self.assertEqual(answer.status, 400, answer.body)
            self.assertIn('glustervolumeoptions: item 2: the word "--', answer.body)
        # and its daemons run what stands between backquotes in the files that values are written to
        answer = self.ask([f"ssl.cipher-list HIGH`touch {WRITTEN}`"])
        self.assertEqual(answer.status, 400, answer.body)
        self.assertEqual(self.members.any("GET", "/volumes").json(), {"volumes": []})
        for number in self.NODES:
            self.assertEqual(on_node(number, f"ls {WRITTEN} 2>/dev/null || true").strip(), "")

    def test_2_a_value_arrives_as_it_was_sent(self):
        path = self.create("probe", glustervolumeoptions=[f"user.a {VALUE}", "user.b -1"])
        said = on_node(1, "gluster --mode=script volume info probe --xml")
        options = dict(re.findall("<name>(user[^<]*)</name>\\s*<value>([^<]*)</value>", said))
        entities = {"&quot;": '"', "&apos;": "'", "&#39;": "'", "&#34;": '"'}
        self.assertEqual(unescape(options["user.a"], entities), VALUE)
        self.assertEqual(options["user.b"], "-1")
        self.mounted("probe", "echo here >file")
        self.delete(path)
        self.assert_nodes_equal_database()


if __name__ == "__main__":
    unittest.main()
