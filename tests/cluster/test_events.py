#!/usr/bin/env python3
"""GET /events of real members: who comes back to another one with the id of the last event misses nothing.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually, token  # noqa: E402
from test_cluster import NODES, ClusterTest  # noqa: E402


class Listener:
    """curl on GET /events of one member; what it has heard so far is in a file."""

    def __init__(self, test, member, last_id=None):
        self.path = os.path.join(test.folder, f"events-{member}-{last_id}")
        command = ["ip", "netns", "exec", test.hosts.namespace("c1"), "curl", "-s", "-N", "-H",
                   f"Authorization: bearer {token('GET', '/events')}", f"{test.members.urls[member]}/events"]
        if last_id is not None:
            command += ["-H", f"Last-Event-ID: {last_id}"]
        with open(self.path, "wb") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file)  # pylint: disable=R1732
        test.addCleanup(self.process.wait)
        test.addCleanup(self.process.kill)
        eventually("the stream begins", lambda: any(event["event"] == "hello" for event in self.events()))

    def events(self):
        """[{"event", "id" (or None), "data"}], those that are there as a whole."""
        found = []
        with open(self.path, encoding="utf-8") as file:
            for block in file.read().split("\n\n")[:-1]:
                fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if "event" in fields:
                    found.append({"event": fields["event"], "id": int(fields["id"]) if "id" in fields else None,
                                  "data": json.loads(fields["data"])})
        return found

    def logged(self):
        """What is in the log, which all members tell alike."""
        return [(event["id"], event["event"], json.dumps(event["data"], sort_keys=True)) for event in self.events()
                if event["id"] is not None and event["event"] != "hello"]

    def states(self, kind):
        return [event["data"]["state"] for event in self.events()
                if event["event"] == "operation" and event["data"]["type"] == kind]


class EventsTest(ClusterTest):
    def test_all_members_tell_the_same(self):
        listeners = [Listener(self, number) for number in (1, 2, 3)]
        self.load_topology()
        self.assertEqual(self.members.finish(self.create("seen")).status, 303)
        for listener in listeners:
            eventually("the end of the create", lambda listener=listener: "done" in listener.states("create-volume"))
            self.assertEqual(listener.states("create-volume"), ["begun", "done"])
        eventually("all have told the same", lambda: len({str(listener.logged()) for listener in listeners}) == 1)
        self.assertEqual(sum(event[1] == "changed" for event in listeners[0].logged()), 1, "the cluster was created")

    def test_another_member_goes_on_where_one_died(self):
        whole = Listener(self, self.members.leader())
        victim = next(number for number in (1, 2, 3) if number != self.members.leader())
        first = Listener(self, victim)
        self.load_topology()
        self.cluster("kill", str(victim))
        first.process.wait()
        missed = self.create("while-nobody-listens")
        self.assertEqual(self.members.finish(missed, among=[n for n in (1, 2, 3) if n != victim]).status, 303)
        third = next(number for number in (1, 2, 3) if number not in (victim, self.members.leader()))
        second = Listener(self, third, last_id=max(event["id"] for event in first.events() if event["id"] is not None))
        eventually("what was missed", lambda: "done" in second.states("create-volume"))
        eventually("nothing is missing and nothing comes twice", lambda: first.logged() + second.logged() == whole.logged())

    def test_the_new_leader_is_told(self):
        leader = self.members.leader()
        other = next(number for number in (1, 2, 3) if number != leader)
        listener = Listener(self, other)
        self.cluster("kill", str(leader))
        successor = self.members.leader(among=[number for number in (1, 2, 3) if number != leader])
        eventually("the new leader is told", lambda: any(
            event["event"] == "leader" and event["data"]["leader"] == successor for event in listener.events()))
        self.cluster("start", str(leader))


class LogTest(ClusterTest):
    log_format = "json"

    def test_a_line_is_an_object(self):
        """Who follows an operation by its id finds its begin, its steps and its end, with host and term."""
        self.load_topology()
        location = self.create("logged")
        self.assertEqual(self.members.finish(location).status, 303)
        leader = self.members.leader()
        lines = []
        for number in (1, 2, 3):
            with open(os.path.join(self.directory, f"member-{number}.log"), encoding="utf-8") as file:
                text = [line for line in file.read().splitlines() if not line.startswith("Listening on port ")]
            entries = [json.loads(line) for line in text]
            self.assertTrue(all({"time", "level", "component", "message"} <= entry.keys() for entry in entries))
            lines += entries if number == leader else []
        about = [entry for entry in lines if entry.get("operation") == location.rsplit("/", 1)[1]]
        self.assertEqual((about[0]["message"], about[-1]["message"]), ("begins", "done"))
        steps = [entry for entry in about if entry["message"] == "step done"]
        self.assertEqual({entry["host"] for entry in steps if entry["step"] == "brick-create"}, set(NODES))
        self.assertEqual({type(entry["term"]) for entry in about}, {int})


if __name__ == "__main__":
    unittest.main(verbosity=2)
