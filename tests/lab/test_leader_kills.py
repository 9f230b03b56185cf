#!/usr/bin/env python3
"""The leader dies at random moments of every kind of operation on real Gluster nodes; afterwards the examination finds
nothing, and what was written is still there.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
HECATE_SEED repeats a run, HECATE_KILLS is how many times the leader dies (10).
"""

import os
import random
import unittest

from system import JOB_S, LabTest, eventually, on_node

KILLS = int(os.environ.get("HECATE_KILLS", "10"))
KINDS = ("create", "expand", "clone", "replace", "delete")


class LeaderKillsTest(LabTest):
    DISKS = 2

    def setUp(self):
        seed = int(os.environ.get("HECATE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"HECATE_SEED={seed}", flush=True)
        self.random = random.Random(seed)

    # ---- beginning each kind: (what is asked, the status that its end has) ----

    def begin(self, kind, number):
        """A volume "kept" has a file all the time; others come and go. Returns the queue path and the expected end."""
        if kind == "create":
            return self.begin_create(f"made{number}"), 303
        kept = next(path for path in self.volumes() if self.info(path)["name"] == "kept")
        if kind == "expand":
            return self.accepted("POST", f"{kept}/expand", {"expand_size": 1}), 303
        if kind == "clone":
            return self.accepted("POST", f"{kept}/clone", {"name": f"clone{number}"}), 303
        if kind == "replace":
            brick = self.random.choice(self.info(kept)["bricks"])
            return self.accepted("POST", f"/bricks/to-evict/{brick['id']}", {}), 204
        return self.accepted("DELETE", self.create(f"goes{number}"), None), 204

    def volumes(self):
        return [f"/volumes/{volume}" for volume in self.members.any("GET", "/volumes").json()["volumes"]]

    def info(self, path):
        return self.members.any("GET", path).json()

    def remaining(self, operation):
        """How many steps it still has; 0 when it has ended."""
        state = self.members.status(self.members.leader())
        return next((len(item["steps"]) for item in state["operations"] if item["id"] == operation), 0)

    # ---- the test ----

    def kill_inside(self, kind, number):
        location, expected = self.begin(kind, number)
        operation = location.rsplit("/", 1)[1]
        steps = max(1, self.remaining(operation))
        until = self.random.randint(1, steps)
        eventually(f"{until} steps of {kind} are left", lambda: self.remaining(operation) <= until, JOB_S)
        leader = self.members.leader()
        self.cluster("kill", str(leader))
        others = [member for member in (1, 2, 3) if member != leader]
        done = self.members.finish(location, among=others, deadline_s=JOB_S)
        self.assertEqual(done.status, expected, f"{kind}: {done.body}")
        self.cluster("start", str(leader))
        self.wait_for_operations()
        print(f"{kind}: leader {leader} killed with {until} of {steps} steps left", flush=True)

    def mounted(self, script):
        address = self.environment["HECATE_LAB_NODE1"]
        return on_node("c1", f"set -e\nmkdir -p /mnt/k\nmount -t glusterfs {address}:/kept /mnt/k\ncd /mnt/k\n{script}\n"
                             "cd /\numount /mnt/k\n").strip()

    def test_leader_killed_at_random_moments(self):
        self.create("kept")
        self.mounted("echo before >file")
        for number in range(KILLS):
            self.kill_inside(KINDS[number % len(KINDS)], number)
            findings = self.members.any("GET", "/internal/state/examine/gluster").json()["findings"]
            self.assertEqual(findings, [], KINDS[number % len(KINDS)])
        self.assertEqual(self.mounted("cat file"), "before")
        paths = sorted(self.volumes(), key=lambda path: self.info(path)["name"] == "kept")  # clones before their origin
        for path in paths:
            self.delete(path)
        self.wait_for_operations()
        self.assert_nodes_equal_database()


if __name__ == "__main__":
    unittest.main(verbosity=2)
