#!/usr/bin/env python3
"""The in-tree provisioner of Kubernetes (as Rancher's storage class "Gluster Volume" uses it) against a cluster of three
with the mock executor: create, endpoints, expand, delete, with and without authentication, and what its controller does
when an answer is lost."""

import json
import os
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
from provisioner import Lost, LosingProxy, Once, Provisioner, Refused  # noqa: E402
from servers import Servers  # noqa: E402

HOSTS = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
SLOW = {"faults": {"create": {"command": "volume create", "delay": 7}, "delete": {"command": "volume delete", "delay": 0.5},
                   "grow": {"command": "volume add-brick", "delay": 0.5}}}
WAIT_S = 30


class Cluster(unittest.TestCase):
    """Fresh servers for a class, three nodes with a device, a proxy before them."""

    server = {"auth": True}
    member = "leader"  # which one is asked
    user, key = "admin", "admin-secret"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="hecate-provisioner-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.servers = Servers(os.path.join(cls.folder.name, "members"), cls.member)
        cls.addClassCleanup(cls.servers.stop)
        cls.proxy = LosingProxy(cls.servers.start({"server": {**SLOW, **cls.server}}))
        cls.addClassCleanup(cls.proxy.stop)
        admin = Provisioner(cls.proxy.url, cls.user, cls.key)
        cls.cluster = cls.make_cluster(admin)
        cls.wait_level(admin)

    @staticmethod
    def wait_level(admin):
        """Until what came with the newest feature level is in use."""
        deadline = time.monotonic() + WAIT_S
        while True:
            level = admin.get("/cluster/upgrade")
            if level["feature_level"] == level["all_know"]:
                break
            assert time.monotonic() < deadline, level
            time.sleep(0.05)

    @staticmethod
    def make_cluster(admin):
        cluster = json.loads(admin.expect(201, "POST", "/clusters", {"file": True, "block": False}).body)["id"]
        for zone, host in enumerate(HOSTS, 1):
            node = admin.job("POST", "/nodes", {"zone": zone, "cluster": cluster,
                                                "hostnames": {"manage": [f"n{zone}"], "storage": [host]}})
            admin.job("POST", "/devices", {"name": "/dev/sdb", "node": node["id"]})
        return cluster

    def setUp(self):
        self.proxy.lose = lambda method, path: False
        self.proxy.queues.clear()

    def tearDown(self):
        """Nothing of a test that failed is left for the next one."""
        self.proxy.lose = lambda method, path: False
        for volume in self.volumes():
            self.repeat(lambda volume=volume: self.provisioner().delete(volume), until="Id not found")

    def provisioner(self, **settings):
        return Provisioner(self.proxy.url, self.user, self.key, **settings)

    def volumes(self):
        return self.provisioner().get("/volumes")["volumes"]

    def slow(self, fault):
        """A step takes longer, so that what comes in the middle does come in the middle."""
        self.servers.control({"action": "fault-on", "fault": fault})
        self.addCleanup(self.servers.control, {"action": "fault-off", "fault": fault})

    def repeat(self, action, until):
        """As the controller: again and again until it works, or until it is refused with a certain text; the refusals."""
        refusals = []
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                action()
                return refusals
            except Refused as refusal:
                refusals.append(str(refusal))
                if until in refusals:
                    return refusals
            time.sleep(0.05)
        self.fail(f"no end within {WAIT_S} s: {refusals[-3:]}")


class Life(Cluster):
    def test_life_of_a_claim(self):
        provisioner = self.provisioner(clusters=[self.cluster], options=["server.tcp-user-timeout 20"])
        volume = provisioner.provision(3, gid=2000)
        self.assertEqual(sorted(volume["endpoints"]), HOSTS)
        self.assertEqual(volume["path"], "vol_" + volume["id"])
        self.assertEqual(volume["capacity"], 3)
        shown = provisioner.get("/volumes/" + volume["id"])
        self.assertEqual((shown["gid"], shown["snapshot"], shown["cluster"]),
                         (2000, {"enable": True, "factor": 1}, self.cluster))
        self.assertEqual(shown["durability"]["replicate"], {"replica": 3})
        self.assertIn("server.tcp-user-timeout 20", shown["glustervolumeoptions"])
        self.assertEqual(sorted(shown["mount"]["glusterfs"]["hosts"]), HOSTS)
        provisioner.delete(volume["id"])
        self.assertEqual(self.volumes(), [])

    def test_expand(self):
        provisioner = self.provisioner()
        volume = provisioner.provision(3, gid=2000)
        self.assertEqual(provisioner.expand(volume["id"], 3, 5), 5)
        self.assertEqual(provisioner.expand(volume["id"], 3, 5), 5)  # nothing is sent
        self.assertEqual(len(provisioner.get("/volumes/" + volume["id"])["bricks"]), 6)

    def test_snapshot_factor(self):
        volume = self.provisioner(snapshot_factor=1.5).provision(1, gid=2001)
        shown = self.provisioner().get("/volumes/" + volume["id"])
        self.assertEqual(shown["snapshot"], {"enable": True, "factor": 1.5})
        self.provisioner().delete(volume["id"])

    def test_refusals(self):
        with self.assertRaisesRegex(Refused, "name: must be in a valid format"):
            self.provisioner().provision(1, 2000, name="prefix_ns_claim.with.dots_1")
        with self.assertRaisesRegex(Refused, "Cluster id f{32} not found"):
            self.provisioner(clusters=["f" * 32]).provision(1, 2000)
        with self.assertRaisesRegex(Refused, "Failed to allocate new volume: No space"):
            self.provisioner().provision(100000, 2000)
        with self.assertRaisesRegex(Refused, "Id not found"):
            self.provisioner().delete("f" * 32)
        self.assertEqual(self.volumes(), [])


class Open(Life):
    """Without authentication; the original signs its requests with an empty key and no issuer."""

    server = {"auth": False}
    user, key = "", ""


class Authentication(Cluster):
    def test_wrong_key_and_wrong_role(self):
        for user, key, text in (("admin", "wrong", "signature is invalid"), ("", "", "Token missing iss claim"),
                                ("root", "admin-secret", "Unknown user")):
            with self.assertRaisesRegex(Refused, text):
                Provisioner(self.proxy.url, user, key).provision(1, 2000)
        self.assertEqual(self.volumes(), [])
        # Role user may create, but not ask for the end: the original says so and deletes nothing.
        user = Provisioner(self.proxy.url, "user", "user-secret")
        for _ in range(2):  # and the same volume, however often
            with self.assertRaisesRegex(Refused, "Administrator access required"):
                user.provision(1, 2000)
            user.back_off()
        self.assertEqual(len(self.volumes()), 1)


class LostAnswers(Cluster):
    def test_create(self):
        """The claim is tried again with the same gid: nobody waits for the first one's volume any more."""
        self.proxy.lose = Once("POST", "/volumes")
        with self.assertRaises(Lost):
            self.provisioner().provision(1, 2000)
        self.provisioner().back_off()
        volume = self.provisioner().provision(1, 2000)
        self.assertEqual(self.volumes(), [volume["id"]])
        with self.assertRaisesRegex(Refused, "taken over by a repetition"):
            self.provisioner().follow(self.proxy.queues[0])
        self.provisioner().delete(volume["id"])

    def test_create_at_once(self):
        """The first one may still be waited for: two volumes, of which the controller knows the second."""
        self.proxy.lose = Once("POST", "/volumes")
        with self.assertRaises(Lost):
            self.provisioner().provision(1, 2000)
        self.provisioner().provision(1, 2000)
        self.provisioner().follow(self.proxy.queues[0])
        self.assertEqual(len(self.volumes()), 2)
        for left in self.volumes():
            self.provisioner().delete(left)

    def test_poll_of_a_create(self):
        """The next try finds it, though it is not made yet."""
        self.slow("create")
        self.proxy.lose = lambda method, path: path.startswith("/queue/")
        with self.assertRaises(Lost):
            self.provisioner().provision(1, 2000)
        self.proxy.lose = lambda method, path: False
        self.provisioner().back_off()
        volume = self.provisioner().provision(1, 2000)
        self.assertEqual(self.volumes(), [volume["id"]])
        self.provisioner().delete(volume["id"])

    def test_two_classes(self):
        """Two claims of storage classes that give out the same gids: each gets its own, however late it asks."""
        first, second = self.provisioner(), self.provisioner()
        self.proxy.lose = Once("POST", "/volumes")
        with self.assertRaises(Lost):
            first.provision(1, 2000)
        first.back_off()
        volume = second.provision(1, 2000)
        with self.assertRaisesRegex(Refused, "taken over by a repetition"):
            first.follow(self.proxy.queues[0])  # it was only asleep
        other = first.provision(1, 2000)
        self.assertNotEqual(other["id"], volume["id"])
        for left in (volume, other):
            self.provisioner().delete(left["id"])

    def test_poll(self):
        """A job goes on without its client; its end is told as often as it is asked for."""
        self.slow("delete")
        volume = self.provisioner().provision(1, 2000)
        queue = self.proxy.queues[-1]
        self.assertEqual(self.provisioner().follow(queue)["id"], volume["id"])
        self.proxy.lose = lambda method, path: path.startswith("/queue/")
        with self.assertRaises(Lost):
            self.provisioner().delete(volume["id"])
        self.proxy.lose = lambda method, path: False
        self.provisioner().follow(self.proxy.queues[-1])
        self.assertEqual(self.volumes(), [])

    def test_lost_endpoints(self):
        """The controller has been told of the volume, so nobody else gets it: it is left."""
        self.proxy.lose = Once("GET", "/clusters/" + self.cluster)
        with self.assertRaises(Lost):
            self.provisioner().provision(1, 2000)
        left, = self.volumes()
        self.provisioner().back_off()
        volume = self.provisioner().provision(1, 2000)
        self.assertNotEqual(volume["id"], left)
        for item in (volume["id"], left):
            self.provisioner().delete(item)

    def test_delete(self):
        """While the first delete runs, a second one is told so; only then the volume is unknown."""
        volume = self.provisioner().provision(1, 2000)
        self.slow("delete")
        self.proxy.lose = Once("DELETE", "/volumes/" + volume["id"])
        with self.assertRaises(Lost):
            self.provisioner().delete(volume["id"])
        refusals = self.repeat(lambda: self.provisioner().delete(volume["id"]), until="Id not found")
        self.assertEqual(refusals[-1], "Id not found")
        self.assertEqual(set(refusals[:-1]), {"Failed to set up volume delete: The target exists, contains other items, "
                                              "or is in use."})
        self.assertEqual(self.provisioner().ask("GET", self.proxy.queues[-1]).status, 204)
        self.assertEqual(self.volumes(), [])

    def test_expand(self):
        """However often it is repeated while it runs, the volume grows once."""
        volume = self.provisioner().provision(1, 2000)
        self.slow("grow")
        self.proxy.lose = Once("POST", "/expand")
        with self.assertRaises(Lost):
            self.provisioner().expand(volume["id"], 1, 3)
        self.assertEqual(self.provisioner().expand(volume["id"], 1, 3), 3)
        self.assertEqual(self.proxy.queues[-1], self.proxy.queues[-2])
        shown = self.provisioner().get("/volumes/" + volume["id"])
        self.assertEqual((shown["size"], len(shown["bricks"])), (3, 6))
        self.provisioner().delete(volume["id"])


class LostAnswersOfFollower(LostAnswers):
    """The same through a member that forwards."""

    member = "follower"


if __name__ == "__main__":
    unittest.main()
