#!/usr/bin/env python3
"""All members are lost while volumes are being made, and a backup of a moment before that is restored.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import Members, eventually  # noqa: E402
from test_cluster import ClusterTest, config  # noqa: E402

CLAIM = {"size": 2, "gid": 2000, "durability": {"type": "replicate", "replicate": {"replica": 3}}}
ASKED_S = 5  # for so long a volume is not taken over after its queue was asked for


class RestoreTest(ClusterTest):
    def before_up(self):
        self.orders = os.path.join(self.folder, "orders.json")
        self.mock["faults_file"] = self.orders
        self.order([])

    def order(self, orders):
        with open(self.orders + ".new", "w", encoding="utf-8") as file:
            json.dump(orders, file)
        os.rename(self.orders + ".new", self.orders)

    def claim(self):
        answer = self.members.any("POST", "/volumes", CLAIM)
        self.assertEqual(answer.status, 202, answer.body)
        return answer.headers["location"]

    def restore(self, backup):
        """Three new members in place of the old ones."""
        self.cluster("down")
        self.directory = os.path.join(self.folder, "new")
        file = os.path.join(self.folder, "new.json")
        with open(file, "w", encoding="utf-8") as out:
            json.dump(config(self.faults, self.cluster_section, self.log_format, self.tls, self.mock, None), out)
        output = self.cluster("up", "--config", file, "--hosts", self.hosts.members(), "--restore", backup)
        urls = {int(line.split()[1]): line.split()[2] for line in output.splitlines()}
        self.members = Members(urls, self.hosts.namespace("c1"))

    def test_a_claim_that_was_told_after_the_backup(self):
        backup = os.path.join(self.folder, "backup")
        self.load_topology()
        self.wait_level()
        self.order([{"step": "volume-create", "delay_ms": 3000}])
        first = self.claim()
        self.hecate("db", "backup", backup)
        told = self.members.finish(first)
        self.assertEqual(told.status, 303)
        volume = told.headers["location"]
        self.order([])
        self.restore(backup)
        term = eventually("a leader", lambda: (state := self.members.status(1)) and state["leader"] and state["term"])
        eventually("the volume is finished", lambda: self.members.any("GET", volume).status == 200)
        self.assertEqual(self.members.status(1)["term"], term, "without another leader")
        self.assertEqual(self.members.finish(first).headers.get("location"), volume)
        asked = time.monotonic()
        eventually("nobody has asked for long", lambda: time.monotonic() > asked + ASKED_S + 1)
        other = self.members.finish(self.claim())
        self.assertEqual(other.status, 303)
        self.assertNotEqual(other.headers["location"], volume, "two claims share one volume")


if __name__ == "__main__":
    unittest.main(verbosity=2)
