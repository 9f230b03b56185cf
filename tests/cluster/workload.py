#!/usr/bin/env python3
"""Clients of a cluster that write down all they do and are told (history.py), in one process of the client's host.

usage: workload.py --address URL [--member N=URL]... [--writers N] [--readers N] --out FILE

The clients know the one address. Writers create volumes under names of their own, repeat what was not answered, wait for
the end and delete every second one, later all; readers list and look; a prober asks for /clusters on new connections (prober.py); a
watcher asks the members themselves who serves. It runs until standard input ends, then lets the writers finish, asks once
more for everything that was accepted, and writes one JSON object per line to FILE.
"""

import argparse
import http.client
import json
import os
import random
import socket
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import token  # noqa: E402
from history import TERMINAL  # noqa: E402
from prober import CONNECT_S, probe  # noqa: E402

ANSWER_S = 2.0         # without an answer for so long a client tries again
FINISH_S = 120
KEPT_MAX = 100  # of all the writers; the storage nodes must not become full in a long run
REPLICA_3 = {"type": "replicate", "replicate": {"replica": 3}}


class Log:
    def __init__(self):
        self.events, self.lock = [], threading.Lock()

    def add(self, op, start, **more):
        with self.lock:
            self.events.append({"op": op, "start": start, "end": time.monotonic(), **more})


class Client:
    """One kept connection; (0, {}, "") when there was no answer."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.connection = parts.hostname, parts.port, None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=None, connect_s=ANSWER_S):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=connect_s)
                self.connection.connect()
                self.connection.sock.settimeout(ANSWER_S)
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection.request(method, path, body=None if body is None else json.dumps(body),
                                    headers={"Authorization": f"bearer {token(method, path)}"})
            answer = self.connection.getresponse()
            text = answer.read().decode()
            if answer.getheader("connection", "").lower() == "close":
                self.close()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, {}, ""


class Workload:
    def __init__(self, arguments):
        self.arguments, self.log, self.stopping = arguments, Log(), threading.Event()
        self.volumes, self.lock = [], threading.Lock()

    # ---- writers ----

    def job(self, client, location, deadline):
        """Asks to the end; the terminal status, or None."""
        while time.monotonic() < deadline:
            start = time.monotonic()
            status, headers, _ = client.request("GET", location)
            pending = headers.get("x-pending") == "true"
            target = headers.get("location", "").rpartition("/")[2] if status == 303 else None
            self.log.add("job", start, location=location, status=200 if pending else status, target=target)
            if status in TERMINAL or status == 404:
                return status, target
            self.stopping.wait(0.01)
        return None, None

    def accepted(self, client, op, method, path, body, **more):
        """Repeats until there is an answer other than 503: (status, queue path)."""
        deadline = time.monotonic() + FINISH_S
        while time.monotonic() < deadline:
            start = time.monotonic()
            status, headers, _ = client.request(method, path, body)
            self.log.add(op, start, status=status, location=headers.get("location"), **more)
            if status not in (0, 503):
                return status, headers.get("location")
            time.sleep(0.02)
        return 0, None

    def writer(self, number):
        client, count = Client(self.arguments.address), 0
        while not self.stopping.is_set():
            count += 1
            name = f"w{os.getpid()}-{number}-{count}"
            status, location = self.accepted(client, "create", "POST", "/volumes",
                                             {"size": 1, "name": name, "durability": REPLICA_3}, name=name)
            if status != 202:
                self.log.add("refused", time.monotonic(), status=status)
                continue
            status, volume = self.job(client, location, time.monotonic() + FINISH_S)
            if status != 303:
                continue
            with self.lock:
                self.volumes.append(volume)
            if count % 2 == 0 or len(self.volumes) > KEPT_MAX:
                status, location = self.accepted(client, "delete", "DELETE", f"/volumes/{volume}", None, id=volume)
                if status == 202:
                    self.job(client, location, time.monotonic() + FINISH_S)

    # ---- readers ----

    def reader(self, number):
        client, chance = Client(self.arguments.address), random.Random(number)
        while not self.stopping.is_set():
            self.list(client)
            with self.lock:
                volume = chance.choice(self.volumes[-20:]) if self.volumes else None
            if volume:
                start = time.monotonic()
                status, _, _ = client.request("GET", f"/volumes/{volume}")
                self.log.add("get", start, id=volume, status=status)
            self.stopping.wait(0.02)

    def list(self, client):
        start = time.monotonic()
        status, _, text = client.request("GET", "/volumes")
        self.log.add("list", start, status=status, ids=json.loads(text)["volumes"] if status == 200 else [])
        return status

    def prober(self):
        parts = urllib.parse.urlsplit(self.arguments.address)
        probe(parts.hostname, parts.port, self.stopping, lambda start, status: self.log.add("probe", start, status=status))

    def watcher(self, number, url):
        client = Client(url)
        while not self.stopping.is_set():
            start = time.monotonic()
            status, _, text = client.request("GET", "/cluster/status", connect_s=CONNECT_S)
            if status == 200:
                state = json.loads(text)
                self.log.add("leader", start, member=number, term=state["term"], serving=state["serving"])
            self.stopping.wait(0.02)

    # ---- all of them ----

    def finish(self):
        """Everything that was accepted is asked for once more, by a client that comes later."""
        client = Client(self.arguments.address)
        for event in [item for item in self.log.events if item["op"] in ("create", "delete") and item["status"] == 202]:
            self.job(client, event["location"], time.monotonic() + FINISH_S)
        deadline = time.monotonic() + FINISH_S
        while self.list(client) != 200:  # without it nothing would show that something was lost
            if time.monotonic() > deadline:
                raise TimeoutError(f"no last list of volumes within {FINISH_S} s")
            time.sleep(0.05)

    def run(self):
        def start(function, *arguments):
            thread = threading.Thread(target=function, args=arguments, daemon=True)
            thread.start()
            return thread

        threads = [start(self.writer, number) for number in range(self.arguments.writers)]
        threads += [start(self.reader, number) for number in range(self.arguments.readers)]
        threads += [start(self.watcher, int(item.partition("=")[0]), item.partition("=")[2])
                    for item in self.arguments.member]
        threads.append(start(self.prober))
        print("ready", flush=True)
        sys.stdin.read()
        self.stopping.set()
        for thread in threads:
            thread.join(FINISH_S)
        self.finish()
        with open(self.arguments.out, "w", encoding="utf-8") as file:
            for event in self.log.events:
                file.write(json.dumps(event) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--member", action="append", default=[])
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--readers", type=int, default=1)
    parser.add_argument("--out", required=True)
    Workload(parser.parse_args()).run()


if __name__ == "__main__":
    main()
