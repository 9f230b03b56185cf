#!/usr/bin/env python3
"""TLS: strangers at the ports disturb nobody, and certificates are replaced without a restart.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from namespace import socket_in  # noqa: E402
from test_cluster import ROOT, ClusterTest  # noqa: E402

REQUESTS = 400
IDLE = 200


class PortTest(ClusterTest):
    """What strangers do at a port, and what must not change."""

    def connect(self, number, port):
        connection = socket_in(self.hosts.namespace("c1"))
        connection.settimeout(5)
        try:
            connection.connect((self.hosts.address(f"m{number}"), port))
        except OSError:
            connection.close()
            raise
        return connection

    def terms(self):
        return {number: (state["term"], state["leader"]["id"]) for number in (1, 2, 3)
                for state in [eventually("a status", lambda number=number: self.members.status(number))]}

    def disconnections(self):
        return sum(self.log(number).count(" disconnected ") for number in (1, 2, 3))

    def connected(self):
        return all(item["connected"] for number in (1, 2, 3) for state in [self.members.status(number)] if state
                   for item in state["members"])

    def warnings(self, number, code):
        return [item for item in (self.members.status(number) or {"warnings": []})["warnings"] if item["code"] == code]


class RestTlsTest(PortTest):
    tls = True

    def test_strangers_disturb_nobody(self):
        eventually("all are connected", self.connected)
        before, cut = self.terms(), self.disconnections()
        for _ in range(REQUESTS):
            for number in (1, 2, 3):  # plain HTTP at the HTTPS port
                with self.connect(number, 8080) as plain:
                    plain.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
                    try:
                        plain.recv(100)
                    except OSError:
                        pass
        context = ssl.create_default_context(cafile=os.path.join(self.directory, "pki", "ca.pem"))
        context.check_hostname = False
        for _ in range(600):  # more than there are places: those who reset after the handshake keep none
            with context.wrap_socket(self.connect(1, 8080)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.assertEqual(self.terms(), before)
        self.assertEqual(self.disconnections(), cut)
        self.load_topology()
        follower = next(number for number in (1, 2, 3) if number != self.members.leader())
        self.assertEqual(self.members.finish(self.create("forwarded", follower)).status, 303)

    def pki(self, *names):
        return os.path.join(self.directory, "pki", *names)

    def shown(self, number):
        context = ssl.create_default_context(cafile=self.pki("ca.pem"))
        with context.wrap_socket(self.connect(number, 8080), server_hostname=self.hosts.address(f"m{number}")) as connection:
            return connection.getpeercert(True)

    def test_certificate_is_replaced(self):
        first = self.shown(1)
        with open(self.pki("rest-1.pem"), encoding="ascii") as file:
            good = file.read()
        with open(self.pki("rest-1.pem"), "w", encoding="ascii") as file:
            file.write(good[:200])
        text = eventually("a warning", lambda: self.warnings(1, "certificate-not-read"))[0]
        self.assertIn("cert_file", text["text"])
        self.assertNotIn(self.pki(), json.dumps(text))  # anybody may read it
        self.assertEqual(self.shown(1), first)
        os.remove(self.pki("rest-1.pem"))
        subprocess.run([os.path.join(ROOT, "scripts", "pki"), self.pki(), "--rest", "1", self.hosts.address("m1")], check=True,
                       stdout=subprocess.DEVNULL)
        eventually("the new one is shown", lambda: self.shown(1) != first)
        eventually("the warning goes", lambda: not self.warnings(1, "certificate-not-read"))


class PeerPortTest(PortTest):
    def restart(self, number):
        """How long a killed member takes to be connected with the others."""
        others = [other for other in (1, 2, 3) if other != number]
        self.cluster("kill", str(number))
        self.cluster("start", str(number))
        begin = time.monotonic()
        eventually(f"member {number} is back", lambda: all(
            item["connected"] for other in others for state in [self.members.status(other)] if state
            for item in state["members"]), deadline_s=5)
        return time.monotonic() - begin

    def test_idle_connections_shut_nobody_out(self):
        eventually("all are connected", self.connected)
        before, cut = self.terms(), self.disconnections()
        held = {(number, i): self.connect(number, 8090) for number in (1, 2, 3) for i in range(IDLE)}
        self.addCleanup(lambda: [item.close() for item in held.values()])

        def reopen():
            for (number, i), connection in held.items():
                connection.setblocking(False)
                try:
                    ended = connection.recv(1) == b""
                except BlockingIOError:
                    ended = False
                except OSError:
                    ended = True
                if ended:
                    connection.close()
                    try:
                        held[(number, i)] = self.connect(number, 8090)
                    except OSError:
                        pass  # the member is down at the moment
        for _ in range(5):
            reopen()
        self.assertEqual(self.terms(), before)
        self.assertEqual(self.disconnections(), cut)
        leader = self.members.leader()
        follower = next(number for number in (1, 2, 3) if number != leader)
        took_s = self.restart(follower)
        reopen()
        print(f"a follower is back after {took_s:.2f} s", file=sys.stderr)
        self.assertLess(took_s, 2)
        self.cluster("kill", str(leader))
        begin = time.monotonic()
        self.members.leader(among=[number for number in (1, 2, 3) if number != leader])
        print(f"another leader after {time.monotonic() - begin:.2f} s", file=sys.stderr)
        self.assertLess(time.monotonic() - begin, 2)
        reopen()
        self.cluster("start", str(leader))
        eventually("all are connected", self.connected)


if __name__ == "__main__":
    unittest.main(verbosity=2)
