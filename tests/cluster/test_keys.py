#!/usr/bin/env python3
"""The keys of the members: a certificate of the authority with a member's number, but another key, is worth nothing; and
whoever is given a new key gets back in, in each of the ways that the documentation names.

Needs root. HECATED names the daemon (default build/release/hecated), HECATE the client.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import Members, eventually  # noqa: E402
from test_cluster import ROOT  # noqa: E402
from test_tls import PortTest  # noqa: E402

HECATED = os.environ.get("HECATED", os.path.join(ROOT, "build", "release", "hecated"))
ALL = (1, 2, 3)


class KeysTest(PortTest):
    spare_hosts = 1

    def setUp(self):
        super().setUp()
        self.load_topology()
        self.wait_keys()

    def pki(self, *names):
        return os.path.join(self.directory, "pki", *names)

    def digest(self, name):
        """SHA-256 of the public key of this certificate."""
        text = subprocess.run(["openssl", "x509", "-noout", "-pubkey", "-in", self.pki(name + ".pem")], check=True,
                              capture_output=True).stdout
        return hashlib.sha256(subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=text, check=True,
                                             capture_output=True).stdout).hexdigest()

    def new_key(self, number, folder=None):
        """Another key, and a certificate for it by the same authority."""
        for end in ("pem", "key"):
            os.remove(self.pki(f"member-{number}.{end}"))
        subprocess.run([os.path.join(ROOT, "scripts", "pki"), folder or self.pki(), str(number)], check=True,
                       stdout=subprocess.DEVNULL)

    def wait_keys(self):
        """All members know the key of each one's certificate."""
        wanted = {number: self.digest(f"member-{number}") for number in ALL}
        eventually("all keys are known", lambda: all(
            state and {item["id"]: item["key"] for item in state["members"]} == wanted
            for state in [self.members.status(number) for number in ALL]))

    def wait_well(self):
        self.wait_keys()
        eventually("all are connected", self.connected)
        eventually("no warnings", lambda: all(
            state and not state["warnings"] for state in [self.members.status(number) for number in ALL]))

    def followers(self):
        leader = self.members.leader()
        return [number for number in ALL if number != leader]

    def restart(self, number):
        self.cluster("kill", str(number))
        self.cluster("start", str(number))

    def reload(self, number):
        os.kill(self.pid(number), signal.SIGHUP)

    def refusal(self, number, of):
        """What a member says of another one's key, or of its own refusal."""
        return eventually(f"member {number} tells of the key of {of}", lambda: [
            item for item in self.warnings(number, "member-refused")
            if "another key" in item["text"] and f"member {of}" in item["text"]])[0]

    # ---- another key ----

    def stray(self, number):
        """A daemon on another host with a second certificate of this number: its only member as far as we are asked."""
        folder = os.path.join(self.folder, "stray")
        os.makedirs(folder)
        for name in ("ca.pem", "ca.key", "ca.srl"):
            if os.path.exists(self.pki(name)):
                with open(self.pki(name), "rb") as source, open(os.path.join(folder, name), "wb") as file:
                    file.write(source.read())
        subprocess.run([os.path.join(ROOT, "scripts", "pki"), folder, str(number)], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(self.directory, f"member-{number}.json"), encoding="utf-8") as file:
            config = json.load(file)
        cluster, host = config["cluster"], self.hosts.address("m4")
        cluster["data_dir"] = os.path.join(folder, "data")
        cluster["tls"].update({"cert": f"{folder}/member-{number}.pem", "key": f"{folder}/member-{number}.key"})
        next(item for item in cluster["initial_peers"] if item["id"] == number).update(
            {"peer": f"{host}:8090", "api": f"{host}:8080"})
        path = os.path.join(folder, "hecate.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        with open(os.path.join(folder, "log"), "wb") as log:
            process = subprocess.Popen(["ip", "netns", "exec", self.hosts.namespace("m4"), HECATED, "--config", path],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return Members({number: f"http://{host}:8080"}, self.hosts.namespace("c1"))

    def test_a_second_certificate_is_worth_nothing(self):
        eventually("all are connected", self.connected)
        victim = self.followers()[0]
        before, cut = self.terms(), self.disconnections()
        stray = self.stray(victim)
        for number in ALL:
            if number != victim:
                warning = self.refusal(number, victim)
                self.assertIn(self.hosts.address("m4"), warning["text"])
                self.assertIn(f"hecate member renew {victim}", warning["remedy"])
        state = eventually("the stray says why", lambda: [
            state for state in [stray.status(victim)] if state and
            {item.get("trouble") for item in state["members"] if item["id"] != victim} == {"wrong-key"}])[0]
        self.assertEqual([item["code"] for item in state["warnings"]].count("member-refused"), 2)
        self.assertTrue(self.connected())
        self.assertEqual(self.terms(), before)
        self.assertEqual(self.disconnections(), cut)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)
        self.wait_keys()
        for number in ALL:
            if number != victim:
                self.assertEqual(self.log(number).count("has another key"), 1)  # it has tried several times

    # ---- new keys ----

    def test_a_new_key_of_a_running_member(self):
        eventually("all are connected", self.connected)
        follower, other = self.followers()
        leader = self.members.leader()
        before, cut = self.terms(), self.disconnections()
        for number in (follower, leader, follower):  # also twice over the same connections
            self.new_key(number)
            self.reload(number)
            self.wait_keys()
        self.assertEqual(self.terms(), before)
        self.assertEqual(self.disconnections(), cut)
        self.wait_well()
        for number in (other, follower, leader):
            self.restart(number)
            self.wait_well()
        self.assert_equal_replicas()

    def test_a_new_certificate_with_the_same_key(self):
        number = self.followers()[0]
        key = self.digest(f"member-{number}")
        os.remove(self.pki(f"member-{number}.pem"))
        subprocess.run([os.path.join(ROOT, "scripts", "pki"), self.pki(), str(number)], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(self.digest(f"member-{number}"), key)
        self.restart(number)
        self.wait_well()

    def test_a_new_key_of_a_stopped_member(self):
        number = self.followers()[0]
        self.cluster("stop", str(number))
        self.new_key(number)
        self.cluster("start", str(number), "--no-wait")
        for other in ALL:
            if other != number:
                self.assertIn(f"hecate member renew {number}", self.refusal(other, number)["remedy"])
                self.assertIn(f"hecate member renew {number}", self.refusal(number, other)["remedy"])
        warning = eventually("it says so itself", lambda: self.warnings(number, "own-key-unknown"))[0]
        self.assertIn(f"hecate member renew {number}", warning["remedy"])
        self.assertEqual(self.members.finish(self.create("meanwhile")).status, 303)
        self.hecate("member", "renew", str(number))
        self.wait_well()
        self.assert_equal_replicas()

    def test_new_keys_of_all_while_they_were_stopped(self):
        for number in ALL:
            self.cluster("stop", str(number))
            self.new_key(number)
        for number in ALL:
            self.cluster("start", str(number), "--no-wait")
        for number in ALL:
            for other in ALL:
                if other != number:
                    self.assertIn("--trust-new-keys", self.refusal(number, other)["remedy"])
            self.assertFalse(self.members.status(number)["leader"])
        for number in ALL:
            self.cluster("stop", str(number))
        for number in ALL:
            self.cluster("start", str(number), "--trust-new-keys", "--no-wait")
        self.members.leader()
        self.wait_keys()
        for number in ALL:
            self.assertTrue(self.warnings(number, "keys-not-checked"))
        for number in ALL:
            self.cluster("stop", str(number))
            self.cluster("start", str(number))
        self.wait_well()
        self.assert_equal_replicas()

    def test_one_that_was_away_while_another_was_given_a_new_key(self):
        away, there = self.followers()
        leader = self.members.leader()
        self.cluster("stop", str(away))
        self.new_key(leader)
        self.reload(leader)
        eventually("it is noted", lambda: self.key_at(there, leader) == self.digest(f"member-{leader}"))
        self.cluster("start", str(away), "--no-wait")
        self.wait_well()  # by itself: the other one has told that there is something newer
        self.assertEqual(self.members.leader(), leader)
        self.assert_equal_replicas()

    def test_one_that_was_away_while_all_others_were_given_new_keys(self):
        away, there = self.followers()
        leader = self.members.leader()
        self.cluster("stop", str(away))
        for number in (leader, there):
            self.new_key(number)
            self.reload(number)
            eventually("it is noted", lambda number=number: self.key_at(there, number) == self.digest(f"member-{number}"))
        self.cluster("start", str(away), "--no-wait")
        for number in (leader, there):
            self.assertIn("--trust-new-keys", self.refusal(away, number)["remedy"])
        self.cluster("stop", str(away))
        self.cluster("start", str(away), "--trust-new-keys")
        self.wait_keys()
        self.cluster("stop", str(away))
        self.cluster("start", str(away))
        self.wait_well()
        self.assert_equal_replicas()

    def key_at(self, number, of):
        state = self.members.status(number)
        return next(item["key"] for item in state["members"] if item["id"] == of) if state else None


if __name__ == "__main__":
    unittest.main(verbosity=2)
