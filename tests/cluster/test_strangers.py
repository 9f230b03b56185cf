#!/usr/bin/env python3
"""Who has no token, but a network: connections and bytes without end keep nobody from being answered.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import contextlib
import os
import re
import subprocess
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from namespace import socket_in  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402

HALF = b"GET /clusters HTTP/1.1\r\nHost: x\r\n"
BODY = 1 << 20
FLOOD_S = 10
HELLO = "160301020001"  # the head of a ClientHello of 512 bytes
# Connects as often as it can, begins to speak and keeps what it has open until its input ends; prints how often each second.
FLOOD = """
import collections, select, socket, sys, time
kept, count, begin = collections.deque(), 0, time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex((sys.argv[1], int(sys.argv[2])))
    kept.append(sock)
    count += 1
    if len(kept) > 100:
        try:
            kept[-100].send(bytes.fromhex(sys.argv[3]))
        except OSError:
            pass
    if len(kept) >= 900:
        kept.popleft().close()
print(round(count / (time.monotonic() - begin)))
"""


class StrangersTest(ClusterTest):
    spare_hosts = 1  # where floods come from

    def connect(self, stack, number):
        parts = urllib.parse.urlsplit(self.members.urls[number])
        sock = stack.enter_context(socket_in(self.hosts.namespace("c1")))
        sock.settimeout(10)
        sock.connect((parts.hostname, parts.port))
        return sock

    def answered(self, number, path="/clusters"):
        begin = time.monotonic()
        answer = self.members.ask(number, "GET", path, timeout_s=5)
        self.assertIsNotNone(answer, f"member {number} does not answer")
        self.assertEqual(answer.status, 200, answer.body)
        self.assertLess(time.monotonic() - begin, 2)

    def resident(self, number):
        with open(f"/proc/{self.pid(number)}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) << 10

    def slack(self, number):
        """The sanitizer keeps up to 256 MiB of what was freed."""
        with open(f"/proc/{self.pid(number)}/maps", encoding="utf-8") as file:
            return (320 if "libasan" in file.read() else 64) << 20

    def test_half_sent_requests(self):
        leader = self.members.leader()
        follower = next(number for number in self.members.urls if number != leader)
        with contextlib.ExitStack() as stack:
            for _ in range(530):
                self.connect(stack, leader).sendall(HALF)
            self.answered(leader)
            self.answered(follower)
            for _ in range(530):
                self.connect(stack, follower).sendall(HALF)
            self.answered(follower)
        self.assertEqual(self.members.leader(), leader)

    @contextlib.contextmanager
    def flood(self, number):
        """From an address that is nobody's, to a member's REST port."""
        parts = urllib.parse.urlsplit(self.members.urls[number])
        with subprocess.Popen(["ip", "netns", "exec", self.hosts.namespace("m4"), sys.executable, "-c", FLOOD,
                               parts.hostname, str(parts.port), HELLO if self.tls else HALF.hex()], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            try:
                yield
            finally:
                print(f"a flood of {process.communicate(timeout=30)[0].decode().strip()} connections each second")

    def test_connections_as_fast_as_they_come(self):
        leader = self.members.leader()
        follower = next(number for number in self.members.urls if number != leader)
        for number in (leader, follower):
            with self.flood(number):
                end, longest, count = time.monotonic() + FLOOD_S, 0, 0
                while time.monotonic() < end:
                    begin = time.monotonic()
                    self.answered(number)
                    longest, count = max(longest, time.monotonic() - begin), count + 1
                print(f"{count} answers, the longest after {longest:.2f} s")
        self.assertEqual(self.members.leader(), leader)

    def test_bodies_without_a_token(self):
        leader = self.members.leader()
        self.answered(leader)
        before, most = self.resident(leader), 0
        body = bytes(BODY - 1)
        with contextlib.ExitStack() as stack:
            for _ in range(500):
                sock = self.connect(stack, leader)
                with contextlib.suppress(OSError):  # cut off, as it should be
                    sock.sendall(b"POST /volumes HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY + body)
                most = max(most, self.resident(leader))
            self.answered(leader)
        print(f"500 bodies without a token: resident {before >> 20} MiB before, at most {most >> 20} MiB")
        self.assertLess(most - before, self.slack(leader))
        self.assertEqual(self.members.leader(), leader)


class StrangersTlsTest(StrangersTest):
    tls = True


if __name__ == "__main__":
    unittest.main()
