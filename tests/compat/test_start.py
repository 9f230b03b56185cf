#!/usr/bin/env python3
"""What hecated says when it cannot start with a heketi.json, as the original where scripts look for its words."""

import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
from servers import ROOT  # noqa: E402

HECATED = os.path.abspath(os.environ.get("HECATED", os.path.join(ROOT, "build", "release", "hecated")))


def config(folder, **changes):
    peers = [{"id": i, "peer": f"127.0.0.1:{7000 + i}", "api": f"127.0.0.1:{7100 + i}"} for i in (1, 2, 3)]
    return {"port": "8080", "jwt": {"admin": {"key": "a"}, "user": {"key": "u"}}, "glusterfs": {"executor": "mock"},
            "cluster": {"name": "x", "member_id": 1, "plain": True, "data_dir": folder, "initial_peers": peers}, **changes}


def free_port():
    """Below those that outgoing connections get."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket(socket.AF_INET6) as item:
            try:
                item.bind(("::", port))
                return port
            except OSError:
                continue


class Start(unittest.TestCase):
    def refused(self, text, **changes):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "heketi.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(config(os.path.join(folder, "data"), **changes), file)
            done = subprocess.run([HECATED, "--check-config", "--config", path], check=False, capture_output=True, text=True,
                                  timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(text, done.stderr)

    def test_keys(self):
        for jwt in ({}, {"admin": {"key": "a"}}, {"admin": {"key": "a"}, "user": {"key": ""}}):
            self.refused("ERROR: Missing JWT information in config file", jwt=jwt)

    def test_mode(self):
        self.refused('default_state is "sometimes"', default_state="sometimes")

    def test_executor(self):
        self.refused('glusterfs.executor is "kubernetes"', glusterfs={"executor": "kubernetes"})

    def test_wrong_type(self):
        self.refused("ERROR: Unable to parse configuration: ", port=8080)

    def started(self, soft, hard):
        """Starts a member with these limits of open files: its own limits, and what it said."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "heketi.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(config(os.path.join(folder, "data"), port=str(free_port())), file)
            with subprocess.Popen(["prlimit", f"--nofile={soft}:{hard}", HECATED, "--config", path], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as member:
                self.assertIn("Listening on port", member.stdout.readline())
                with open(f"/proc/{member.pid}/limits", encoding="ascii") as file:
                    limits = next(line.split()[3:5] for line in file if line.startswith("Max open files"))
                member.terminate()
                return limits, member.communicate(timeout=60)[1]

    def test_open_files(self):
        """Connections are bounded by kind, not by what is left of 1,024 descriptors."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limits, said = self.started(1024, hard)
        self.assertEqual(int(limits[0]), min(hard, 65536))
        self.assertNotIn("limit of open files", said)
        limits, said = self.started(256, 1024)
        self.assertEqual(limits[0], "1024")
        self.assertIn("limit of open files is low", said)
        self.assertIn("connections=128", said)  # of clients, which leave half of the descriptors to others


if __name__ == "__main__":
    unittest.main()
