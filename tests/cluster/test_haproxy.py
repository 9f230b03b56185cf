#!/usr/bin/env python3
"""The sample configuration for HAProxy (docs/haproxy.cfg) with a real HAProxy: requests go to the serving leader.

Needs root and haproxy. HECATED names the daemon (default build/release/hecated).
"""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import Members, eventually  # noqa: E402
from test_cluster import ROOT, ClusterTest  # noqa: E402

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
URL = "http://127.0.0.1:8080"


class HaproxyTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        if not HAPROXY:
            raise unittest.SkipTest("haproxy is not installed")
        super().setUpClass()

    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, "docs", "haproxy.cfg"), encoding="utf-8") as file:
            text = file.read()
        for number in (1, 2, 3):  # the sample's addresses become those of the test's hosts; nothing else changes
            self.assertEqual(text.count(f"192.0.2.{number}:8080"), 1)
            text = text.replace(f"192.0.2.{number}:8080", f"{self.hosts.address(f'm{number}')}:8080")
        config = os.path.join(self.folder, "haproxy.cfg")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        checked = subprocess.run([HAPROXY, "-c", "-f", config], capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertNotIn("WARNING", checked.stdout + checked.stderr)
        with open(os.path.join(self.folder, "haproxy.log"), "wb") as log:
            # pylint: disable-next=consider-using-with
            self.haproxy = subprocess.Popen(["ip", "netns", "exec", self.hosts.namespace("c1"), HAPROXY, "-db", "-f", config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.haproxy.wait)
        self.addCleanup(self.haproxy.terminate)
        self.balancer = Members({0: URL}, self.hosts.namespace("c1"))

    def answers(self):
        """Which member answers through the balancer; None while nobody does."""
        state = self.balancer.status(0)
        return state["member_id"] if state else None

    def test_requests_go_to_the_leader(self):
        leader = self.members.leader()
        # Until its first checks have ended HAProxy takes every member for good; from then on no follower is asked.
        eventually("only the leader answers", lambda: {self.answers() for _ in range(20)} == {leader})
        self.assertEqual({self.answers() for _ in range(40)}, {leader}, "never a follower")
        self.assertEqual([self.members.ask(number, "GET", "/cluster/leader").status for number in (1, 2, 3)],
                         [200 if number == leader else 503 for number in (1, 2, 3)])

    def test_leader_killed(self):
        self.load_topology()
        through, self.members = self.members, self.balancer
        location = self.create("through-the-balancer")
        leader = through.leader()
        self.cluster("kill", str(leader))
        others = [number for number in (1, 2, 3) if number != leader]
        eventually("another member answers through the balancer", lambda: self.answers() in others)
        self.assertEqual(self.members.finish(location).status, 303)
        self.assertEqual(self.members.finish(self.create("after")).status, 303)
        self.assertEqual(len(self.volumes(0)), 2)
        self.cluster("start", str(leader))

    def test_planned_stop(self):
        leader = self.members.leader()
        eventually("the leader answers through the balancer", lambda: self.answers() == leader)
        self.cluster("stop", str(leader))
        self.assertIn(eventually("another one answers", self.answers), [number for number in (1, 2, 3) if number != leader])

    def test_nobody_leads(self):
        leader = self.members.leader()
        for number in (1, 2, 3):
            if number != leader:
                self.cluster("kill", str(number))
        eventually("503, not the old leader", lambda: (answer := self.balancer.ask(0, "GET", "/cluster/leader")) and
                   answer.status == 503)
        self.assertEqual(self.members.ask(leader, "GET", "/cluster/leader").status, 503)


if __name__ == "__main__":
    unittest.main(verbosity=2)
