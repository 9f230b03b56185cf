#!/usr/bin/env python3
"""The wall clocks of members jump, each for itself, under load: nobody notices. Leases, promises and time limits use a
clock that cannot be set; and what is forgotten after hours is not forgotten by a jump.

Needs root and a C compiler. HECATED names the daemon (default build/release/hecated); HECATE_ROUNDS: jumps per member (2).
"""

import email.utils
import os
import random
import struct
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# pylint: disable=wrong-import-position
from client import eventually, token  # noqa: E402
from preload import wrap  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402
from test_faults import ALL, ROUNDS, FaultsTestBase  # noqa: E402

VOLUME = {"size": 1, "durability": {"type": "replicate", "replicate": {"replica": 3}}}
FARTHEST_S = 60  # tokens of clients with the right time are accepted by members that are wrong by so much


class Clocks:
    """Members whose wall clocks the test sets."""

    def setUp(self):
        seed = int(os.environ.get("HECATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"HECATE_SEED={seed}", flush=True)
        self.random = random.Random(seed)
        super().setUp()

    def before_up(self):
        """One file for each member: which it reads is decided by its host name, the namespace that it runs in."""
        wrap(self, "clock.c", f"file={self.folder}/clock-$(echo \"$2\" | sed 's/.*member-\\([0-9]\\).json/\\1/')\n"
             "export HECATE_TEST_CLOCK=$file\n")
        for number in ALL:
            self.jump(number, 0)

    def jump(self, number, seconds):
        with open(os.path.join(self.folder, f"clock-{number}"), "r+b" if os.path.exists(
                os.path.join(self.folder, f"clock-{number}")) else "w+b") as file:
            file.write(struct.pack("q", seconds))

    def clock_of(self, number):
        """How far a member's clock is ahead, in seconds, by the Date of its answers; rounded to 10."""
        answer = self.members.ask(number, "GET", "/cluster/status")
        date = email.utils.parsedate_to_datetime(answer.headers["date"]) if answer else None
        return round((date.timestamp() - time.time()) / 10) * 10 if date else None


class ClockTest(Clocks, FaultsTestBase):
    def test_wall_clocks_jump(self):
        leader = self.healthy()
        term = self.members.status(leader)["term"]
        for _ in range(ROUNDS):
            for number in ALL:
                ahead_s = self.random.choice((-1, 1)) * self.random.randrange(20, FARTHEST_S + 1, 10)
                self.jump(number, ahead_s)
                eventually("the clock has jumped", lambda: self.clock_of(number) == ahead_s)  # pylint: disable=W0640
                done = self.create(f"jump-{number}-{self.random.getrandbits(32)}", member=number)
                self.assertEqual(self.members.finish(done).status, 303)
        self.assertEqual(self.members.status(self.healthy())["term"], term, "no election")
        self.judge("wall clocks jumped")


class ForgettingTest(Clocks, ClusterTest):
    """Without load: a clock that is wrong by hours gets no token accepted, so the clients follow it."""

    WATCH_S = 25  # the leader looks for what is old every ten seconds

    def setUp(self):
        super().setUp()
        self.load_topology()

    def ask(self, ahead_s, method, path, body=None, headers=()):
        def probe():
            for number in ALL:
                lines = (f"Authorization: bearer {token(method, path, now=time.time() + ahead_s)}", *headers)
                answer = self.members.ask(number, method, path, body, headers=lines)
                if answer and answer.status != 503:
                    return answer
            return None
        return eventually(f"an answer to {method} {path}", probe)

    def same_again(self, ahead_s, job, key):
        """The queue id is known, and the same request gives the same job."""
        self.assertEqual(self.ask(ahead_s, "GET", job).status, 303, f"the queue id, {ahead_s} s ahead")
        answer = self.ask(ahead_s, "POST", "/volumes", VOLUME, headers=(f"Idempotency-Key: {key}",))
        self.assertEqual((answer.status, answer.headers.get("location")), (202, job), f"{ahead_s} s ahead")

    def watch(self, ahead_s, jobs):
        end = time.monotonic() + self.WATCH_S
        while time.monotonic() < end:
            for key, job in jobs.items():
                self.same_again(ahead_s, job, key)

    def test_nothing_is_forgotten(self):
        jobs = {}
        for turn, ahead_s in enumerate((0, 3 * 3600, -3 * 3600, 30 * 86400)):
            for number in ALL:
                self.jump(number, ahead_s)
                eventually("the clock has jumped", lambda: self.clock_of(number) == ahead_s)  # pylint: disable=W0640
            if turn == 3:  # a leader that begins with the wrong time
                leader = self.members.leader()
                self.cluster("kill", str(leader))
                self.cluster("start", str(leader))
            self.watch(ahead_s, jobs)
            key = f"key-{turn}"
            answer = self.ask(ahead_s, "POST", "/volumes", VOLUME, headers=(f"Idempotency-Key: {key}",))
            self.assertEqual(answer.status, 202, answer.body)
            jobs[key] = answer.headers["location"]
            eventually("its end", lambda: self.ask(ahead_s, "GET", jobs[key]).status == 303)  # pylint: disable=W0640
        for number in ALL:
            self.jump(number, 0)
            eventually("the clock is right", lambda: self.clock_of(number) == 0)  # pylint: disable=W0640
        self.watch(0, jobs)  # and the one that has the right time again goes on after the others
        volumes = self.ask(0, "GET", "/volumes").json()["volumes"]
        made = {self.ask(0, "GET", job).headers["location"].rsplit("/", 1)[1] for job in jobs.values()}
        self.assertEqual(len(made), len(jobs))
        self.assertTrue(made <= set(volumes))


if __name__ == "__main__":
    unittest.main(verbosity=2)
