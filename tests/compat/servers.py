"""Servers for a replay: a cluster of three on loopback with the mock executor, set up as a recording says."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from judge.renaming import Mismatch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER = os.path.join(ROOT, "scripts", "cluster")
WAIT_S = 20

# The steps of ours that run a command of the reference: a fault of the command is one of these steps. None: what has no
# effect that can be compared.
STEPS = {
    "volume create": ["volume-create"],
    "volume add-brick": ["volume-expand"],
    "snapshot create": ["volume-clone"],
    "volume heal": ["heal-check"],
    "replace-brick": ["brick-replace"],
    "volume stop": [],  # the pretended nodes of the recordings delete a volume that runs; real ones do not
    "volume delete": ["volume-delete"],
    "snapshot list": [],
    "gluster-block create": ["block-create"],
    "gluster-block delete": ["block-delete"],
    "gluster-block modify": ["block-expand"],
    "lvcreate": ["brick-create"],
    "umount|^mount$": ["brick-destroy"],
    "pvcreate": ["device-setup"],
    "vgdisplay": ["device-setup", "device-look"],
    "vgremove": ["device-teardown"],
    "systemctl status glusterd": ["glusterd-check"],
    "peer probe": ["peer-probe"],
    "peer detach": ["peer-detach"],
}


class Failure(Exception):
    """The servers could not be started."""


def orders(fault):
    """A fault of a recording as orders to the mock executor (daemon/executor/mock_orders.h)."""
    if fault["command"] not in STEPS:
        raise Mismatch("control", fault["command"], "no step of ours is known for this command")
    order = {name: fault[name] for name in ("host", "times") if name in fault}
    if "delay" in fault:
        order["delay_ms"] = int(fault["delay"] * 1000)
    if "fail" in fault:
        # What fails for good is said at once; what fails a few times only is tried again.
        order.update(fail=fault["fail"].strip(), permanent="times" not in fault)
    return [dict(order, step=step) for step in STEPS[fault["command"]]]


class Servers:
    """A cluster whose data is in the folder; it goes on when this object is forgotten.
    member: "leader" or "follower", which of them is asked."""

    def __init__(self, folder, member="leader"):
        self.folder, self.member = folder, member
        self.faults_file = os.path.join(folder, "faults.json")
        self.state_file = os.path.join(folder, "compat.json")

    def cluster(self, *arguments, env=None):
        done = subprocess.run([CLUSTER, *arguments, "--dir", self.folder], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        if done.returncode != 0:
            raise Failure(f"scripts/cluster {arguments[0]} failed:\n{done.stdout}")
        return done.stdout

    def start(self, header):
        """Fresh and empty servers; the URL of one."""
        server = header["server"]
        config = {
            "port": "8080",
            "jwt": {"admin": {"key": "admin-secret"}, "user": {"key": "user-secret"}},
            **server.get("top", {}),
            "glusterfs": {**server.get("config", {}), "executor": "mock", "mock": {"faults_file": self.faults_file}},
        }
        if "nodes" in server:  # recorded with nodes that know what they have
            config["glusterfs"]["mock"]["devices_once"] = True
        self.stop()
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(config, file)
            file.flush()
            arguments = ["up", "--config", file.name] + ([] if server.get("auth") else ["--disable-auth"])
            output = self.cluster(*arguments, env=server.get("env"))
        self.write(self.state_file, {"faults": server.get("faults", {}), "on": [], "env": server.get("env", {})})
        return self.choose(re.findall(r"^member \d+ (http\S+)", output, re.MULTILINE))

    def stop(self):
        if os.path.exists(self.folder):
            self.cluster("down")

    def control(self, control):
        """Carries out a control line of a recording."""
        action = control["action"]
        if action == "restart":
            with open(self.state_file, encoding="utf-8") as file:
                env = json.load(file)["env"]
            for verb in ("kill", "start"):
                for number in "123":
                    self.cluster(verb, number, env=env)
        elif action == "reset-mode":
            self.reset_mode()
        elif action in ("fault-on", "fault-off"):
            self.switch(control["fault"], action == "fault-on")
        elif action == "wait":
            time.sleep(control["seconds"])
        else:
            raise Mismatch("control", action, "not known")

    def reset_mode(self):
        """By one member, which may not lead; it is done when every member says so."""
        status = self.cluster("status")
        os.kill(int(re.search(r"^member 2 .*pid (\d+)", status, re.MULTILINE).group(1)), signal.SIGUSR2)
        members = re.findall(r"^member \d+ (http\S+)", status, re.MULTILINE)
        deadline = time.monotonic() + WAIT_S
        while not all(mode(url) == "normal" for url in members):
            if time.monotonic() > deadline:
                raise Failure("maintenance mode is not reset")
            time.sleep(0.02)

    def switch(self, name, on):
        """The executor looks at the file before each step: what is written now holds for the next one."""
        with open(self.state_file, encoding="utf-8") as file:
            state = json.load(file)
        state["on"] = [item for item in state["on"] if item != name] + ([name] if on else [])
        self.write(self.faults_file, [order for item in state["on"] for order in orders(state["faults"][item])])
        self.write(self.state_file, state)

    @staticmethod
    def write(path, document):
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.replace(path + ".new", path)

    def choose(self, members):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            leading = [url for url in members if leads(url)]
            if leading:
                return next((url for url in members if url not in leading), None) if self.member == "follower" else leading[0]
            time.sleep(0.05)
        raise Failure("no member leads")


def leads(url):
    try:
        with urllib.request.urlopen(url + "/cluster/leader", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def mode(url):
    try:
        with urllib.request.urlopen(url + "/admin", timeout=5) as answer:
            return json.load(answer)["state"]
    except (urllib.error.URLError, OSError):
        return None
