#!/usr/bin/env python3
"""Clients that ask all the time, until their standard input ends; then one line of JSON with what they saw.

usage: load.py CLIENTS URL [URL...]

Each client asks one URL, in turn, again and again: reads on a connection of their own, reads on one that is kept, and
creates. A connection that ends before the first byte of an answer is tried once more on a new one, as HTTP's clients
do with what is safe to repeat (RFC 9110 9.2.2; creates carry an Idempotency-Key); such repetitions are counted.
Everything else but a good answer is a failure.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

from client import token

TIMEOUT_S = 20


class Client(threading.Thread):
    def __init__(self, number, url, stop):
        super().__init__(daemon=True)
        self.number, self.stop_event, self.kept = number, stop, number % 3 == 1
        self.creates = number % 3 == 2
        self.address = urllib.parse.urlsplit(url)
        self.url = url
        self.connection = None
        self.ends, self.failures, self.repeated, self.slowest = [], [], 0, 0.0
        self.accepted = []

    def once(self, method, path, body, headers):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=TIMEOUT_S)
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            data = response.read()
        except BaseException:
            self.connection.close()
            self.connection = None
            raise
        if response.will_close or not self.kept:
            self.connection.close()
            self.connection = None
        return response, data

    def ask(self):
        method, path, body, good = "GET", "/volumes", None, 200
        headers = {}
        if self.creates:
            method, good = "POST", 202
            body = json.dumps({"size": 1, "durability": {"type": "replicate", "replicate": {"replica": 3}}})
            headers = {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex}
        headers["Authorization"] = f"bearer {token(method, path)}"
        try:
            response, data = self.once(method, path, body, headers)
        except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
            self.repeated += 1
            response, data = self.once(method, path, body, headers)
        if response.status != good:
            raise ValueError(f"{response.status} {data.decode(errors='replace')[:200]}")
        if self.creates:
            self.accepted.append(response.headers["Location"])

    def run(self):
        while not self.stop_event.is_set():
            begin = time.monotonic()
            try:
                self.ask()
                self.ends.append(time.monotonic())
                self.slowest = max(self.slowest, self.ends[-1] - begin)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(f"{self.url} at {time.time():.3f} after {time.monotonic() - begin:.3f} s: {error!r}")
            self.stop_event.wait(0.1 if self.creates else 0.002)


class Load:
    """This program on a host, while the block runs; result is what it printed, None if it ended early."""

    def __init__(self, namespace, clients, urls):
        self.command = ["ip", "netns", "exec", namespace, sys.executable, os.path.abspath(__file__), str(clients), *urls]
        self.result = None

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        output, _ = self.process.communicate()
        if self.process.returncode == 0:
            self.result = json.loads(output)

    def summary(self):
        return (f"{self.result['requests']} requests, {len(self.result['failures'])} failed, "
                f"{self.result['repeated']} repeated, longest gap {self.result['longest_gap_ms']:.0f} ms, "
                f"slowest {self.result['slowest_ms']:.0f} ms")


def main():
    stop = threading.Event()
    urls = sys.argv[2:]
    clients = [Client(number, urls[number // 3 % len(urls)], stop) for number in range(int(sys.argv[1]))]
    for client in clients:
        client.start()
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join()
    ends = sorted(end for client in clients for end in client.ends)
    print(json.dumps({
        "requests": len(ends), "failures": [item for client in clients for item in client.failures],
        "repeated": sum(client.repeated for client in clients),
        "longest_gap_ms": 1000 * max((b - a for a, b in zip(ends, ends[1:])), default=0),
        "slowest_ms": 1000 * max(client.slowest for client in clients),
        "accepted": [item for client in clients for item in client.accepted]}))


if __name__ == "__main__":
    main()
