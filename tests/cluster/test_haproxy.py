#!/usr/bin/env python3
"""The sample configuration for HAProxy (docs/haproxy.cfg) with a real HAProxy: requests go to the serving leader.

Needs root and haproxy. HECATED names the daemon (default build/release/hecated).
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import Members, eventually  # noqa: E402
from test_cluster import ROOT, ClusterTest  # noqa: E402

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
URL = "http://127.0.0.1:8080"
KILLS = 4
POLLERS = 4


class Polls:
    """Clients that read through the balancer all the time, one request after the other."""

    def __init__(self, balancer):
        self.balancer, self.stop, self.lock = balancer, threading.Event(), threading.Lock()
        self.count, self.failed = 0, []
        self.threads = [threading.Thread(target=self.poll) for _ in range(POLLERS)]

    def poll(self):
        while not self.stop.is_set():
            answer = self.balancer.ask(0, "GET", "/clusters", timeout_s=60)
            with self.lock:
                self.count += 1
                if answer is None or answer.status != 200:
                    self.failed.append(answer and (answer.status, answer.body))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


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
            self.assertEqual(text.count(f"192.0.2.{number}:8080"), 3)
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

    def waited(self, number):
        """How many requests have had to wait there for a leader."""
        text = self.members.ask(number, "GET", "/metrics").body
        return int(re.search(r"^hecate_api_requests_waited_total (\d+)$", text, re.MULTILINE).group(1))

    def polls(self):
        return Polls(self.balancer)

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

    def test_no_read_fails_while_leaders_are_killed(self):
        """A provisioner takes one failed poll for a failed volume: it makes another one, and the first is nobody's."""
        self.load_topology()
        through, self.members = self.members, self.balancer
        eventually("the leader answers", lambda: self.answers() == through.leader())
        with self.polls() as polls:
            for _ in range(KILLS):
                leader = through.leader()
                self.cluster("kill", str(leader))
                eventually("another one answers", lambda killed=leader: self.answers() not in (None, killed))
                self.cluster("start", str(leader))
                eventually("it serves again", lambda back=leader: (answer := through.ask(back, "GET", "/readyz")) and
                           answer.status == 200)
        print(f"{polls.count} polls around {KILLS} kills, {len(polls.failed)} failed")
        self.assertEqual(polls.failed, [])

    def test_no_read_fails_while_nobody_can_be_elected(self):
        """What was on its way to the leader that dies waits for the next one, however long an election takes."""
        self.load_topology()
        leader = self.members.leader()
        eventually("the leader answers", lambda: self.answers() == leader)
        left = next(number for number in (1, 2, 3) if number != leader)
        killed = [leader] + [number for number in (1, 2, 3) if number not in (leader, left)]
        with self.polls() as polls:
            for number in killed:
                self.cluster("kill", str(number))
            before = self.waited(left)
            eventually("all polls wait at the member that is left", lambda: self.waited(left) >= before + POLLERS)
            for number in killed:
                self.cluster("start", str(number))
            eventually("somebody leads", self.answers)
        print(f"{polls.count} polls while nobody could be elected, {len(polls.failed)} failed")
        self.assertEqual(polls.failed, [])

    def test_requests_wait_while_nobody_leads(self):
        self.load_topology()
        left, *killed = (1, 2, 3)
        for number in killed:
            self.cluster("kill", str(number))
        eventually("nobody leads", lambda: (answer := self.members.ask(left, "GET", "/cluster/leader")) and answer.status == 503)
        eventually("HAProxy knows it", lambda: (answer := self.balancer.ask(0, "GET", "/cluster/leader")) and answer.status == 503)
        answers, before = [], self.waited(left)
        waiting = threading.Thread(target=lambda: answers.append(self.balancer.ask(0, "GET", "/clusters", timeout_s=60)))
        waiting.start()
        eventually("it waits at the member that is left", lambda: self.waited(left) > before)
        for number in killed:
            self.cluster("start", str(number))
        waiting.join()
        self.assertEqual([answer and answer.status for answer in answers], [200])

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
