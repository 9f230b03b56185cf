#!/usr/bin/env python3
"""A rolling upgrade to a release that knows one more feature level, and back, under load: no request fails, and what is new
begins only when all members know it and nobody holds it.

Needs root. HECATED names the older daemon (default build/release/hecated), HECATE the client; the newer one is built here.
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
import next_release  # noqa: E402
from address import URL, AddressCluster  # noqa: E402
from client import eventually  # noqa: E402
from load import Load  # noqa: E402
from test_cluster import ROOT  # noqa: E402

OLD = os.environ.get("HECATED", os.path.join(ROOT, "build", "release", "hecated"))
SCRIPT = os.path.join(ROOT, "scripts", "cluster")


class UpgradeTest(AddressCluster):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.new = next_release.build()

    def upgrade(self, daemon):
        """scripts/upgrade as an administrator would use it, from the client's host."""
        command = (f"{SCRIPT} stop {{id}} --dir {self.directory} && "
                   f"HECATED={daemon} {SCRIPT} start {{id}} --dir {self.directory}")
        done = subprocess.run(["ip", "netns", "exec", self.hosts.namespace("c1"), os.path.join(ROOT, "scripts", "upgrade"),
                               "--server", ",".join(self.members.urls.values()), "--command", command],
                              capture_output=True, text=True, check=False, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual([line.split(":")[0] for line in done.stdout.splitlines() if line.startswith("member ") and
                          " stop " in line].__len__(), 3, done.stdout)

    def level(self):
        return self.members.any("GET", "/cluster/upgrade").json()

    def wait_known(self, levels):
        def probe():
            document = self.level()
            return document if sorted(item["levels"][1] for item in document["members"]) == levels else None
        return eventually(f"the members know levels {levels}", probe)

    def wait_level(self):
        """A new cluster begins with the first level and is raised to what its members know."""
        eventually("the level is raised", lambda: self.level()["feature_level"] == 2)

    def under_load(self, name, action):
        with Load(self.hosts.namespace("c1"), 9, [URL]) as load:
            action()
        self.assertIsNotNone(load.result)
        print(f"{name}: {load.summary()}", file=sys.stderr)
        self.assertEqual(load.result["failures"], [])
        for location in load.result["accepted"]:
            self.assertEqual(self.members.finish(location).status, 303)
        self.assert_equal_replicas()

    def test_there_and_back(self):
        self.load_topology()
        self.leader_has_it()
        self.wait_level()
        self.assertIn("Feature level: 2, held", self.hecate("upgrade", "hold"))
        self.under_load("upgrade", lambda: self.upgrade(self.new))
        document = self.wait_known([3, 3, 3])
        self.assertEqual((document["feature_level"], document["held"], document["note"]), (2, True, 0))
        self.under_load("back", lambda: self.upgrade(OLD))
        document = self.wait_known([2, 2, 2])
        self.assertEqual((document["feature_level"], document["held"]), (2, True))
        self.under_load("upgrade again", lambda: self.upgrade(self.new))
        self.hecate("upgrade", "finalize")
        eventually("the level is raised and used", lambda: (self.level()["feature_level"], self.level()["note"]) == (3, 7))
        self.assert_equal_replicas()
        # Too late to go back: the older release says so and does nothing.
        victim = next(number for number in (1, 2, 3) if number != self.members.leader())
        self.cluster("stop", str(victim))
        os.environ["HECATED"] = OLD
        try:
            self.cluster("start", str(victim), check=False)
            eventually("the older release refuses", lambda: "feature level 3" in self.log(victim))
        finally:
            os.environ["HECATED"] = self.new
        self.cluster("start", str(victim))
        self.assert_equal_replicas()
        os.environ["HECATED"] = OLD

    def test_mixed_members_do_nothing_new(self):
        self.load_topology()
        self.wait_level()
        os.environ["HECATED"] = self.new
        try:
            for number in (1, 2):
                self.cluster("stop", str(number))
                self.cluster("start", str(number))
            self.hecate("leader", "transfer", "1")
            document = self.wait_known([2, 3, 3])
            self.assertEqual((document["feature_level"], document["held"], document["all_know"]), (2, False, 2))
            for name in ("mixed-a", "mixed-b"):
                self.assertEqual(self.members.finish(self.create(name)).status, 303)
            self.assert_equal_replicas()
            self.assertEqual((self.level()["feature_level"], self.level()["note"]), (2, 0))
            self.cluster("stop", "3")
            self.cluster("start", "3")
            eventually("all know it, nobody holds it", lambda: (self.level()["feature_level"], self.level()["note"]) == (3, 7))
            self.assert_equal_replicas()
        finally:
            os.environ["HECATED"] = OLD


if __name__ == "__main__":
    unittest.main(verbosity=2)
