#!/usr/bin/env python3
"""`--profile lab` of docker-compose.yml: storage nodes in containers, a replicated volume made and mounted.

Needs root, Docker, /dev/net/tun and /dev/fuse; skips itself otherwise. Takes about ten minutes.
"""

import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from images import Project, composes, make_base, why_not  # noqa: E402

NODES = ["node1", "node2", "node3"]


def why_no_lab():
    missing = [path for path in ("/dev/net/tun", "/dev/fuse") if not os.path.exists(path)]
    return why_not() or (f"{missing[0]} is missing" if missing else None)


class ComposeLabTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_no_lab()
        if reason:
            raise unittest.SkipTest(reason)
        make_base()

    def on_mount(self, project, *command):
        return project.run("exec", "-T", "lab", *command).stdout

    def test_mounted_volume(self):
        name, compose = sorted(composes().items())[-1]
        project = Project(compose, f"hecate-test-lab-{os.getpid()}")
        self.addCleanup(project.down)
        print(f"Compose {name}", file=sys.stderr)
        project.run("--profile", "lab", "build")
        start = time.monotonic()
        project.run("--profile", "lab", "up", "-d")
        project.wait_healthy(["lab"], deadline_s=900)
        print(f"mounted {time.monotonic() - start:.0f} s after `up`", file=sys.stderr)
        self.assertIn("fuse.glusterfs", self.on_mount(project, "cat", "/proc/mounts"))
        self.on_mount(project, "sh", "-c", "echo through-the-test >/mnt/lab-volume/file && sync /mnt/lab-volume/file")
        self.assertIn("Name:lab-volume", project.client("volume", "list"))
        self.assertIn("Health:  ok", project.client("status"))
        # Replicated: one node loses its power, the file is still read and written.
        subprocess.run(["docker", "kill", project.container("node1")], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(self.on_mount(project, "cat", "/mnt/lab-volume/file"), "through-the-test\n")
        # Members come and go below a volume that is in use.
        project.run("restart", "member1", "member2", "member3")
        project.wait_healthy(["member1", "member2", "member3"])
        self.on_mount(project, "sh", "-c", "echo more >>/mnt/lab-volume/file && sync /mnt/lab-volume/file")
        project.run("start", "node1")
        project.wait_healthy(NODES, deadline_s=600)
        project.run("--profile", "lab", "down", "-v")
        self.assertEqual(project.left(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
