#!/usr/bin/env python3
"""Real daemons in network namespaces: the cluster survives what it promises to survive, and refuses what it must.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import AUTHORITY, Members, eventually  # noqa: E402
from hosts import Hosts  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HECATE = os.environ.get("HECATE", os.path.join(ROOT, "build", "release", "hecate"))
NODES = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]


def config(faults, cluster_section, log_format="text", tls=False, mock=None, glusterfs_section=None):
    return {
        "port": "8080",
        "enable_tls": tls,
        "jwt": {"admin": {"key": "admin-secret"}, "user": {"key": "user-secret"}},
        "glusterfs": {"executor": "mock", "log_format": log_format,
                      "mock": {"faults": json.dumps(list(faults)), **(mock or {})}, **(glusterfs_section or {})},
        "cluster": cluster_section,
    }


class ClusterTest(unittest.TestCase):
    faults = ()
    cluster_section = {"snapshot_entries": 64}
    log_format = "text"
    tls = False  # of the REST API
    glusterfs_section = None  # further keys
    up_arguments = ()  # of scripts/cluster up
    spare_hosts = 0  # beside the three of the members

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root for network namespaces")
        cls.hosts = Hosts(3 + cls.spare_hosts)

    @classmethod
    def tearDownClass(cls):
        cls.hosts.close()

    def setUp(self):
        self.mock = {}  # further settings of the mock executor
        self.folder = tempfile.mkdtemp(prefix="hecate-cluster-test.")
        self.directory = os.path.join(self.folder, "cluster")
        config_file = os.path.join(self.folder, "heketi.json")
        self.addCleanup(self.stop)
        self.before_up()
        with open(config_file, "w", encoding="utf-8") as file:
            json.dump(config(self.faults, self.cluster_section, self.log_format, self.tls, self.mock,
                             self.glusterfs_section), file)
        output = self.cluster("up", "--config", config_file, "--hosts", self.hosts.members(), *self.up_arguments)
        urls = {}
        for line in output.splitlines():
            words = line.split()
            urls[int(words[1])] = words[2]
        self.assertEqual(sorted(urls), [1, 2, 3])
        if self.tls:
            AUTHORITY.update({url: os.path.join(self.directory, "pki", "ca.pem") for url in urls.values()})
        self.members = Members(urls, self.hosts.namespace("c1"))

    def before_up(self):
        """What a subclass prepares in self.folder before the members start."""

    def stop(self):
        for name in self.hosts.names:
            self.hosts.heal(name)
        subprocess.run([os.path.join(ROOT, "scripts", "cluster"), "down", "--dir", self.directory], check=True)
        shutil.rmtree(self.folder)

    def cluster(self, *arguments, check=True):
        done = subprocess.run([os.path.join(ROOT, "scripts", "cluster"), *arguments, "--dir", self.directory],
                              capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            self.fail(f"scripts/cluster {' '.join(arguments)}: {done.stderr}\n{self.logs()}")
        return done.stdout if check else done

    def logs(self):
        text = ""
        for number in (1, 2, 3):
            path = os.path.join(self.directory, f"member-{number}.log")
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += f"--- member {number}\n" + "".join(file.readlines()[-15:])
        return text

    def log(self, number):
        with open(os.path.join(self.directory, f"member-{number}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def hecate(self, *arguments, expect=0):
        """The command line client, on the client's host, with all members as its servers: what it prints."""
        environment = dict(os.environ, HEKETI_CLI_SERVER=",".join(self.members.urls.values()), HEKETI_CLI_USER="admin",
                           HEKETI_CLI_KEY="admin-secret")
        done = subprocess.run(["ip", "netns", "exec", self.hosts.namespace("c1"), HECATE, *arguments], env=environment,
                              capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, expect, f"hecate {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def pid(self, number):
        with open(os.path.join(self.directory, "cluster.json"), encoding="utf-8") as file:
            return json.load(file)["members"][str(number)]["pid"]

    # ---- what the tests do again and again ----

    def load_topology(self, nodes=()):
        cluster = self.members.any("POST", "/clusters", {"file": True, "block": True}).json()["id"]
        for zone, node in enumerate(nodes or NODES, 1):
            done = self.members.do("POST", "/nodes", {"zone": zone, "cluster": cluster,
                                                      "hostnames": {"manage": [node], "storage": [node]}})
            self.assertEqual(done.status, 303, done.body)
            node_id = done.headers["location"].rsplit("/", 1)[1]
            done = self.members.do("POST", "/devices", {"name": "/dev/sdb", "node": node_id})
            self.assertEqual(done.status, 204, done.body)
        return cluster

    def create(self, name, member=None, among=None):
        """Accepted: the queue path."""
        body = {"size": 1, "name": name, "durability": {"type": "replicate", "replicate": {"replica": 3}}}
        answer = (self.members.ask(member, "POST", "/volumes", body) if member else
                  self.members.any("POST", "/volumes", body, among=among))
        self.assertEqual(answer.status, 202, answer.body)
        return answer.headers["location"]

    def volumes(self, member):
        answer = self.members.any("GET", "/volumes", among=[member])
        self.assertEqual(answer.status, 200)
        return answer.json()["volumes"]

    def digests(self):
        states = [self.members.status(number) for number in (1, 2, 3)]
        if not all(states) or len({state["applied_index"] for state in states}) != 1:
            return None
        return [next(item["digest"] for item in state["members"] if item["id"] == number)
                for number, state in enumerate(states, 1)]

    def wait_level(self):
        """Until the feature level, which is part of the database, is the one that all members know."""
        def raised():
            upgrade = self.members.any("GET", "/cluster/upgrade").json()
            return upgrade["feature_level"] == upgrade["all_know"]
        eventually("the level that all members know", raised)

    def follows(self, number, leader):
        status = self.members.status(number) or {}  # it may know of none yet
        return (status.get("leader") or {}).get("id") == leader

    def assert_equal_replicas(self):
        digests = eventually("all members at one index", self.digests)
        self.assertEqual(len(set(digests)), 1, digests)


class Faults(ClusterTest):
    def test_follower_serves_and_forwards(self):
        self.load_topology()
        leader = self.members.leader()
        follower = next(number for number in (1, 2, 3) if number != leader)
        done = self.members.finish(self.create("through-follower", follower), among=[follower])
        self.assertEqual(done.status, 303)
        for number in (1, 2, 3):  # linearizable: whoever is asked knows it
            answer = self.members.ask(number, "GET", done.headers["location"])
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.json()["name"], "through-follower")
            self.assertEqual(len(answer.json()["bricks"]), 3)
        self.assertEqual(self.members.ask(leader, "GET", "/cluster/leader").status, 200)
        self.assertEqual(self.members.ask(follower, "GET", "/cluster/leader").status, 503)
        self.assert_equal_replicas()

    def test_every_member_knows_version_and_digest_of_all(self):
        self.load_topology()
        self.assertEqual(self.members.finish(self.create("one")).status, 303)

        def all_told():
            """Each member's view, once all of them show all three at one index."""
            views = [self.members.status(number) for number in (1, 2, 3)]
            seen = [(item["id"], item.get("version"), item.get("digest"), item.get("digest_index"))
                    for view in views if view for item in view["members"]]
            return views if len(seen) == 9 and len({item[3] for item in seen}) == 1 and seen[0][3] else None
        for view in eventually("all members tell their digests at one index", all_told):
            self.assertEqual(view["warnings"], [])
            self.assertEqual(view["health"], "ok")
            self.assertEqual({item["version"] for item in view["members"]}, {view["version"]})
            self.assertEqual(len({item["digest"] for item in view["members"]}), 1, view["members"])
            self.assertEqual({item["digest_index"] for item in view["members"]}, {view["applied_index"]})

    def test_leader_killed(self):
        self.load_topology()
        accepted = [self.create(f"before-{number}") for number in range(5)]
        leader = self.members.leader()
        self.cluster("kill", str(leader))
        others = [number for number in (1, 2, 3) if number != leader]
        for location in accepted:  # nothing acknowledged is lost
            self.assertEqual(self.members.finish(location, among=others).status, 303)
        self.assertEqual(self.members.finish(self.create("after", among=others), among=others).status, 303)
        self.assertEqual(len(self.volumes(others[0])), 6)
        self.cluster("start", str(leader))
        for location in accepted:  # repeatable, from the returned member too
            self.assertEqual(self.members.finish(location, among=[leader]).status, 303)
        self.assert_equal_replicas()

    def test_leader_frozen(self):
        self.load_topology()
        leader = self.members.leader()
        others = [number for number in (1, 2, 3) if number != leader]
        os.kill(self.pid(leader), signal.SIGSTOP)
        successor = self.members.leader(among=others)
        self.assertEqual(self.members.finish(self.create("frozen", among=others), among=others).status, 303)
        os.kill(self.pid(leader), signal.SIGCONT)
        eventually("the thawed member follows", lambda: self.follows(leader, self.members.leader()))
        self.assertIn(successor, others)
        self.assertEqual(len(self.volumes(leader)), 1)
        self.assert_equal_replicas()

    def test_leader_cut_off(self):
        self.load_topology()
        leader = self.members.leader()
        others = [number for number in (1, 2, 3) if number != leader]
        self.hosts.cut(f"m{leader}")
        self.members.leader(among=others)
        self.assertEqual(self.members.finish(self.create("cut", among=others), among=others).status, 303)
        # Asked on its own host, the old leader must not answer for the cluster any more.
        alone = Members(self.members.urls, self.hosts.namespace(f"m{leader}"))
        self.assertFalse(alone.status(leader)["serving"])
        answer = alone.ask(leader, "GET", "/volumes")
        self.assertTrue(answer is None or answer.status == 503, answer and answer.status)
        self.hosts.heal(f"m{leader}")
        eventually("the healed member serves through the leader", lambda: len(self.volumes(leader)) == 1)
        self.assert_equal_replicas()

    def test_no_majority_no_service(self):
        self.load_topology()
        self.cluster("kill", "1")
        self.cluster("kill", "2")
        eventually("member 3 does not serve", lambda: not self.members.status(3)["serving"])
        answer = self.members.ask(3, "GET", "/volumes")
        self.assertEqual(answer.status, 503)
        self.assertIn("retry-after", answer.headers)
        self.assertEqual(self.members.ask(3, "GET", "/hello").body, "Hello from Heketi")
        self.cluster("start", "1")
        self.cluster("start", "2")
        self.assertEqual(self.members.finish(self.create("again")).status, 303)
        self.assert_equal_replicas()

    def test_restart_of_all(self):
        self.load_topology()
        done = [self.members.finish(self.create(f"v{number}")) for number in range(40)]  # past a snapshot
        for number in (1, 2, 3):
            self.cluster("kill", str(number))
        for number in (1, 2, 3):
            self.cluster("start", str(number))
        self.members.leader()
        for answer in done:
            found = self.members.any("GET", answer.headers["location"])
            self.assertEqual(found.status, 200)
        self.assert_equal_replicas()
        self.assertGreater(self.members.status(1)["snapshot_index"], 0)

    def test_graceful_restart_of_each(self):
        self.load_topology()
        for number in (1, 2, 3):
            self.cluster("stop", str(number))
            others = [other for other in (1, 2, 3) if other != number]
            self.assertEqual(self.members.finish(self.create(f"g{number}", among=others), among=others).status, 303)
            self.cluster("start", str(number))
        self.assertEqual(len(self.volumes(1)), 3)
        self.assert_equal_replicas()

    def test_wiped_disk_is_refused(self):
        self.load_topology()
        victim = next(number for number in (1, 2, 3) if number != self.members.leader())
        self.cluster("kill", str(victim))
        shutil.rmtree(os.path.join(self.directory, f"data-{victim}"))
        self.cluster("start", str(victim), check=False)
        others = [number for number in (1, 2, 3) if number != victim]
        self.assertEqual(self.members.finish(self.create("without", among=others), among=others).status, 303)

        def refused():
            state = self.members.status(victim)
            if state:
                self.assertFalse(state["serving"])
                self.assertEqual(state["counts"]["volumes"], 0)
            with open(os.path.join(self.directory, f"member-{victim}.log"), encoding="utf-8") as file:
                return "replace" in file.read()
        eventually("the wiped member says that it must be replaced", refused)

    def test_garbage_on_the_ports(self):
        self.load_topology()
        self.wait_level()
        before = eventually("all members at one index", self.digests)
        for number in (1, 2, 3):
            host = self.hosts.address(f"m{number}")
            for port in (8080, 8090):
                script = (f"import socket,os\ns=socket.create_connection(('{host}',{port}),2)\n"
                          "s.settimeout(2)\n"
                          "try:\n s.sendall(os.urandom(4096)+b'\\r\\n\\r\\n')\n s.recv(100)\nexcept OSError:\n pass\n")
                subprocess.run(["ip", "netns", "exec", self.hosts.namespace("c1"), sys.executable, "-c", script],
                               check=True)
        self.assertEqual(eventually("all members at one index", self.digests), before)
        self.assertEqual(self.members.finish(self.create("unharmed")).status, 303)


class SlowBricks(ClusterTest):
    faults = ({"step": "brick-create", "delay_ms": 300},)

    def test_leader_killed_inside_a_create(self):
        self.load_topology()
        location = self.create("unfinished")
        leader = self.members.leader()
        eventually("a brick is being made", lambda: any(
            step["step"] == "brick-create" and step["state"] == "running"
            for operation in self.members.status(leader)["operations"] for step in operation["steps"]))
        self.cluster("kill", str(leader))
        others = [number for number in (1, 2, 3) if number != leader]
        self.assertEqual(self.members.finish(location, among=others).status, 303)
        self.assertEqual(len(self.volumes(others[0])), 1)

    def test_kills_under_load(self):
        self.load_topology()
        accepted, stop, lock = [], threading.Event(), threading.Lock()

        def client(number):
            count = 0
            while not stop.is_set():
                answer = self.members.ask(1 + (number + count) % 3, "POST", "/volumes", {
                    "size": 1, "name": f"load-{number}-{count}",
                    "durability": {"type": "replicate", "replicate": {"replica": 3}}})
                count += 1
                if answer and answer.status == 202:
                    with lock:
                        accepted.append(answer.headers["location"])
                    self.members.finish(answer.headers["location"])  # as many as there can be would fill the devices

        threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            for round_number in range(3):
                want = len(accepted) + 10
                eventually(f"ten more accepted in round {round_number}", lambda want=want: len(accepted) >= want)
                leader = self.members.leader()
                self.cluster("kill", str(leader))
                self.cluster("start", str(leader))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for location in accepted:
            self.assertEqual(self.members.finish(location).status, 303)
        volumes = eventually("volumes", lambda: self.volumes(self.members.leader()))
        self.assertGreaterEqual(len(volumes), len(accepted))
        self.assert_equal_replicas()
        print(f"accepted {len(accepted)}, lost 0", file=sys.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
