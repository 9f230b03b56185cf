#!/usr/bin/env python3
"""A storage node dies: its bricks are moved away, it is forgotten; what it still has goes when it returns, or is given up."""

import json
import os
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
from provisioner import Provisioner, Refused  # noqa: E402
from servers import Servers  # noqa: E402

WAIT_S = 60
REPLICATED = {"size": 5, "durability": {"type": "replicate", "replicate": {"replica": 3}}}


class DeadNode(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="hecate-dead-node-")
        self.addCleanup(folder.cleanup)
        self.servers = Servers(os.path.join(folder.name, "members"), "follower")
        self.addCleanup(self.servers.stop)
        self.admin = Provisioner(self.servers.start({"server": {"nodes": {}}}))
        self.cluster = self.admin_json(201, "POST", "/clusters", {"file": True, "block": True})["id"]
        self.nodes = [self.add_node(zone) for zone in (1, 2, 3, 4)]
        self.volumes = [self.admin.job("POST", "/volumes", REPLICATED)["id"] for _ in range(3)]
        self.dead = next(node for node in self.nodes if self.device(node)["bricks"])
        self.gone = self.device(self.dead)["id"]

    def admin_json(self, status, *request):
        return json.loads(self.admin.expect(status, *request).body)

    def add_node(self, zone):
        node = self.admin.job("POST", "/nodes", {"zone": zone, "cluster": self.cluster,
                                                 "hostnames": {"manage": [f"n{zone}"], "storage": [f"192.0.2.{zone}"]}})
        self.admin.job("POST", "/devices", {"name": "/dev/sdb", "node": node["id"]})
        return node["id"]

    def device(self, node):
        return self.admin.get("/nodes/" + node)["devices"][0]

    def silence(self, host):
        """The node of this host does not answer any more; None: all do."""
        orders = [{"host": host, "code": "connect"}] if host else []
        with open(self.servers.faults_file + ".new", "w", encoding="utf-8") as file:
            json.dump(orders, file)
        os.rename(self.servers.faults_file + ".new", self.servers.faults_file)

    def operations(self):
        """Types of what has not ended, as the asked member sees it: it may be a moment behind."""
        return [operation["type"] for operation in self.admin_json(200, "GET", "/cluster/status")["operations"]]

    def wait(self, condition):
        deadline = time.monotonic() + WAIT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.operations())
            time.sleep(0.1)

    def lose(self):
        """The node dies; its bricks are moved, its device is forgotten."""
        self.silence(self.admin.get("/nodes/" + self.dead)["hostnames"]["manage"][0])
        for state in ("offline", "failed"):
            self.admin.job("POST", f"/nodes/{self.dead}/state", {"state": state, "healcheck": "disable"})
        self.assertEqual(self.admin.get("/devices/" + self.gone)["bricks"], [])
        with self.assertRaisesRegex(Refused, "because it contains bricks"):
            self.admin.job("DELETE", "/devices/" + self.gone)
        self.admin.job("DELETE", "/devices/" + self.gone, {"forceforget": True})
        with self.assertRaisesRegex(Refused, "Id not found"):
            self.admin.get("/devices/" + self.gone)
        self.assertEqual(self.admin.get("/nodes/" + self.dead)["devices"], [])
        with self.assertRaisesRegex(Refused, "because it contains devices"):
            self.admin.job("DELETE", "/nodes/" + self.dead)
        self.wait(lambda: "clean-device" in self.operations() and "delete-device" not in self.operations())

    def check_rest(self):
        """The volumes are whole, on the other nodes."""
        nodes = self.admin.get("/clusters/" + self.cluster)["nodes"]
        self.assertEqual(sorted(nodes), sorted(set(self.nodes) - {self.dead}))
        for volume in self.volumes:
            bricks = self.admin.get("/volumes/" + volume)["bricks"]
            self.assertEqual(len({brick["node"] for brick in bricks} - {self.dead}), 3)

    def test_returns(self):
        self.lose()
        self.silence(None)
        self.wait(lambda: self.operations() == [])
        self.admin.job("DELETE", "/nodes/" + self.dead)
        self.check_rest()

    def test_given_up(self):
        self.lose()
        self.admin.job("DELETE", f"/nodes/{self.dead}?forceforget=true")
        self.wait(lambda: self.operations() == [])
        self.check_rest()


if __name__ == "__main__":
    unittest.main()
