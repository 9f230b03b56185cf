#!/usr/bin/env python3
"""Faults under load, seen by clients that know the virtual address only: no answer contradicts another, nothing that was
accepted is lost, and the address has one holder. Prints how long the clients went without an answer.

Needs root. HECATED names the daemon (default build/release/hecated); HECATE_ROUNDS how often each fault is made (2).
"""

import json
import os
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# pylint: disable=wrong-import-position
from client import eventually, request  # noqa: E402
from history import History, longest_gap, longest_overlap  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402

ADDRESS = "198.18.1.200"
URL = f"http://{ADDRESS}:8080"
ROUNDS = int(os.environ.get("HECATE_ROUNDS", "2"))
OVERLAP_S = 1.1 + 0.15  # of a host that is frozen (design 9), and what looking takes
ALL = (1, 2, 3)


class Load:
    """The clients and the watcher of the address; events() ends them."""

    def __init__(self, test):
        self.folder, hosts = test.folder, test.hosts
        self.files = [os.path.join(self.folder, name) for name in ("workload.jsonl", "holders.jsonl")]
        members = [item for number, url in test.members.urls.items() for item in ("--member", f"{number}={url}")]
        self.programs = [self._start(test, *command) for command in (
            ("ip", "netns", "exec", hosts.namespace("c1"), os.path.join(HERE, "workload.py"), "--address", URL, "--out",
             self.files[0], *members),
            (os.path.join(HERE, "holders.py"), "--address", ADDRESS, "--out", self.files[1],
             *(hosts.namespace(f"m{number}") for number in ALL)))]
        self.ended = None

    def _start(self, test, *command):
        # pylint: disable=consider-using-with
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        test.addCleanup(self._stop, program)
        assert program.stdout.readline() == "ready\n", command
        return program

    @staticmethod
    def _stop(program):
        program.kill()
        program.wait()
        program.stdout.close()

    def events(self):
        for program in self.programs:
            program.stdin.close()
        for program in self.programs:
            assert program.wait(300) == 0, program.args
        found = []
        for name in self.files:
            with open(name, encoding="utf-8") as file:
                found += [json.loads(line) for line in file]
        return found


class FaultsTestBase(ClusterTest):
    cluster_section = {"snapshot_entries": 256, "virtual_ips": [f"{ADDRESS}%eth0"]}

    def setUp(self):
        super().setUp()
        self.load_topology()
        self.load = Load(self)
        self.rounds = []

    # ---- states that are waited for ----

    def healthy(self):
        """One leader, followed by all, everything that it has committed applied by all, and each connected to each: a
        fault that comes sooner is a second one beside the first."""
        def probe():
            states = [self.members.status(number) for number in ALL]
            if not all(states) or [state["serving"] for state in states].count(True) != 1:
                return None
            leader = next(number for number, state in zip(ALL, states) if state["serving"])
            newest = max(state["commit_index"] for state in states)
            same = all((state["leader"] or {}).get("id") == leader and newest - state["applied_index"] < 64
                       and all(member["connected"] for member in state["members"]) for state in states)
            return leader if same and self.answers() else None
        return eventually("three members agree", probe)

    def answers(self):
        answer = request(URL, "GET", "/clusters", namespace=self.hosts.namespace("c1"), timeout_s=1)
        return answer is not None and answer.status == 200

    def shown(self):
        """The volumes that the address shows; none while it does not answer."""
        answer = request(URL, "GET", "/volumes", namespace=self.hosts.namespace("c1"), timeout_s=1)
        return set(answer.json()["volumes"]) if answer is not None and answer.status == 200 else set()

    def others(self, leader):
        return [number for number in ALL if number != leader]

    # ---- one fault, again and again ----

    def play(self, name, fault, heal):
        """fault(leader) and heal(leader), HECATE_ROUNDS times."""
        for _ in range(ROUNDS):
            leader, shown = self.healthy(), self.shown()
            begin = time.monotonic()
            try:
                fault(leader)
                hurt = time.monotonic()
                self.members.leader(among=self.others(leader))
                eventually("the address answers", self.answers)
                end = time.monotonic()
                self.rounds.append({"begin": begin, "hurt": hurt, "end": end, "leader": leader})
                eventually("the writers go on", lambda before=shown: self.shown() - before)
            finally:
                heal(leader)
        self.healthy()
        self.judge(name)

    def judge(self, name):
        events = self.load.events()
        problems = History(events).check()
        self.assertEqual(problems, [], "\n".join(problems[:10]))
        overlap = longest_overlap(events)
        self.assertLess(overlap, OVERLAP_S, "two hosts held the address")
        accepted = [event for event in events if event["op"] == "create" and event["status"] == 202]
        self.assertGreater(len(accepted), len(self.rounds))
        self.print_figures(name, events, len(accepted), overlap)

    def print_figures(self, name, events, accepted, overlap):
        probes = [event for event in events if event["op"] == "probe"]
        holders = [event for event in events if event["op"] == "holders"]
        gaps = sorted(longest_gap(probes, item["begin"], item["end"]) for item in self.rounds)
        gone = sorted(self.gone(holders, item) for item in self.rounds)
        failed = sum(any(item["begin"] <= probe["start"] <= item["end"] for item in self.rounds)
                     for probe in probes if probe["status"] != 200)

        def figures(values):
            if not values:
                return "-"
            at = [values[min(len(values) - 1, int(len(values) * part))] for part in (0.5, 0.99)] + values[-1:]
            return "p50 {:.3f} p99 {:.3f} max {:.3f} s".format(*at)
        print(f"\n{name}: {len(gaps)} rounds; without an answer: {figures(gaps)}; address gone from the old host after "
              f"{figures(gone)}; held twice for {overlap:.3f} s; {failed} of {len(probes)} probes failed; "
              f"{accepted} creates, {len(events)} events", flush=True)

    @staticmethod
    def gone(holders, item):
        """From the fault to the last moment at which the old leader's host had the address."""
        seen = [min(event["end"], item["end"]) for event in holders
                if item["leader"] in event["hosts"] and event["start"] < item["end"] and event["end"] > item["begin"]]
        return max(0.0, max(seen, default=0.0) - item["hurt"])

    def signal_daemon(self, number, what):
        try:
            os.kill(self.pid(number), what)
        except ProcessLookupError:
            pass

    def only_link(self, number, *rules):
        """Rules of nftables on a member's host: what it drops; none: nothing."""
        text = "table inet faults\ndelete table inet faults\n"
        if rules:
            chains = "".join(f"chain {hook} {{ type filter hook {hook} priority 0; {rule} drop; }}\n"
                             for hook, rule in rules)
            text += f"table inet faults {{ {chains} }}\n"
        subprocess.run(["ip", "netns", "exec", self.hosts.namespace(f"m{number}"), "nft", "-f", "-"], input=text, text=True,
                       check=True)

    def peers(self, number, side):
        return f"ip {side} {{ " + ", ".join(self.hosts.address(f"m{other}") for other in self.others(number)) + " }"


class FaultsTest(FaultsTestBase):
    def test_killed(self):
        self.play("leader killed", lambda leader: self.cluster("kill", str(leader)),
                  lambda leader: self.cluster("start", str(leader)))

    def test_stopped(self):
        self.play("leader stopped (SIGTERM)", lambda leader: self.cluster("stop", str(leader)),
                  lambda leader: self.cluster("start", str(leader)))

    def test_frozen(self):
        self.play("daemon frozen", lambda leader: self.signal_daemon(leader, signal.SIGSTOP),
                  lambda leader: self.signal_daemon(leader, signal.SIGCONT))

    def test_cut_off(self):
        self.play("leader's link cut", lambda leader: self.hosts.cut(f"m{leader}"),
                  lambda leader: self.hosts.heal(f"m{leader}"))

    def test_cut_off_one_way_out(self):
        """Nothing of the leader arrives, it hears the others."""
        self.play("leader's link cut outwards",
                  lambda leader: self.only_link(leader, ("output", "oifname eth0")), self.only_link)

    def test_cut_off_one_way_in(self):
        """The others hear the leader; it tells them that it has given up, by ending its connections."""
        before = {}

        def fault(leader):
            before[leader] = len(self.log(leader))
            self.only_link(leader, ("input", "iifname eth0"))

        def heal(leader):
            try:  # well before the kernel ends them, which is 5 s after the last acknowledgement
                eventually("the leader has ended its connections", lambda: self.log(leader)[before[leader]:].count(
                    " disconnected member=") == 2, deadline_s=3)
            finally:
                self.only_link(leader)
        self.play("leader's link cut inwards", fault, heal)

    def test_partition(self):
        """1|2 among the members; the clients reach all."""
        self.play("leader on the smaller side",
                  lambda leader: self.only_link(leader, ("output", self.peers(leader, "daddr")),
                                                ("input", self.peers(leader, "saddr"))), self.only_link)

    def test_host_frozen(self):
        """Daemon and keeper: the kernel takes the address away."""
        def every(leader, what):
            with open(f"/proc/{self.pid(leader)}/task/{self.pid(leader)}/children", encoding="ascii") as file:
                keepers = [int(word) for word in file.read().split()]
            self.signal_daemon(leader, what)
            for keeper in keepers:
                os.kill(keeper, what)
        self.play("host frozen", lambda leader: every(leader, signal.SIGSTOP), lambda leader: every(leader, signal.SIGCONT))

    def test_majority_lost_and_back(self):
        for _ in range(ROUNDS):
            leader, begin = self.healthy(), time.monotonic()
            for number in self.others(leader):
                self.cluster("kill", str(number))
            hurt = time.monotonic()
            eventually("nobody answers", lambda: not self.answers())
            for number in self.others(leader):
                self.cluster("start", str(number))
            self.healthy()
            self.rounds.append({"begin": begin, "hurt": hurt, "end": time.monotonic(), "leader": leader})
        self.judge("two of three killed and started")

    def test_all_killed_at_once(self):
        for _ in range(ROUNDS):
            leader, begin = self.healthy(), time.monotonic()
            for number in ALL:
                self.signal_daemon(number, signal.SIGKILL)
            for number in ALL:
                self.cluster("kill", str(number))  # waits for its end
            hurt = time.monotonic()
            for number in ALL:
                self.cluster("start", str(number))
            self.healthy()
            self.rounds.append({"begin": begin, "hurt": hurt, "end": time.monotonic(), "leader": leader})
        self.judge("all killed and started")


if __name__ == "__main__":
    unittest.main(verbosity=2)
