"""How large a cluster may grow: a database of many volumes on 1,000 devices, and everything that can be asked of it.

Measured is what the members' own watch on their loops says (GET /metrics): the longest turn by what ran in it.
"""

import http.client
import json
import os
import re
import threading
import time

from bench_cluster import BenchCluster, Unmeasured, resident_mib, token

SIZES = (10000, 100000)
SOAK_S = {10000: 60, 100000: 600}
NODES, DEVICES = 100, 10
CLIENTS = 64
SETTLE_S = 120
LONGEST = re.compile(r'^hecate_loop_turn_max_seconds\{what="([^"]*)"\} ([0-9.e+-]+)$', re.M)
SHARE = re.compile(r'^hecate_loop_work_max_seconds\{what="([^"]*)"\} ([0-9.e+-]+)$', re.M)
TURNS = re.compile(r'^hecate_loop_turn_seconds_bucket\{le="([^"]*)"\} ([0-9]+)$', re.M)


class ScaleCluster(BenchCluster):
    """Three members, and a pool of many nodes and devices."""

    def load_topology(self):
        cluster = json.loads(self.ask("POST", "/clusters", {"file": True, "block": True})[2])["id"]
        self.deadline = time.monotonic() + 300
        for number in range(NODES):
            host = f"192.0.2.{number + 1}"
            done = self.do("POST", "/nodes", {"zone": number % 10 + 1, "cluster": cluster,
                                              "hostnames": {"manage": [host], "storage": [host]}})
            node = done[1]["location"].rsplit("/", 1)[1]
            for device in range(DEVICES):
                self.do("POST", "/devices", {"name": f"/dev/sd{chr(ord('b') + device)}", "node": node})

    def read(self, path, member, limit_s=120):
        """A GET whose answer is counted, not kept: (status, bytes, seconds)."""
        host = self.urls[member].split("//")[1]
        connection = http.client.HTTPConnection(host, timeout=limit_s)
        started, size = time.monotonic(), 0
        try:
            connection.request("GET", path, None, {"Authorization": "bearer " + token("GET", path.split("?")[0])})
            answer = connection.getresponse()
            while True:
                piece = answer.read(1 << 20)
                if not piece:
                    return answer.status, size, time.monotonic() - started
                size += len(piece)
        except OSError:
            return 0, size, time.monotonic() - started
        finally:
            connection.close()

    def metrics(self, member):
        return self.ask("GET", "/metrics", member=member, limit_s=60)[2].decode()

    def longest(self):
        """{what: longest turn in ms} over all members that answer."""
        found = {}
        for member in self.urls:
            for pattern in (LONGEST, SHARE):
                for what, seconds in pattern.findall(self.metrics(member)):
                    found[what] = max(found.get(what, 0.0), 1000 * float(seconds))
        return found

    def turns(self):
        """(turns, turns over 20 ms) of all members."""
        counts = [0, 0]
        for member in self.urls:
            buckets = dict(TURNS.findall(self.metrics(member)))
            counts[0] += int(buckets["+Inf"])
            counts[1] += int(buckets["+Inf"]) - int(buckets["0.02"])
        return counts

    def term(self):
        return max((self.status(member) or {}).get("term", 0) for member in self.urls)


def routes(cluster):
    """Every GET of the table, with objects that are there."""
    leader = cluster.leader()
    pool = json.loads(cluster.ask("GET", "/clusters", member=leader)[2])["clusters"][0]
    node = json.loads(cluster.ask("GET", f"/clusters/{pool}", member=leader)[2])["nodes"][0]
    device = json.loads(cluster.ask("GET", f"/nodes/{node}", member=leader, limit_s=60)[2])["devices"][0]["id"]
    volume = json.loads(cluster.ask("GET", "/volumes", member=leader, limit_s=60)[2])["volumes"][0]
    return ["/hello", "/livez", "/readyz", "/cluster/status", "/cluster/leader", "/metrics", "/clusters",
            f"/clusters/{pool}", f"/nodes/{node}", f"/devices/{device}", "/volumes", f"/volumes/{volume}",
            "/blockvolumes", "/operations", "/operations/pending", "/db/dump", "/db/check", "/backup/db",
            "/internal/state/examine/gluster", "/admin", "/internal/logging", "/cluster/members", "/cluster/upgrade"]


def create(cluster, count, name):
    result = cluster.load("create", "--clients", str(CLIENTS), "--count", str(count), "--name", name,
                          members=[cluster.leader()])
    if result["done"] < count or result["failed"] > 0:
        raise Unmeasured(f"{result['done']} of {count} volumes were made, {result['failed']} failed")
    return result["per_s"]


def changes(cluster, name):
    """One volume's life, and what is refused for want of space."""
    cluster.deadline = time.monotonic() + 60
    status, headers, _ = cluster.do("POST", "/volumes", {"size": 1, "name": name})
    if status != 303 and status != 200:
        raise Unmeasured(f"a volume was not made: {status}")
    volume = headers["location"].rsplit("/", 1)[1]
    cluster.do("POST", f"/volumes/{volume}/expand", {"expand_size": 1})
    cluster.ask("POST", "/volumes?dry_run=true", {"size": 1}, limit_s=60)
    cluster.ask("POST", "/volumes", {"size": 1 << 40}, limit_s=60)
    cluster.do("DELETE", f"/volumes/{volume}", None)


# Made by threads, at most two at a time: a third that has waited for 10 s is told to come again.
WHOLE = ("/db/dump", "/db/check", "/backup/db", "/internal/state/examine/gluster")


class Soak:
    """All of it at once: scrapes each second, two dumps at a time, every route in turn, changes."""

    def __init__(self, cluster, seconds):
        self.cluster = cluster
        self.end = time.monotonic() + seconds
        self.failed = []
        self.crowded = 0
        self.counts = {}
        self.peak_mib = 0.0

    def count(self, what, failure):
        """failure: what went wrong, or None."""
        self.counts[what] = self.counts.get(what, 0) + 1
        if failure:
            self.failed.append(f"{what}: {failure}")

    def loop(self, what, pause_s, action):
        while time.monotonic() < self.end:
            started = time.monotonic()
            try:
                self.count(what, action())
            except (Unmeasured, OSError, ValueError, KeyError, IndexError) as reason:
                self.count(what, f"{type(reason).__name__} {reason}")
            time.sleep(max(0.0, pause_s - (time.monotonic() - started)))  # a rate, not a wait for something

    def scrape(self):
        self.peak_mib = max([self.peak_mib] + [resident_mib(pid) for pid in self.cluster.pids().values()])
        answers = [self.get("/metrics", member) for member in self.cluster.urls]
        return next((failure for failure in answers if failure), None)

    def get(self, path, member):
        """What went wrong with it, or None. To be told 503 because others are being made is right, and counted."""
        status, size, seconds = self.cluster.read(path, member)
        if status == 503 and path in WHOLE:
            self.crowded += 1
        elif status != 200:
            return f"{path} of {member}: {status}, {size} bytes, {seconds:.1f} s"
        return None

    def run(self):
        paths = routes(self.cluster)
        cursor = iter(range(1 << 60))

        def ask():
            path = paths[next(cursor) % len(paths)]
            return self.get(path, self.cluster.leader())

        def change():
            changes(self.cluster, f"soak{next(cursor)}")
        jobs = [("metrics", 1.0, self.scrape), ("route", 0.2, ask), ("change", 1.0, change)]
        jobs += [("dump", 5.0, lambda: self.get("/db/dump", self.cluster.leader()))] * 2
        threads = [threading.Thread(target=self.loop, args=job) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def measure_memory(cluster, table, name, note):
    """The largest member's, in MiB."""
    sizes = {number: resident_mib(pid) for number, pid in cluster.pids().items()}
    table.add(name, max(sizes.values()), "MiB",
              " ".join(f"{value:.0f}" for value in sizes.values()) + f"; leader {cluster.leader()}{note}")
    return max(sizes.values())


def measure_dump(cluster, table, label):
    """What one dump, and two at once, take beyond what the leader had. Within a minute after it began to lead: then no
    audit is under way, in which the nodes list all volumes."""
    leader = cluster.leader()
    pid = cluster.pids()[leader]
    for count in (1, 2):
        before = resident_mib(pid)
        peak, results = [before], []
        threads = [threading.Thread(target=lambda: results.append(cluster.read("/db/dump", leader)))
                   for _ in range(count)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            peak.append(resident_mib(pid))
            time.sleep(0.02)  # a sample
        if any(status != 200 for status, _, _ in results):
            raise Unmeasured(f"a dump failed: {results}")
        audit = (cluster.status(leader) or {}).get("audit", {})
        table.add(f"{label}: memory more for {count} dump{'s' if count > 1 else ''}", max(peak) - before, "MiB",
                  f"{results[0][1] / 1e6:.0f} MB each, {max(item[2] for item in results):.1f} s"
                  + (", and an audit's" if audit.get("running") or audit.get("rounds") else ""))


def measure_ends(cluster, table, label):
    """A follower is stopped by SIGTERM and started; one that was away gets a snapshot; the leader is stopped."""
    leader = cluster.leader()
    follower = next(number for number in sorted(cluster.urls) if number != leader)
    started = time.monotonic()
    cluster.script("stop", str(follower))
    table.add(f"{label}: SIGTERM to a follower", time.monotonic() - started, "s")
    cluster.start_only(follower)
    started = time.monotonic()
    cluster.deadline = started + 120
    cluster.wait("the follower's answer", lambda: cluster.ask("GET", "/clusters", member=follower)[0] == 200)
    table.add(f"{label}: start to the first answer", time.monotonic() - started, "s")
    cluster.wait("all members are level", cluster.healthy)
    cluster.script("stop", str(follower))
    cluster.deadline = time.monotonic() + 300
    create(cluster, 6000, f"away{follower}")
    cluster.start_only(follower)
    started = time.monotonic()
    cluster.wait("the follower is level after a snapshot", cluster.healthy)
    table.add(f"{label}: start of a member that was away, until level", time.monotonic() - started, "s")
    leader = cluster.leader()
    started = time.monotonic()
    cluster.script("stop", str(leader))
    table.add(f"{label}: SIGTERM to the leader", time.monotonic() - started, "s")
    cluster.start(leader)
    cluster.wait("all members are level", cluster.healthy)


def add_turns(cluster, table, label, activity):
    longest = sorted(cluster.longest().items(), key=lambda item: -item[1])
    for what, value in longest[:12]:
        table.add(f"{label}, {activity}: longest turn of {what}", value, "ms")
    turns, over = cluster.turns()
    table.add(f"{label}, {activity}: turns over 20 ms", 100 * over / max(turns, 1), "%", f"{over} of {turns}")


def measure_restore(cluster, table, label, folder):
    """The database on new members, from a backup, whose nodes have lost all their devices: everything is missing."""
    backup = os.path.join(folder, "backup")
    with open(backup, "wb") as file:
        file.write(cluster.ask("GET", "/backup/db", member=cluster.leader(), limit_s=120)[2])
    other = ScaleCluster(os.path.join(folder, "restored"))
    os.makedirs(other.folder, exist_ok=True)
    with open(other.config, "w", encoding="utf-8") as file:
        settings = json.loads(json.dumps(cluster.settings()))
        settings["glusterfs"]["mock"]["faults"] = json.dumps([{"step": "inventory", "lose": "vg_"}])
        json.dump(settings, file)
    started = time.monotonic()
    try:
        for line in other.script("up", "--config", other.config, "--restore", backup, limit_s=120).splitlines():
            words = line.split()
            other.urls[int(words[1])] = words[2]
        other.deadline = time.monotonic() + 300
        other.wait("the restored database", lambda: other.ask("GET", "/volumes", limit_s=60)[0] == 200)
        table.add(f"{label}: restore, until it is served", time.monotonic() - started, "s")
        term = other.term()
        other.read("/internal/state/examine/gluster", other.leader(), limit_s=300)
        other.deadline = time.monotonic() + SETTLE_S
        other.wait("all members are level", other.healthy)
        table.add(f"{label}: changes of leadership while everything is missing", other.term() - term, "")
        add_turns(other, table, label, "restored, all missing")
    finally:
        other.down()


def measure_size(size, table, folder):
    label = f"{round(size / 1000)}k"
    cluster = ScaleCluster(folder)
    os.makedirs(folder, exist_ok=True)
    try:
        cluster.up()
        empty = max(resident_mib(pid) for pid in cluster.pids().values())
        cluster.deadline = time.monotonic() + 1200
        table.add(f"{label}: creates, {CLIENTS} clients", create(cluster, size, "scale"), "/s")
        cluster.deadline = time.monotonic() + SETTLE_S
        cluster.wait("all members are level", cluster.healthy)
        add_turns(cluster, table, label, "filled")
        largest = measure_memory(cluster, table, f"{label}: memory, largest member", ", with the pretended nodes in it")
        table.add(f"{label}: memory a volume, largest member", (largest - empty) * 1024 / size, "KiB")
        cluster.deadline = time.monotonic() + 600
        term = cluster.term()
        soak = Soak(cluster, SOAK_S.get(size, 60))
        soak.run()
        table.add(f"{label}: changes of leadership in {SOAK_S.get(size, 60)} s of all of it", cluster.term() - term, "",
                  f"asked {soak.counts}, told to come again {soak.crowded}, peak {soak.peak_mib:.0f} MiB, failed: "
                  + ("; ".join(soak.failed) or "none"))
        add_turns(cluster, table, label, "soaked")
        cluster.deadline = time.monotonic() + 600
        measure_ends(cluster, table, label)
        measure_memory(cluster, table, f"{label}: memory, largest member, started again", "")
        measure_dump(cluster, table, label)
        add_turns(cluster, table, label, "ended and started")
        measure_restore(cluster, table, label, folder)
    finally:
        cluster.down()


def measure(cluster, table, volumes):
    for size in SIZES if volumes == SIZES[0] else (volumes,):
        measure_size(size, table, os.path.join(os.path.dirname(cluster.folder), f"scale-{size}"))
