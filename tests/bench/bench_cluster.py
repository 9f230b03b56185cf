"""The cluster that is measured: scripts/cluster, its processes, requests to it, the load client."""

import base64
import hashlib
import hmac
import http.client
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOAD = os.path.join(ROOT, "build", "release", "bench-load")
CLIENT = os.path.join(ROOT, "build", "release", "hecate")
KEY = "admin-secret"
NODES = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
CONFIG = {
    "jwt": {"admin": {"key": KEY}, "user": {"key": "user-secret"}},
    # Large devices: a database of many volumes is made on a few of them.
    "glusterfs": {"executor": "mock", "loglevel": "warning", "max_volumes_per_cluster": -1,
                  "mock": {"device_size_gb": 100000}},
}


class Unmeasured(Exception):
    """A part could not be measured, and why."""


def script_cluster():
    """scripts/cluster as a module."""
    loader = importlib.machinery.SourceFileLoader("script_cluster", os.path.join(ROOT, "scripts", "cluster"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(method, path):
    now = int(time.time())
    claims = {"iss": "admin", "iat": now, "exp": now + 300,
              "qsh": hashlib.sha256(f"{method}&{path}".encode()).hexdigest()}
    signed = _part(b'{"alg":"HS256","typ":"JWT"}') + b"." + _part(json.dumps(claims).encode())
    return (signed + b"." + _part(hmac.new(KEY.encode(), signed, hashlib.sha256).digest())).decode()


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class BenchCluster:
    def __init__(self, folder):
        self.folder = os.path.join(folder, "cluster")
        self.config = os.path.join(folder, "heketi.json")
        self.deadline = 0.0
        self.urls = {}
        self.write_rate = 0.0
        self.running = []  # members that were started here

    # ---- processes ----

    def script(self, *words, limit_s=60):
        try:
            done = subprocess.run([os.path.join(ROOT, "scripts", "cluster"), *words, "--dir", self.folder],
                                  capture_output=True, text=True, check=False, timeout=limit_s)
        except subprocess.TimeoutExpired as late:
            raise Unmeasured(f"scripts/cluster {words[0]} did not end within {limit_s} s") from late
        if done.returncode != 0:
            raise Unmeasured(f"scripts/cluster {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    @staticmethod
    def settings():
        return CONFIG

    def up(self):
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(self.settings(), file)
        for line in self.script("up", "--config", self.config).splitlines():
            words = line.split()
            self.urls[int(words[1])] = words[2]
        self.load_topology()

    def down(self):
        try:
            self.script("down")
        except Unmeasured as reason:
            print(f"bench: warning: {reason}")

    def recover(self):
        """After a part that failed: all members run and serve again, for the next one."""
        for number, member in self.members().items():
            if not os.path.exists(f"/proc/{member['pid']}"):
                self.start(number)

    def members(self):
        with open(os.path.join(self.folder, "cluster.json"), encoding="utf-8") as file:
            return {int(number): member for number, member in json.load(file)["members"].items()}

    def pids(self):
        return {number: member["pid"] for number, member in self.members().items()}

    def data_dir(self, number=1):
        return self.members()[number]["data"]

    def kill(self, number):
        self.script("kill", str(number))

    def start(self, number):
        self.script("start", str(number))

    def start_only(self, number):
        """Starts a member without waiting for it."""
        self.running.append(script_cluster().Cluster(self.folder).start(number))

    # ---- requests ----

    def ask(self, method, path, body=None, member=None, limit_s=15):
        """(status, headers, body) of one member, or of the first that answers other than 503."""
        for number in [member] if member else sorted(self.urls):
            host = self.urls[number].split("//")[1]
            connection = http.client.HTTPConnection(host, timeout=limit_s)
            try:
                connection.request(method, path, json.dumps(body) if body is not None else None,
                                   {"Authorization": "bearer " + token(method, path)})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 503 or member:
                    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
            except OSError:
                pass
            finally:
                connection.close()
        return 0, {}, b""

    def client(self, member, *words):
        """Runs the command line client; its success."""
        done = subprocess.run([CLIENT, "--server", self.urls[member], "--user", "admin", "--secret", KEY, *words],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=60)
        return done.returncode == 0

    def wait(self, what, probe):
        """Calls probe until it returns something true, at most until the deadline of the part."""
        while True:
            result = probe()
            if result:
                return result
            if time.monotonic() > self.deadline:
                raise Unmeasured(f"not in time: {what}")
            time.sleep(0.002)

    def do(self, method, path, body):
        """A request with a job, to its end."""
        status, headers, text = self.ask(method, path, body)
        if status != 202:
            raise Unmeasured(f"{method} {path}: {status} {text[:200]!r}")
        queue = headers["location"]

        def ended():
            answer = self.ask("GET", queue)
            return answer if answer[0] and answer[1].get("x-pending") != "true" else None
        self.deadline = max(self.deadline, time.monotonic() + 30)
        return self.wait(f"the end of {queue}", ended)

    def load_topology(self):
        cluster = json.loads(self.ask("POST", "/clusters", {"file": True, "block": True})[2])["id"]
        for zone, node in enumerate(NODES, 1):
            done = self.do("POST", "/nodes", {"zone": zone, "cluster": cluster,
                                              "hostnames": {"manage": [node], "storage": [node]}})
            node_id = done[1]["location"].rsplit("/", 1)[1]
            for device in ("/dev/sdb", "/dev/sdc"):
                self.do("POST", "/devices", {"name": device, "node": node_id})

    def status(self, member):
        status, _, text = self.ask("GET", "/cluster/status", member=member, limit_s=2)
        return json.loads(text) if status == 200 else None

    def leader(self):
        def probe():
            for number in self.urls:
                state = self.status(number)
                if state and state["serving"]:
                    return number
            return None
        return self.wait("a serving leader", probe)

    def healthy(self):
        """All members run, know one leader and have applied what it has."""
        states = [self.status(number) for number in self.urls]
        leaders = {(state or {}).get("leader") and state["leader"]["id"] for state in states}
        return (all(states) and len(leaders) == 1 and any(state["serving"] for state in states)
                and len({state["applied_index"] for state in states}) == 1)

    # ---- the load client ----

    def load(self, mode, *options, members=None, limit_s=None):
        left_s = self.deadline - time.monotonic() if limit_s is None else limit_s
        command = self.load_command(mode, "--seconds", str(max(left_s, 1)), *options, members=members)
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              timeout=max(left_s, 1) + 30)
        if done.returncode != 0:
            raise Unmeasured(f"bench-load {mode}: {done.stderr.strip()[:500]}")
        return json.loads(done.stdout)

    def load_command(self, mode, *options, members=None):
        command = [LOAD, mode, "--key", KEY]
        for number in members or sorted(self.urls):
            command += ["--url", self.urls[number]]
        return command + list(options)
