#!/usr/bin/env python3
"""The port between the members: only the invited are heard, and what they may say is checked.

Needs root and a C compiler. HECATED names the daemon (default build/release/hecated).
"""

import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from disk import crc32c  # noqa: E402
from namespace import socket_in  # noqa: E402
from preload import wrap  # noqa: E402
from test_cluster import ROOT, ClusterTest  # noqa: E402

HELLO, FORM, LEASE, LEASE_ACK, APPEND, APPEND_RESULT, VOTE, VOTE_RESULT, TIMEOUT_NOW, SNAPSHOT = 1, 2, 4, 5, 6, 7, 8, 9, 10, 11
TELL = 13
TYPE, TERM, FROM, HIGH, LOW, STATE, NUMBER, LEASE_US, MSG_TERM, LAST_INDEX, LAST_TERM, FLAGS, VERSION, TOTAL, CONF_LEN, ADMITS = (
    0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 23, 24, 25)
PREV_INDEX, PREV_TERM, COMMIT, COUNT, REJECTED, CONF_INDEX, FOLLOWS = 10, 11, 12, 13, 14, 21, 26


def packed(value):
    return bytes([value]) if value < 128 else b"\xcf" + struct.pack(">Q", value)


def frame(keys, body=b""):
    """A frame as in consensus/wire.h."""
    header = b"\xde" + struct.pack(">H", len(keys)) + b"".join(packed(key) + packed(value) for key, value in keys.items())
    rest = struct.pack("<H", len(header)) + header + body
    return struct.pack("<II", len(rest) + 4, crc32c(rest)) + rest


def configuration(servers):
    """A configuration of the log: (id, address) of members that vote."""
    data = b"\1" + struct.pack("<Q", len(servers)) + b"".join(
        struct.pack("<Q", number) + address.encode() + b"\0\1" for number, address in servers)
    return data + bytes(-len(data) % 8)


def entry(term, data):
    """An entry of the log that is a command."""
    return struct.pack("<QIB3x", term, len(data), 1) + data + bytes(-len(data) % 8)


# Two members, the second cut short: read by the library's own reader it was freed twice.
BROKEN_CONFIGURATION = bytes.fromhex("010200000000000000010000000000000061000001000000000000006100")


class PeerTest(ClusterTest):
    def pki(self, *names):
        return os.path.join(self.directory, "pki", *names)

    def certificate(self, name, subject, authority="ca", days=10):
        """A certificate of our own making: its files."""
        key, pem = self.pki(name + ".key"), self.pki(name + ".pem")
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
        request = subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", f"/CN={subject}"], check=True,
                                 capture_output=True).stdout
        subprocess.run(["openssl", "x509", "-req", "-sha256", "-days", str(days), "-CA", self.pki(authority + ".pem"), "-CAkey",
                        self.pki(authority + ".key"), "-CAcreateserial", "-out", pem], input=request, check=True,
                       capture_output=True)
        return pem, key

    def other_authority(self):
        subprocess.run([os.path.join(ROOT, "scripts", "pki"), self.pki("other"), "2"], check=True, capture_output=True)
        return self.pki("other", "member-2.pem"), self.pki("other", "member-2.key")

    def say(self, number, data, pair=None, whole=True, wait_s=5):
        """Connects to a member's port, with a certificate or without TLS, says this and waits for the end."""
        result = {}
        with socket_in(self.hosts.namespace("c1")) as plain:
            plain.settimeout(5)
            plain.connect((self.hosts.address(f"m{number}"), 8090))
            connection = plain
            try:
                if pair:
                    context = ssl.create_default_context(cafile=self.pki("ca.pem"))
                    context.check_hostname = False
                    context.load_cert_chain(*pair)
                    connection = context.wrap_socket(plain)
                    result["peer"] = connection.getpeercert(True)
                connection.sendall(data)
                if whole:
                    connection.settimeout(wait_s)
                    result["closed"] = connection.recv(1) == b""
            except socket.timeout:
                result["closed"] = False
            except OSError:
                result["closed"] = True
            finally:
                connection.close()
        return result

    def steady(self, numbers=(1, 2, 3)):
        """What must not change."""
        states = [self.members.status(number) for number in numbers]
        return [(state["term"], state["leader"], state["cluster_id"], state["member_id"]) for state in states]

    def settled(self):
        """(what must not change, digests), once nothing changes by itself any more."""
        self.wait_level()
        return self.steady(), eventually("all members at one index", self.digests)

    def test_only_the_invited(self):
        self.load_topology()
        before, digests = self.settled()
        leader = self.members.leader()
        foreign = {HIGH: 1, LOW: 2, STATE: 2, TERM: 999, ADMITS: 1}
        member_9, nobody = self.certificate("member-9", "hecate-member-9"), self.certificate("nobody", "somebody")
        itself = self.pki(f"member-{leader}.pem"), self.pki(f"member-{leader}.key")
        second = next(number for number in (1, 2, 3) if number != leader)
        own = self.pki(f"member-{second}.pem"), self.pki(f"member-{second}.key")
        hello_9 = frame({TYPE: HELLO, FROM: 9, **foreign})
        # Without TLS, with another authority's certificate, with one that names no member or the member itself.
        for pair in (None, self.other_authority(), nobody, itself):
            self.assertTrue(self.say(leader, frame({TYPE: HELLO, FROM: second, **foreign}), pair)["closed"], pair)
        # Not a member, whatever it says of itself: of another cluster, with a term and a vote of the future.
        for kind in (HELLO, FORM, LEASE, LEASE_ACK, APPEND, APPEND_RESULT, VOTE, VOTE_RESULT, TIMEOUT_NOW, SNAPSHOT, TELL, 99):
            data = frame({TYPE: kind, FROM: 9, MSG_TERM: 999, NUMBER: 1 << 60, LEASE_US: 150000, LAST_INDEX: 1 << 40,
                          LAST_TERM: 999, FLAGS: 1, VERSION: 2, TOTAL: 1 << 20, CONF_LEN: 8, **foreign}, b"{}")
            self.say(leader, hello_9 + data, member_9, wait_s=0.2)
        # In another's name.
        self.assertTrue(self.say(leader, frame({TYPE: HELLO, FROM: second, **foreign}), member_9)["closed"])
        self.assertEqual(self.steady(), before)
        # Of a member whose key was stolen: damaged, cut short, too long, and what another cluster would say. Its own
        # connection is disturbed, and comes back; nothing is believed.
        good = frame({TYPE: HELLO, FROM: second, **foreign})
        damaged = bytearray(good)
        damaged[20] ^= 1
        for data in (bytes(damaged), struct.pack("<I", 1 << 30) + b"x" * 64, os.urandom(4096)):
            self.assertTrue(self.say(leader, data, own)["closed"])
        self.say(leader, good[:-3], own, whole=False)
        self.say(leader, good + frame({TYPE: APPEND, FROM: second, MSG_TERM: 999, TERM: 999}), own)
        eventually("all are connected again", lambda: all(
            item["connected"] for item in self.members.status(leader)["members"]))
        self.assertEqual(self.steady(), before)
        self.assertEqual(eventually("all members at one index", self.digests), digests)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)

    def take_over(self, speaker, pair, numbers):
        """What a leader of a later term would say, with one command that is committed already; after a greeting that makes
        the speaker a member. Of a holder of a certificate who is none."""
        leader = self.members.status(self.members.leader())
        cluster, term, last = leader["cluster_id"], leader["term"] + 5, leader["applied_index"]
        greeting = {TYPE: HELLO, FROM: speaker, TERM: leader["term"], STATE: 2, ADMITS: 3, CONF_INDEX: last + 1,
                    HIGH: int(cluster[:16], 16), LOW: int(cluster[16:], 16)}
        everybody = [(number, f"10.0.0.{number}:8090 h:1") for number in sorted({1, 2, 3, speaker})]
        append = frame({TYPE: APPEND, FROM: speaker, TERM: term, MSG_TERM: term, PREV_INDEX: last, PREV_TERM: leader["term"],
                        COMMIT: last + 1, COUNT: 1, VERSION: 0}, entry(term, b"\x81\x00\x01"))
        vote = frame({TYPE: VOTE, FROM: speaker, TERM: term, MSG_TERM: term, LAST_INDEX: last + 9, LAST_TERM: term, FLAGS: 1,
                      NUMBER: 1 << 60, VERSION: 2})
        for number in numbers:
            self.say(number, frame(greeting, configuration(everybody)) + append + vote, pair, wait_s=0.5)
            self.say(number, frame({**greeting, ADMITS: 1}, configuration([(number, "a:1"), (speaker, "b:1")])) + append, pair,
                     wait_s=0.2)
            self.say(number, frame({**greeting, LAST_INDEX: last + 1000}, BROKEN_CONFIGURATION), pair, wait_s=0.2)

    def test_a_stranger_takes_nothing_over(self):
        self.load_topology()
        before, digests = self.settled()
        self.take_over(9, self.certificate("member-9", "hecate-member-9"), (1, 2, 3))
        self.assertEqual(self.steady(), before)
        self.assertEqual(eventually("all members at one index", self.digests), digests)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)
        self.assert_equal_replicas()

    def test_a_removed_member_takes_nothing_over(self):
        self.load_topology()
        removed = next(number for number in (3, 2) if number != self.members.leader())
        left = [number for number in (1, 2, 3) if number != removed]
        self.hecate("member", "remove", str(removed))
        eventually("it ends", lambda: "was removed" in self.log(removed) and self.members.status(removed) is None)
        del self.members.urls[removed]
        before = self.steady(left)
        self.take_over(removed, (self.pki(f"member-{removed}.pem"), self.pki(f"member-{removed}.key")), left)
        self.assertEqual(self.steady(left), before)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)
        states = eventually("both at one index", lambda: self.at_one_index(left))
        self.assertEqual(len({next(item["digest"] for item in state["members"] if item["id"] == number)
                              for number, state in zip(left, states)}), 1)

    def member_says(self, speaker, number, *frames, wait_s=0.5):
        """A greeting of a member, and then these (keys, body), by somebody who has its certificate."""
        state = self.members.status(self.members.leader())
        both = {FROM: speaker, HIGH: int(state["cluster_id"][:16], 16), LOW: int(state["cluster_id"][16:], 16)}
        data = frame({TYPE: HELLO, TERM: state["term"], STATE: 2, **both})
        for keys, body in frames:
            data += frame({TERM: state["term"], **both, **keys}, body)
        pair = self.pki(f"member-{speaker}.pem"), self.pki(f"member-{speaker}.key")
        return self.say(number, data, pair, wait_s=wait_s)["closed"]

    def append_command(self, speaker, number, text):
        """A member says to another that it leads a new term, and that this command is committed in it."""
        state = self.members.status(self.members.leader())
        term, last = state["term"] + 1, state["applied_index"]
        self.member_says(speaker, number, ({
            TYPE: APPEND, TERM: term, MSG_TERM: term, PREV_INDEX: last, PREV_TERM: state["term"], COMMIT: last + 1,
            COUNT: 1}, entry(term, text)), wait_s=0.1)

    def test_a_member_that_does_not_lead_proposes_nothing(self):
        self.load_topology()
        before, _ = self.settled()
        leader = self.members.leader()
        for number in (1, 2, 3):
            speaker = next(other for other in (1, 2, 3) if other not in (number, leader))
            for text in (b"no command", b"", b"\x82\x00\x01\x01\x32"):
                self.append_command(speaker, number, text)
        self.assertEqual(self.steady(), before)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)
        self.assert_equal_replicas()

    def test_a_member_deposes_nobody(self):
        """It answers the leader with a later term, as one that was about to be elected."""
        self.load_topology()
        before, _ = self.settled()
        leader = self.members.leader()
        state = self.members.status(leader)
        for speaker in (number for number in (1, 2, 3) if number != leader):
            for later in (1, 2, 1000):
                term = state["term"] + later
                self.member_says(speaker, leader, ({
                    TYPE: APPEND_RESULT, TERM: term, MSG_TERM: term, REJECTED: state["applied_index"]}, b""), wait_s=0.1)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)
        self.assertEqual(self.steady(), before)
        self.assert_equal_replicas()

    def test_a_member_ends_nobody_with_a_snapshot(self):
        self.load_topology()
        self.settled()
        leader = self.members.leader()
        number = next(other for other in (1, 2, 3) if other != leader)
        for text in (b"no snapshot", bytes(100), b""):
            state = self.members.status(leader)
            conf = configuration([(other, f"10.0.0.{other}:8090 h:1") for other in (1, 2, 3)])
            chunk = {TYPE: SNAPSHOT, MSG_TERM: state["term"], LAST_INDEX: state["applied_index"] + 50, LAST_TERM: state["term"],
                     CONF_INDEX: 1, CONF_LEN: len(conf), TOTAL: len(conf) + len(text)}
            eventually(f"member {number} refuses it", lambda chunk=chunk, text=text, conf=conf: (
                self.member_says(leader, number, (chunk, conf + text)), [  # nobody else is believed in its term
                    item for item in self.members.status(number)["warnings"] if item["code"] == "entry-refused"])[1])
        self.assertIn("with a configuration that no leader can have", self.log(number))  # no member is at these addresses
        self.assertEqual(self.members.leader(), leader)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)
        self.assert_equal_replicas()

    def test_a_member_ends_nobody_with_a_greeting(self):
        self.load_topology()
        before, _ = self.settled()
        leader = self.members.leader()
        state = self.members.status(leader)
        for number in (1, 2, 3):
            speaker = next(other for other in (1, 2, 3) if other not in (number, leader))
            for admits, last in ((1, 0), (1, 1 << 40), (3, 1 << 40), (0, 1 << 40)):
                for follows in (0, speaker + 1, leader + 1):
                    self.member_says(speaker, number, ({TYPE: HELLO, STATE: 2, ADMITS: admits, LAST_INDEX: last, FOLLOWS: follows,
                                                        TERM: state["term"]}, b""), wait_s=0.1)
        self.assertEqual(self.steady(), before)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)
        self.assert_equal_replicas()

    def at_one_index(self, numbers):
        states = [self.members.status(number) for number in numbers]
        return states if all(states) and len({state["applied_index"] for state in states}) == 1 else None

    def warnings(self, number):
        return [item for item in self.members.status(number)["warnings"] if item["code"] == "certificate-expires"]

    def test_certificates_are_read_again(self):
        self.load_topology()
        follower = next(number for number in (1, 2, 3) if number != self.members.leader())
        member_9 = self.certificate("member-9", "hecate-member-9")
        old = self.say(follower, b"", member_9, whole=False)["peer"]
        self.assertEqual(self.warnings(follower), [])
        self.certificate(f"member-{follower}", "hecate-member-7")  # a wrong one is not taken
        os.kill(self.pid(follower), signal.SIGHUP)
        eventually("it says so", lambda: "is not of this member" in self.log(follower))
        self.assertEqual(self.say(follower, b"", member_9, whole=False)["peer"], old)
        self.certificate(f"member-{follower}", f"hecate-member-{follower}", days=5)
        os.kill(self.pid(follower), signal.SIGHUP)
        eventually("the new one is shown", lambda: self.say(follower, b"", member_9, whole=False)["peer"] != old)
        for number in (1, 2, 3):  # all of them tell
            text = eventually("a warning", lambda number=number: self.warnings(number))[0]
            self.assertIn(f"certificate of member {follower}", text["text"])
            self.assertIn("days", text["text"])
        for number in (1, 2, 3):  # and it works
            self.cluster("kill", str(number))
        for number in (1, 2, 3):
            self.cluster("start", str(number))
        self.assert_equal_replicas()


class RogueLeaderTest(ClusterTest):
    """A member that does lead, and proposes what its own judge would not let pass."""

    def before_up(self):
        wrap(self, "rogue.c")

    def test_a_leader_ends_nobody_with_a_command(self):
        self.load_topology()
        for name, code, said in (("command-of-no-release", "entry-refused", "which no release would send"),
                                 ("command-of-nothing", "entry-refused", "which no release would send"),
                                 ("command-of-a-later-release", "release-too-old", "which this release does not know")):
            leader = self.members.leader()
            others = [number for number in (1, 2, 3) if number != leader]
            pids = [self.pid(number) for number in (1, 2, 3)]
            before = self.members.status(leader)["applied_index"]
            answer = self.members.ask(leader, "POST", "/volumes", {
                "size": 1, "name": name, "durability": {"type": "replicate", "replicate": {"replica": 3}}}, timeout_s=1)
            self.assertIn(answer and answer.status, (None, 503), answer and answer.body)
            for number in others:
                item = eventually(f"member {number} refuses {name}", lambda number=number, code=code, before=before: [
                    item for item in self.members.status(number)["warnings"]
                    if item["code"] == code and int(item["text"].split(" sends entry ")[1].split()[0]) > before])[0]
                self.assertIn(f"member {leader} sends", item["text"])
                self.assertIn(said, item["text"])
            for number, pid in zip((1, 2, 3), pids):
                self.assertEqual(self.members.status(number)["member_id"], number)
                self.assertTrue(os.path.exists(f"/proc/{pid}"))
            self.cluster("kill", str(leader))  # without it the others go on, and it follows when it is back
            self.members.leader(among=others)
            self.cluster("start", str(leader))
            self.assertEqual(self.members.finish(self.create(f"unharmed-{before}")).status, 303)
            self.assert_equal_replicas()


if __name__ == "__main__":
    unittest.main(verbosity=2)
