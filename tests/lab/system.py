"""A cluster of three members in the lab, on real Gluster nodes, and what a test asks of them and of the nodes.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cluster"))
# pylint: disable=wrong-import-position
from client import Members, eventually  # noqa: E402

LAB = os.path.join(ROOT, "scripts", "lab")
CLUSTER = os.path.join(ROOT, "scripts", "cluster")
JOB_S = 300
INVENTORY = r"""
gluster --mode=script volume list 2>/dev/null | grep -v '^No volumes' | sed 's/^/volume /'
lvs --noheadings -o vg_name,lv_name 2>/dev/null | sed 's/^ */lv /;s/  */ /g'
awk '$2 ~ /^.var.lib.heketi/ {print "mount " $2}' /proc/self/mounts
awk '$2 ~ /^.var.lib.heketi/ {print "fstab " $2}' /etc/fstab
find /var/lib/heketi/mounts -mindepth 2 -maxdepth 2 2>/dev/null | sed 's/^/directory /'
true
"""


def lab(*arguments, script=None, check=True):
    done = subprocess.run([LAB, *[str(item) for item in arguments]], input=script, capture_output=True, text=True,
                          check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"scripts/lab {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def on_node(number, script, check=True):
    """Runs a shell script (standard input) on a node or on the client."""
    return lab("run", number, "sh", "-s", script=script, check=check)


class LabTest(unittest.TestCase):
    """Subclasses say how many nodes they want, with how many disks, and what else the configuration holds."""

    NODES = (1, 2, 3)
    DISKS = 1
    SETTINGS = {}  # of the section glusterfs

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise unittest.SkipTest("needs root and /dev/net/tun for the lab")
        cls.addClassCleanup(lab, "down")
        lab("up", len(cls.NODES), "--disks", cls.DISKS)
        cls.environment = dict(re.findall(r"^(?:export )?(\w+)='?([^'\n]*)'?$", lab("env"), re.M))
        cls.folder = tempfile.mkdtemp(prefix="hecate-lab-test.")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.config = os.path.join(cls.folder, "heketi.json")
        with open(cls.config, "w", encoding="utf-8") as file:
            json.dump({
                "port": "8080", "use_auth": True,
                "jwt": {"admin": {"key": "admin-secret"}, "user": {"key": "user-secret"}},
                "glusterfs": {**cls.SETTINGS, "executor": "ssh", "sshexec": {
                    "keyfile": cls.environment["HECATE_LAB_KEY_RSA"], "user": "root", "port": "22",
                    "fstab": "/etc/fstab", "known_hosts": cls.environment["HECATE_LAB_KNOWN_HOSTS"]}}}, file)
        cls.directory = os.path.join(cls.folder, "cluster")
        cls.addClassCleanup(cls.cluster, "down")
        cls.new_cluster()
        cls.load_topology()

    @classmethod
    def new_cluster(cls, *more):
        """Three members without a past, unless they are given one."""
        urls = {}
        for line in cls.cluster("up", "--lab", "--config", cls.config, *more).splitlines():
            words = line.split()
            urls[int(words[1])] = words[2]
        cls.members = Members(urls, "hecate-m1")

    @classmethod
    def cluster(cls, *arguments):
        done = subprocess.run([CLUSTER, *arguments, "--dir", cls.directory], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"scripts/cluster {arguments}: {done.stderr}")
        return done.stdout

    @classmethod
    def load_topology(cls, nodes=None, disks=None):
        """These of the nodes, or all, with so many of the disks of each, or all."""
        cluster_id = cls.members.any("POST", "/clusters", {"file": True, "block": True}).json()["id"]
        for number in nodes or cls.NODES:
            address = cls.environment[f"HECATE_LAB_NODE{number}"]
            done = cls.finish_request("POST", "/nodes", {
                "zone": number, "cluster": cluster_id, "hostnames": {"manage": [address], "storage": [address]}})
            if done.status != 303:
                raise AssertionError(f"node add: {done.body}")
            node = done.headers["location"].rsplit("/", 1)[1]
            for disk in "bcdefg"[:disks or cls.DISKS]:
                done = cls.finish_request("POST", "/devices", {"name": f"/dev/ubd{disk}", "node": node})
                if done.status != 204:
                    raise AssertionError(f"device add: {done.body}")

    @classmethod
    def finish_request(cls, method, path, body=None):
        answer = cls.members.any(method, path, body)
        if answer.status != 202:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body}")
        return cls.members.finish(answer.headers["location"], deadline_s=JOB_S)

    # ---- helpers ----

    def get(self, path):
        answer = self.members.any("GET", path)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def mounted(self, name, script, number=1):
        """Runs a script on the client where the volume is mounted; its output."""
        address = self.environment[f"HECATE_LAB_NODE{number}"]
        return on_node("c1", f"set -e\nmkdir -p /mnt/{name}\nmount -t glusterfs {address}:/{name} /mnt/{name}\n"
                             f"trap 'cd / && umount /mnt/{name}' EXIT\ncd /mnt/{name}\n{script}\n").strip()

    def begin_create(self, name, **more):
        """Three replicas of 1 GiB, unless something else is said."""
        answer = self.members.any("POST", "/volumes", {
            "size": 1, "name": name, "durability": {"type": "replicate", "replicate": {"replica": 3}}, **more})
        self.assertEqual(answer.status, 202, answer.body)
        return answer.headers["location"]

    def create(self, name, **more):
        done = self.members.finish(self.begin_create(name, **more), deadline_s=JOB_S)
        self.assertEqual(done.status, 303, done.body)
        return done.headers["location"]

    def delete(self, path):
        done = self.finish_request("DELETE", path)
        self.assertEqual(done.status, 204, done.body)

    def steps(self, kind):
        state = self.members.status(self.members.leader())
        return [step for operation in state["operations"] for step in operation["steps"]
                if step["step"] == kind and step["state"] == "running"]

    def wait_for_operations(self):
        """Until nothing is being done any more, clean-ups included."""
        def idle():
            state = self.members.status(self.members.leader())
            return state and not state["operations"]
        eventually("no operation is left", idle, deadline_s=JOB_S, pause_s=0.5)

    def wait_for_nodes(self):
        """Until the leader knows that all of them answer: before, nothing is placed on one that was away."""
        def all_up():
            state = self.members.status(self.members.leader())
            return state and not any(node["down"] for node in state["nodes"])
        eventually("all storage nodes answer", all_up, deadline_s=60, pause_s=0.5)

    def assert_nodes_equal_database(self):
        """LVs, mounts, fstab lines and directories of bricks, and Gluster volumes, are those of the database."""
        bricks, names = set(), set()
        for volume in self.members.any("GET", "/volumes").json()["volumes"]:
            info = self.members.any("GET", f"/volumes/{volume}").json()
            names.add(info["name"])
            bricks |= {re.search(r"brick_[0-9a-f]{32}", brick["path"]).group() for brick in info["bricks"]}
        found = {kind: set() for kind in ("lv", "mount", "fstab", "directory")}
        pools = 0
        for number in self.NODES:
            volumes = set()
            for line in on_node(number, INVENTORY).splitlines():
                kind, _, rest = line.partition(" ")
                match = re.search(r"brick_[0-9a-f]{32}", rest)
                if kind == "volume":
                    volumes.add(rest)
                elif kind == "lv" and " tp_" in f" {rest}":
                    pools += 1
                elif match:
                    found[kind].add(match.group())
                else:
                    self.fail(f"left over on node {number}: {line}")
            self.assertEqual(volumes, names, f"gluster volumes on node {number}")
        for kind, seen in found.items():
            self.assertEqual(seen, bricks, f"bricks by {kind}")
        self.assertEqual(pools, len(bricks))

    def kill_leader(self):
        """SIGKILL; the members that are left."""
        leader = self.members.leader()
        self.cluster("kill", str(leader))
        return leader, [number for number in self.members.urls if number != leader]

    def number_of_host(self, host):
        return next(number for number in self.NODES if self.environment[f"HECATE_LAB_NODE{number}"] == host)

    def number_of(self, node_id):
        return self.number_of_host(self.get(f"/nodes/{node_id}")["hostnames"]["storage"][0])

    # ---- faults in the middle of an operation ----

    def accepted(self, method, path, body=None):
        answer = self.members.any(method, path, body)
        self.assertEqual(answer.status, 202, f"{method} {path}: {answer.body}")
        return answer.headers["location"]

    def running(self, kind):
        """The node where such a step runs, once there is one."""
        step = eventually(f"{kind} runs", lambda: self.steps(kind), deadline_s=JOB_S)[0]
        return self.number_of_host(step["host"])

    def kill_leader_and_finish(self, location, kind):
        self.running(kind)
        leader, others = self.kill_leader()
        try:
            return self.members.finish(location, among=others, deadline_s=JOB_S)
        finally:
            self.cluster("start", str(leader))

    def cut_power_and_finish(self, location, kind):
        """Of a node where the step runs."""
        number = self.running(kind)
        lab("power-off", number)
        lab("power-on", number)
        return self.members.finish(location, deadline_s=JOB_S)

    def assert_nothing_to_report(self):
        """Every node answers and equals the database, says the daemon itself; peers may need a moment to find each other."""
        def examine():
            document = self.get("/internal/state/examine/gluster")
            unseen = [node for cluster in document["clusters"] for node in cluster["NodesData"] if node["VolumeInfo"] is None]
            return document["findings"], unseen
        try:
            eventually("examine reports nothing", lambda: examine() == ([], []), deadline_s=120, pause_s=1)
        except AssertionError:
            self.assertEqual(examine(), ([], []))

    def assert_bricks_online(self, name, count=3):
        def online():
            status = on_node(1, f"gluster --mode=script volume status {name} detail --xml", check=False)
            return len(re.findall(r"<path>/(?:var/lib/heketi|(?:var/)?run/gluster/snaps)/[^<]*</path>.*?<status>1</status>",
                                  status, re.S)) == count
        eventually(f"all bricks of {name} are online", online, deadline_s=120, pause_s=0.5)
