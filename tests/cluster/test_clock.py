#!/usr/bin/env python3
"""The wall clocks of members jump, each for itself, under load: nobody notices. Leases, promises and time limits use a
clock that cannot be set.

Needs root and a C compiler. HECATED names the daemon (default build/release/hecated); HECATE_ROUNDS: jumps per member (2).
"""

import email.utils
import os
import random
import struct
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from test_faults import ALL, ROUNDS, FaultsTestBase  # noqa: E402

FARTHEST_S = 60  # tokens of clients with the right time are accepted by members that are wrong by so much


class ClockTest(FaultsTestBase):
    def setUp(self):
        seed = int(os.environ.get("HECATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"HECATE_SEED={seed}", flush=True)
        self.random = random.Random(seed)
        super().setUp()

    def before_up(self):
        """One file for each member: which it reads is decided by its host name, the namespace that it runs in."""
        library = os.path.join(self.folder, "clock.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-D_GNU_SOURCE", "-o", library,
                        os.path.join(HERE, "clock.c")], check=True)
        self.daemon = os.environ.get("HECATED", os.path.join(HERE, "..", "..", "build", "release", "hecated"))
        wrapper = os.path.join(self.folder, "hecated")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nfile={self.folder}/clock-$(echo \"$2\" | sed 's/.*member-\\([0-9]\\).json/\\1/')\n"
                       f"exec env LD_PRELOAD={library} HECATE_TEST_CLOCK=$file "
                       "ASAN_OPTIONS=\"$ASAN_OPTIONS:verify_asan_link_order=0\" "
                       f"{os.path.abspath(self.daemon)} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        for number in ALL:
            self.jump(number, 0)
        self.addCleanup(os.environ.pop, "HECATED", None)
        if "HECATED" in os.environ:
            self.addCleanup(os.environ.__setitem__, "HECATED", os.environ["HECATED"])
        os.environ["HECATED"] = wrapper

    def jump(self, number, seconds):
        with open(os.path.join(self.folder, f"clock-{number}"), "r+b" if os.path.exists(
                os.path.join(self.folder, f"clock-{number}")) else "w+b") as file:
            file.write(struct.pack("q", seconds))

    def clock_of(self, number):
        """How far a member's clock is ahead, in seconds, by the Date of its answers; rounded to 10."""
        answer = self.members.ask(number, "GET", "/cluster/status")
        date = email.utils.parsedate_to_datetime(answer.headers["date"]) if answer else None
        return round((date.timestamp() - time.time()) / 10) * 10 if date else None

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
