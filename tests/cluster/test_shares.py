#!/usr/bin/env python3
"""Who has a user's key and three addresses, and keeps every connection busy, keeps nobody from being answered. Who leaves
answers to our kernel fills no memory.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually, token  # noqa: E402
from hosts import run  # noqa: E402
from namespace import socket_in  # noqa: E402
from test_audit import Dump  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402

ADDRESSES = ["198.18.1.4", "198.18.1.201", "198.18.1.202"]  # of host m4
EACH = 150
VOLUMES = 3000  # so that an answer is longer than what a kernel takes for a slow client
ASKED_S = 5
BOUND_S = 4
KEPT_MAX = 64 << 20
# Requests without end on many connections from each address; takes so many bytes a second of each one's answers, and
# begins again where it is cut. Says a line when all are at work, and at the end, when its input ends, what it did.
BUSY = """
import json, select, socket, sys, time
to, request, rate, addresses, each = json.loads(sys.argv[1])
data = request.encode() * 64
TICK = 0.05

class Client:
    def __init__(self, address):
        self.address, self.cuts, self.taken, self.sock = address, -1, 0, None
        self.begin()

    def begin(self):
        if self.sock is not None:
            self.sock.close()
        self.cuts, self.at, self.sock = self.cuts + 1, 0, socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.bind((self.address, 0))
        self.sock.setblocking(False)
        self.sock.connect_ex(tuple(to))

    def turn(self):
        try:
            while self.at < 1 << 16:  # more than it takes answers of
                self.at += self.sock.send(data[self.at % len(data):])
        except BlockingIOError:
            pass
        except OSError:
            return self.begin()
        try:
            got = len(self.sock.recv(int(rate * TICK)))
            self.taken += got
            if got == 0:
                self.begin()
        except BlockingIOError:
            pass
        except OSError:
            self.begin()

clients, told = [Client(address) for address in addresses for _ in range(each)], False
while not select.select([sys.stdin], [], [], 0)[0]:
    end = time.monotonic() + TICK
    for client in clients:
        client.turn()
    if not told and sum(client.taken > 0 for client in clients) >= min(448, len(clients)) * 9 // 10:
        told = True
        print("busy", flush=True)
    time.sleep(max(0, end - time.monotonic()))
print(f"{len(clients)} clients took {sum(client.taken for client in clients)} bytes, cut {sum(client.cuts for client in clients)} times")
"""

# Asks for open answers that a kernel takes as a whole, on as many connections as it can, which it half-closes; and never
# takes the answers.
LEFT = """
import select, socket, sys, time
kept, data = [], b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 2
print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        sock.connect((sys.argv[1], int(sys.argv[2])))
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    kept.append(sock)
    if len(kept) > 5000:
        kept.pop(0).close()
print(f"{len(kept)} connections")
"""


class SharesTest(ClusterTest):
    spare_hosts = 1  # where they come from

    def before_up(self):
        dump = os.path.join(self.folder, "dump.json")
        with open(dump, "w", encoding="utf-8") as file:
            json.dump(Dump(VOLUMES).document(), file)
        self.up_arguments = ("--import", dump)

    def setUp(self):
        super().setUp()
        for address in ADDRESSES[1:]:
            run("ip", "netns", "exec", self.hosts.namespace("m4"), "ip", "addr", "replace", f"{address}/24", "dev", "eth0")

    @contextlib.contextmanager
    def busy(self, number, rate):
        parts = urllib.parse.urlsplit(self.members.urls[number])
        asked = token("GET", "/volumes", "user-secret", "user")
        request = f"GET /volumes HTTP/1.1\r\nHost: x\r\nAuthorization: bearer {asked}\r\n\r\n"
        with subprocess.Popen(["ip", "netns", "exec", self.hosts.namespace("m4"), sys.executable, "-c", BUSY,
                               json.dumps([[parts.hostname, parts.port], request, rate, ADDRESSES, EACH])],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                self.assertEqual(process.stdout.readline(), "busy\n")
                yield
            finally:
                print(process.communicate(timeout=30)[0].strip())

    def hello(self, number):
        """Without a token, from an address from which none came."""
        parts = urllib.parse.urlsplit(self.members.urls[number])
        with socket_in(self.hosts.namespace("m4")) as sock:
            sock.settimeout(BOUND_S)
            sock.bind(("198.18.1.203", 0))
            sock.connect((parts.hostname, parts.port))
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return sock.makefile("rb").read().startswith(b"HTTP/1.1 200 ")

    def idle(self, number, stack):
        """A connection of an honest client, after a first answer."""
        parts = urllib.parse.urlsplit(self.members.urls[number])
        sock = stack.enter_context(socket_in(self.hosts.namespace("c1")))
        sock.settimeout(BOUND_S)
        sock.connect((parts.hostname, parts.port))
        self.ask_on(sock)
        return sock

    def ask_on(self, sock):
        asked = token("GET", "/clusters")
        sock.sendall(f"GET /clusters HTTP/1.1\r\nHost: x\r\nAuthorization: bearer {asked}\r\n\r\n".encode())
        self.assertTrue(sock.recv(65536).startswith(b"HTTP/1.1 200 "))

    def answered_within(self, ask):
        begin = time.monotonic()
        self.assertTrue(ask())
        took = time.monotonic() - begin
        self.assertLess(took, BOUND_S)
        return took

    def everybody_is_answered(self, number, rate):
        longest, count = 0, 0
        with contextlib.ExitStack() as stack:
            sock = self.idle(number, stack)
            with self.busy(number, rate):
                end = time.monotonic() + ASKED_S
                while time.monotonic() < end:
                    for ask in (lambda: self.members.ask(number, "GET", "/clusters", timeout_s=BOUND_S).status == 200,
                                lambda: self.hello(number)):
                        longest, count = max(longest, self.answered_within(ask)), count + 1
                self.ask_on(sock)  # it had its share, and lost nothing
        print(f"member {number}, {rate} B/s: {count} answers, the longest after {longest:.2f} s")

    def test_busy_connections(self):
        run("ip", "netns", "exec", self.hosts.namespace("m4"), "ip", "addr", "replace", "198.18.1.203/24", "dev", "eth0")
        self.members.any("GET", "/clusters")  # the dump is loaded
        leader = self.members.leader()
        follower = next(number for number in self.members.urls if number != leader)
        for number in (leader, follower):
            for rate in (4096, 90000):
                self.everybody_is_answered(number, rate)
                eventually("all is as before", lambda number=number: self.members.ask(number, "GET", "/clusters"))
        self.assertEqual(self.members.leader(), leader)

    def kernel_keeps(self, number):
        """Bytes that it keeps for the clients of a member, in its sockets."""
        listed = run("ip", "netns", "exec", self.hosts.namespace(f"m{number}"), "ss", "-tmnaH", "sport = :8080").stdout
        return sum(int(bytes_) for bytes_ in re.findall(r"skmem:\([^)]*,w(\d+),", listed))

    def test_answers_that_nobody_takes(self):
        self.members.any("GET", "/clusters")  # the dump is loaded
        leader, most = self.members.leader(), 0
        parts = urllib.parse.urlsplit(self.members.urls[leader])
        with subprocess.Popen(["ip", "netns", "exec", self.hosts.namespace("m4"), sys.executable, "-c", LEFT,
                               parts.hostname, str(parts.port)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                self.assertEqual(process.stdout.readline(), "begun\n")
                end = time.monotonic() + ASKED_S
                while time.monotonic() < end:
                    self.answered_within(lambda: self.members.ask(leader, "GET", "/clusters", timeout_s=BOUND_S).status == 200)
                    most = max(most, self.kernel_keeps(leader))
            finally:
                print(process.communicate(timeout=30)[0].strip())
        print(f"the kernel kept at most {most >> 20} MiB for them")
        self.assertLess(most, KEPT_MAX)


if __name__ == "__main__":
    unittest.main()
