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

    def test_everything_at_once(self):
        changes = {"glusterfs": {"executor": "kubernetes"}, "default_state": "sometimes", "port": "x"}
        for text in ("glusterfs.executor is \"kubernetes\"", "let sshd run where glusterd does", 'default_state is "sometimes"',
                     'port is "x"'):
            self.refused(text, **changes)

    def checked(self, prepare, **changes):
        """The code and errors of --check-config, after `prepare` has made files in the folder and changed the document."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            document = config(os.path.join(folder, "data"), **changes)
            prepare(folder, document)
            path = os.path.join(folder, "heketi.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file)
            done = subprocess.run([HECATED, "--check-config", "--config", path], check=False, capture_output=True, text=True,
                                  timeout=60)
            return done.returncode, done.stderr

    def test_keys_and_certificates(self):
        def make(folder, other=False, garbage=False):
            for name in ("a", "b"):
                subprocess.run([os.path.join(ROOT, "scripts", "pki"), os.path.join(folder, name), "1", "2"], check=True,
                               capture_output=True, timeout=60)
            with open(os.path.join(folder, "ssh"), "w", encoding="ascii") as file:
                file.write("no key")
            return {"ca": f"{folder}/a/ca.pem", "cert": f"{folder}/{'b' if other else 'a'}/member-1.pem",
                    "key": f"{folder}/{'b' if other else 'a'}/member-{2 if garbage else 1}.key"}

        def tls(**how):
            def prepare(folder, document):
                document["cluster"].update(plain=False, tls=make(folder, **how))
                document["glusterfs"].update(how and {"executor": "ssh", "sshexec": {"keyfile": f"{folder}/ssh"}})
            return prepare

        self.assertEqual(self.checked(tls())[0], 0)
        code, said = self.checked(tls(other=True))
        self.assertEqual(code, 1)
        self.assertIn("others will refuse its certificate: ", said)  # of another authority
        self.assertIn("is no private key", said)
        code, said = self.checked(tls(garbage=True))
        self.assertEqual(code, 1)
        self.assertIn("cluster.tls: cannot use the key ", said)

    def test_virtual_address(self):
        def prepare(address):
            return lambda folder, document: document["cluster"].update(virtual_ips=[address])
        code, said = self.checked(prepare("127.0.0.1/8%lo"))
        self.assertEqual(code, 1)
        self.assertIn("is an address of member 1, expected one that no host has", said)
        code, said = self.checked(prepare("192.0.2.9/24%none0"))
        self.assertEqual(code, 0)
        self.assertIn("WARNING: ", said)
        self.assertIn("there is no interface none0", said)

    @unittest.skipIf(os.geteuid() != 0, "another user's files are made by root")
    def test_as_the_user(self):
        def prepare(folder, document):
            os.mkdir(os.path.join(folder, "data"), 0o700)
            os.chown(os.path.join(folder, "data"), 65534, 65534)
            document["glusterfs"] = {"executor": "ssh", "sshexec": {"keyfile": os.path.join(folder, "key")}}
            with open(os.path.join(folder, "key"), "w", opener=lambda path, flags: os.open(path, flags, 0o600),
                      encoding="ascii") as file:
                file.write("of root alone")
        code, said = self.checked(prepare)
        self.assertEqual(code, 1)
        self.assertIn("glusterfs.sshexec.keyfile: cannot read ", said)
        self.assertIn("Permission denied", said)

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
