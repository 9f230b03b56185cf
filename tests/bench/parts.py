"""What is measured, in order. Each part adds rows to the table."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import namedtuple

import scale
from bench_cluster import Unmeasured, resident_mib

KILLS_FAILOVER = 50
KILLS_LOST = 20
CLIENTS_LOST = 16
IDLE_S = 20
LARGE_RUNS = 3
WRITE_BYTES = 4096
WRITE_S = 3.0

# measure(cluster, table, volumes); needs_volumes: wants the large database that `create` makes.
Part = namedtuple("Part", "text limit_s needs_volumes measure")


# ---- the disk ----

def disk_rate(folder):
    path = os.path.join(folder, "write-rate")
    block = os.urandom(WRITE_BYTES)
    count, started = 0, time.monotonic()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o600)
    try:
        os.posix_fallocate(handle, 0, 256 * WRITE_BYTES)
        while time.monotonic() - started < WRITE_S:
            os.pwrite(handle, block, count % 256 * WRITE_BYTES)
            count += 1
    finally:
        os.close(handle)
        os.unlink(path)
    return count / (time.monotonic() - started)


def measure_disk(cluster, table, _volumes):
    cluster.write_rate = disk_rate(cluster.data_dir())
    table.add("W: 4 KiB O_DSYNC writes", cluster.write_rate, "/s")


# ---- memory of a process ----

def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_start(cluster, table, _volumes):
    sizes = [resident_mib(pid) for pid in cluster.pids().values()]
    table.add("memory at start, largest member", max(sizes), "MiB", " ".join(f"{size:.1f}" for size in sizes))


def measure_memory(cluster, table, volumes):
    sizes = [resident_mib(pid) for pid in cluster.pids().values()]
    table.add("memory, largest member", max(sizes), "MiB",
              f"{volumes} volumes; " + " ".join(f"{size:.1f}" for size in sizes))


# ---- creates ----

def create(cluster, table, clients, count, name):
    """From POST /volumes to the end of the queue, asked of the leader."""
    result = cluster.load("create", "--clients", str(clients), "--count", str(count), "--name", name,
                          members=[cluster.leader()])
    if result["done"] < count or result["failed"] > 0:
        raise Unmeasured(f"{result['done']} of {count} volumes were made, {result['failed']} failed")
    title = f"create, {clients} client{'s' if clients > 1 else ''}"
    table.add(title, result["per_s"], "/s", f"{count} volumes, p50 {result['p50_us'] / 1000:.1f} ms, "
              f"p99 {result['p99_us'] / 1000:.1f} ms, {result['refused']} refused")
    table.add(f"{title} / W", result["per_s"] / cluster.write_rate, "")
    return title, result


def measure_create(cluster, table, volumes):
    few, some = max(volumes // 50, 20), max(volumes // 10, 50)
    create(cluster, table, 1, few, "one")
    create(cluster, table, 8, some, "eight")
    title, result = create(cluster, table, 64, volumes - few - some, "many")
    table.add(f"{title}, last tenth / first", result["last_tenth_per_s"] / result["first_tenth_per_s"], "",
              f"{result['first_tenth_per_s']:.0f}/s at first, {result['last_tenth_per_s']:.0f}/s at last")


# ---- reads ----

def measure_get(cluster, table, _volumes):
    volumes = json.loads(cluster.ask("GET", "/volumes")[2])["volumes"]
    if not volumes:
        raise Unmeasured("there is no volume")
    for connections in (1, 32):
        result = cluster.load("get", "--clients", str(connections), "--path", f"/volumes/{volumes[0]}",
                              members=[cluster.leader()], limit_s=5)
        if result["failed"] > 0:
            raise Unmeasured(f"{result['failed']} of {result['done']} requests failed")
        table.add(f"GET /volumes/{{id}}, {connections} connection{'s' if connections > 1 else ''}", result["per_s"],
                  "/s", f"p50 {result['p50_us']} us, p99 {result['p99_us']} us")


def measure_large(cluster, table, volumes):
    """Answers about everything, and how long another request waits meanwhile."""
    leader = cluster.leader()
    node = json.loads(cluster.ask("GET", "/clusters/" + json.loads(cluster.ask("GET", "/clusters")[2])["clusters"][0]
                                  )[2])["nodes"][0]
    note = f"{volumes} volumes, median of {LARGE_RUNS}"
    with subprocess.Popen(cluster.load_command("get", "--path", "/livez", "--seconds", "3", members=[leader]),
                          stdout=subprocess.PIPE, text=True) as other:
        for name, path in (("list", "/volumes"), ("node", f"/nodes/{node}"), ("status", "/cluster/status")):
            table.add(name, seconds_of(lambda path=path: cluster.ask("GET", path, member=leader)[0] == 200), "s",
                      f"GET {path[:16]}; {note}")
        result = json.loads(other.communicate(timeout=30)[0])
    table.add("longest wait of another request", result["max_us"] / 1000, "ms",
              f"/livez again and again meanwhile, p50 {result['p50_us']} us, p99 {result['p99_us']} us")
    table.add("topology", seconds_of(lambda: cluster.client(leader, "topology", "info")), "s",
              f"hecate topology info, which reads each volume by itself; {note}")


def seconds_of(action):
    times = []
    for _ in range(LARGE_RUNS):
        started = time.monotonic()
        if not action():
            raise Unmeasured("a request failed")
        times.append(time.monotonic() - started)
    return statistics.median(times)


# ---- idle ----

def measure_idle(cluster, table, _volumes):
    pids = cluster.pids().values()
    before = {pid: cpu_s(pid) for pid in pids}
    started = time.monotonic()
    time.sleep(IDLE_S)  # measured is a time in which nothing happens
    elapsed = time.monotonic() - started
    shares = [100 * (cpu_s(pid) - before[pid]) / elapsed for pid in pids]
    table.add("idle CPU, busiest member", max(shares), "%", " ".join(f"{share:.2f}" for share in shares))


# ---- restart ----

def measure_restart(cluster, table, volumes):
    times = []
    for number in sorted(cluster.urls):
        cluster.kill(number)
        cluster.wait("a leader among the others", lambda number=number: any(
            (cluster.status(other) or {}).get("serving") for other in cluster.urls if other != number))
        cluster.start_only(number)
        started = time.monotonic()
        cluster.wait(f"member {number} to answer GET /volumes",
                     lambda number=number: cluster.ask("GET", "/volumes", member=number)[0] == 200)
        times.append(time.monotonic() - started)
        cluster.wait("all members are level", cluster.healthy)
    table.add("restart", max(times), "s", f"{volumes} volumes, SIGKILL; start to the first 200 of GET /volumes: "
              + " ".join(f"{item:.2f}" for item in times))


# ---- failover ----

class Watch:
    """A client that asks all members every few milliseconds; longest_s: without a 200 since it was asked last."""

    def __init__(self, cluster):
        command = cluster.load_command("watch", "--clients", str(len(cluster.urls)), "--path", "/clusters",
                                       "--interval-ms", "5")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def longest_s(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["longest_us"] / 1e6

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def measure_failover(cluster, table, _volumes):
    cluster.wait("all members are level", cluster.healthy)
    watch = Watch(cluster)
    gaps = []
    try:
        for _ in range(KILLS_FAILOVER):
            leader = cluster.leader()
            watch.longest_s()
            cluster.kill(leader)
            cluster.leader()
            cluster.start(leader)
            cluster.wait("all members are level", cluster.healthy)
            gaps.append(watch.longest_s())
    finally:
        watch.close()
    gaps.sort()
    note = f"{KILLS_FAILOVER} x SIGKILL to the leader, 200 to 200 over all members"
    table.add("failover p50", statistics.median(gaps), "s", note)
    table.add("failover p99", gaps[int(0.99 * len(gaps))], "s")
    table.add("failover max", gaps[-1], "s")


def measure_lost(cluster, table, _volumes):
    cluster.wait("all members are level", cluster.healthy)
    with tempfile.NamedTemporaryFile(mode="r", dir=os.path.dirname(cluster.folder)) as queues:
        command = cluster.load_command("accept", "--clients", str(CLIENTS_LOST), "--file", queues.name,
                                       "--interval-ms", "20", "--name", "kill")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
            for _ in range(KILLS_LOST):
                leader = cluster.leader()
                cluster.kill(leader)
                cluster.leader()
                cluster.start(leader)
            accepted = json.loads(clients.communicate(timeout=60)[0])
        result = cluster.load("settle", "--clients", "16", "--file", queues.name)
    table.add("queue ids lost", result["lost"] + result["open"], "",
              f"of {accepted['accepted']} accepted, {KILLS_LOST} kills, {CLIENTS_LOST} clients; "
              f"{result['failed']} ended with an error")


PARTS = {
    "disk": Part("rate of 4 KiB O_DSYNC writes", 20, False, measure_disk),
    "start": Part("memory of members without volumes", 10, False, measure_start),
    "create": Part("volume creates with 1, 8 and 64 clients", 600, False, measure_create),
    "memory": Part("memory with the large database", 10, True, measure_memory),
    "get": Part("GET of one volume over 1 and 32 connections", 60, True, measure_get),
    "large": Part("list and topology of the large database", 60, True, measure_large),
    "idle": Part(f"CPU in {IDLE_S} s without requests", 60, True, measure_idle),
    "restart": Part("restart of each member with the large database", 120, True, measure_restart),
    "failover": Part(f"{KILLS_FAILOVER} kills of the leader", 300, False, measure_failover),
    "scale": Part("10,000 and 100,000 volumes on 1,000 devices: longest turns, memory, start, stop; by name only", 7200, False,
                  scale.measure),
    "lost": Part(f"{KILLS_LOST} kills under {CLIENTS_LOST} clients", 300, False, measure_lost),
}
