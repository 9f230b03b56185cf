#!/usr/bin/env python3
"""Tests of the judge: what is the same under other names passes, every other change is found."""

import copy
import json
import os
import random
import sys
import unittest
import urllib.parse

sys.dont_write_bytecode = True
import known  # noqa: E402
from judge.client import Client  # noqa: E402
from judge.renaming import ID, Mismatch, Renaming  # noqa: E402
from judge.replay import Replay  # noqa: E402
from judge.volatile import ASCENDING, Volatile, check_order, metrics, parse  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
W, X, Y, Z = ("1" * 32, "2" * 32, "3" * 32, "4" * 32)
HEADER = {"server": {}}


def recordings():
    folder = os.path.join(HERE, "recordings")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".jsonl"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                header, *lines = (json.loads(line) for line in file)
            yield name.removesuffix(".jsonl"), header, lines


class Answer:
    def __init__(self, status, headers, body, empty):
        self.status, self.headers, self.body, self.empty = status, headers, body, empty


class Server:
    """Gives recorded answers under ids of its own."""

    def __init__(self):
        self.names = {}
        self.random = random.Random(1)

    def know(self, text):
        """Ids that a request names first stand for themselves."""
        for name in ID.findall(text):
            self.names.setdefault(name, name)

    def rename(self, text):
        return ID.sub(lambda m: self.names.setdefault(m.group(), f"{self.random.getrandbits(128):032x}"), text)

    def ascend(self, value, name=""):
        if isinstance(value, dict):
            return {key: self.ascend(item, key) for key, item in value.items()}
        if isinstance(value, list):
            value = [self.ascend(item) for item in value]
            if name in ASCENDING:
                value.sort(key=lambda item: item if isinstance(item, str) else str(item.get("id") or item.get("Id")))
        return value

    def answer(self, recorded, change=None):
        body = self.rename(recorded.get("body") or "")
        if recorded["headers"].get("Content-Type", "").startswith("application/json") and body:
            document = self.ascend(json.loads(body))
            if change is not None:
                document = change(document)
            body = json.dumps(document) + "\n" * body.endswith("\n")
        headers = {name: self.rename(value) for name, value in recorded["headers"].items()}
        return Answer(recorded["status"], headers, body, recorded.get("body_empty", not body))


def numbers(value, path=()):
    """Where the numbers of a document are."""
    if isinstance(value, bool):
        return []
    if isinstance(value, (int, float)):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [place for key, item in items for place in numbers(item, path + (key,))]


def ids(value, path=()):
    if isinstance(value, str):
        return [path] if ID.fullmatch(value) else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [place for key, item in items for place in ids(item, path + (key,))]


def replaced(document, place, fn):
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = fn(inner[place[-1]])
    return document


class Recordings(unittest.TestCase):
    """The recordings against a server that gives the same answers under other ids."""

    def replay(self, spoil):
        """spoil: makes a wrong document of a right one (None: leaves it); how many answers were spoilt."""
        spoilt = 0
        for name, header, lines in recordings():
            if header.get("kind") == "cli":
                continue
            server, judge = Server(), Replay(header, "", None)
            for line in (line for line in lines if "control" not in line):
                for text in (urllib.parse.unquote(line["path"]), line["request_body"] or ""):
                    server.know(text)
                    judge.ids.translate(text)
                for recorded in [line] * ("poll" not in line) + ([line["final"]] if "final" in line else []):
                    with self.subTest(name=name, step=line["step"]):
                        spoilt += self.judge(header, judge, server, recorded, spoil)
        return spoilt

    def judge(self, header, judge, server, recorded, spoil):
        found = []

        def change(document):
            free = recorded.get("defect") or header.get("mock_specific") or header.get("placement") == "random"
            bad = None if free else spoil(document)
            found.append(bad is not None)
            return document if bad is None else bad

        if spoil is not None:
            answer = server.answer(recorded, change)
            if any(found):
                with self.assertRaises(Mismatch):
                    copy.deepcopy(judge).compare(recorded, answer)
        judge.compare(recorded, server.answer(recorded))
        return any(found)

    def test_other_ids_are_equal(self):
        self.replay(None)

    def test_changed_number_is_found(self):
        chance = random.Random(2)

        def spoil(document):
            places = [] if chance.random() > 0.05 else [
                place for place in numbers(document) if place[-1] != "Timestamp" and "storage" not in place]
            return replaced(document, chance.choice(places), lambda number: number + 1) if places else None

        self.assertGreater(self.replay(spoil), 20)

    def test_foreign_id_is_found(self):
        """An id that stands twice in an answer, but is another one in one of the places."""
        chance = random.Random(3)

        def spoil(document):
            if chance.random() > 0.05:
                return None
            text = json.dumps(document)
            places = [] if "_id" in text else [place for place in ids(document) if text.count(self.at(document, place)) > 1
                                               and place[-1] not in ("device", "node") and "bricks" not in place]
            return replaced(document, chance.choice(places), lambda _: "f" * 32) if places else None

        self.assertGreater(self.replay(spoil), 20)

    @staticmethod
    def at(document, place):
        for key in place:
            document = document[key]
        return document


class Names(unittest.TestCase):
    def setUp(self):
        self.ids = Renaming()

    def same(self, recorded, own):
        self.ids.match(recorded, own)

    def differs(self, recorded, own):
        with self.assertRaises(Mismatch):
            self.ids.match(recorded, own)

    def test_both_ways(self):
        self.same({"id": A, "other": B}, {"id": W, "other": X})
        self.differs({"id": A}, {"id": X})
        self.differs({"id": C}, {"id": W})

    def test_within_text(self):
        self.same(f"/nodes/{A}", f"/nodes/{W}")
        self.differs(f"brick_{A}", f"brick_{X}")
        self.differs(f"/nodes/{A}", f"/devices/{W}")

    def test_order_of_ids_is_free_but_not_of_others(self):
        self.same({"l": [{"id": A, "n": 1}, {"id": B, "n": 2}]}, {"l": [{"id": W, "n": 2}, {"id": X, "n": 1}]})
        self.assertEqual(self.ids.translate(A), X)
        self.differs({"l": [1, 2]}, {"l": [2, 1]})

    def test_alike_elements_wait_until_told(self):
        self.same({"l": [A, B]}, {"l": [W, X]})
        self.same({"id": A, "name": "first"}, {"id": X, "name": "first"})
        self.assertEqual(self.ids.translate(B), W)

    def test_what_waits_is_kept(self):
        """Bricks that look alike on devices that look alike: a choice binds the device as well."""
        self.same({"l": [{"id": A, "on": C}, {"id": B, "on": D}]}, {"l": [{"id": W, "on": Y}, {"id": X, "on": Z}]})
        chosen = self.ids.translate(A)
        self.assertEqual(self.ids.translate(C), {W: Y, X: Z}[chosen])
        self.differs({"id": B, "on": D}, {"id": B, "on": self.ids.translate(C)})

    def test_later_contradiction(self):
        self.same({"l": [A, B]}, {"l": [W, X]})
        self.differs({"id": A}, {"id": Y})

    def test_unknown_id_of_a_request_stands_for_itself(self):
        self.assertEqual(self.ids.translate(f"/volumes/{A}"), f"/volumes/{A}")
        self.differs({"id": A}, {"id": W})

    def test_learns_from_an_answer_that_differs(self):
        self.differs({"id": A, "size": 1, "node": B}, {"id": W, "size": 2, "node": X})
        self.assertEqual(self.ids.translate(f"{A} {B}"), f"{W} {X}")

    def test_kinds(self):
        for recorded, own in ((1, True), (0, False), (None, 0), ("1", 1), ([], {}), ({}, None), ([1], [1, 1]), ("", None)):
            self.differs({"v": recorded}, {"v": own})
        self.same({"v": 1}, {"v": 1.0})


class Documents(unittest.TestCase):
    def check(self, recorded, own, header=None, hosts=None):
        """Are they equal after what is volatile was taken out?"""
        volatile = Volatile({**HEADER, **(header or {})}, lambda cluster: hosts)
        Renaming().match(volatile(recorded), volatile(own))

    def differs(self, recorded, own, header=None, hosts=None):
        with self.assertRaises(Mismatch):
            self.check(recorded, own, header, hosts)

    def test_mount(self):
        def mount(*hosts, device=None):
            return {"glusterfs": {"hosts": list(hosts), "device": device or f"{hosts[0]}:v",
                                  "options": {"backup-volfile-servers": ",".join(hosts[1:])}}}
        self.check(mount("h1", "h2"), mount("h2", "h1"))
        self.differs(mount("h1", "h2"), mount("h1", "h3"))
        self.differs(mount("h1", "h2"), mount("h1", "h2", device="h2:v"))

    def test_block_hosts(self):
        def block(*hosts):
            return {"cluster": A, "blockvolume": {"hosts": list(hosts)}}
        self.check(block("1", "2"), block("2", "1"), hosts={"1", "2"})
        self.check(block("1", "2"), block("3", "1"), hosts={"1", "2", "3"})
        self.differs(block("1", "2"), block("1", "1"), hosts={"1", "2", "3"})
        self.differs(block("1", "2"), block("1", "4"), hosts={"1", "2", "3"})
        self.differs(block("1", "2"), block("1"), hosts={"1", "2", "3"})

    def test_durability(self):
        self.check({"type": "replicate", "replicate": {}}, {"type": "replicate", "replicate": {"replica": 2}})
        self.differs({"type": "replicate", "replicate": {}}, {"type": "replicate", "replicate": {"replica": 3}})

    def test_random_placement(self):
        random_placement = {"placement": "random"}
        brick = {"device": A, "node": B, "path": "/x", "volume": C}
        self.check(brick, dict(brick, device=D), random_placement)
        self.differs(dict(brick, size=1), dict(brick, size=2), random_placement)
        self.check({"storage": {"total": 3, "free": 1, "used": 2}}, {"storage": {"total": 3, "free": 2, "used": 1}},
                   random_placement)
        self.differs({"storage": {"total": 3, "free": 1, "used": 2}}, {"storage": {"total": 3, "free": 1, "used": 1}},
                     random_placement)

    def test_json(self):
        for text in ('{"a":1,"a":1}', '{"a":1', ""):
            with self.assertRaises(Mismatch):
                parse(text)

    def test_order(self):
        check_order({"clusters": [A, B], "tags": [B, A]})
        for document in ({"clusters": [B, A]}, {"x": {"devices": [{"id": B}, {"id": A}]}}):
            with self.assertRaises(Mismatch):
                check_order(document)

    def test_metrics(self):
        text = '# TYPE heketi_x gauge\nheketi_x{a="1",b="2"} 1e+06\nheketi_x{a="2"} 3\n'
        self.assertEqual(metrics(text, False), metrics(
            '# TYPE heketi_x gauge\nheketi_x{a="2"} 3\nheketi_x{b="2",a="1"} 1000000\n', False))
        self.assertNotEqual(metrics(text, False), metrics(text.replace("3", "4"), False))


class Texts(unittest.TestCase):
    def judge(self, theirs, ours, header=None):
        Replay({**HEADER, **(header or {})}, "", None).compare_text(theirs, ours)

    def differs(self, theirs, ours, header=None):
        with self.assertRaises(Mismatch):
            self.judge(theirs, ours, header)

    def test_texts(self):
        self.judge("Token is expired by 5s\n", "Token is expired by 1m0.5s\n")
        self.differs("Id not found\n", "Id not found")
        self.judge("request unable to be parsed: invalid character 'x'\n", "request unable to be parsed: no\n")
        self.differs("request unable to be parsed: EOF\n", "unable\n")
        self.differs("request unable to be parsed: size: required\n", "request unable to be parsed: no\n")

    def test_texts_of_nodes(self):
        faults = {"server": {"faults": {"x": {"fail": "no space\n"}}}}
        self.judge("Unable to do it: no space", "no space on 1.2.3.4", faults)
        self.differs("Unable to do it: no space", "it did not work", faults)

    def test_allocation_error(self):
        error = "Failed to allocate new volume: Cluster(s) full\nCluster {0}: x\nCluster {1}: y\n"
        self.judge(error.format(A, B), "Failed to allocate new volume: Cluster(s) full\n"
                   f"Cluster {W}: y\nCluster {X}: x\n")
        self.differs(error.format(A, B), "Failed to allocate new volume: Cluster(s) full\n"
                     f"Cluster {W}: y\nCluster {X}: z\n")

    def test_reasons_of_an_allocation_error(self):
        reasons = f"cluster {A}: tried up to 2\n  device {B} (/dev/sdb on n1) is too full\n  node {C} (n2) is offline\n"
        self.judge("Failed to allocate new volume: No space\n", f"Failed to allocate new volume: No space\n{reasons}")
        self.differs("Failed to allocate new volume: No space\n", f"Failed to allocate new volume: No room\n{reasons}")
        self.differs("Failed to allocate new volume: No space\n", "Failed to allocate new volume: No space\nwhy not\n")
        error = "Failed to allocate new volume: Unable to\nCluster {0}: No space\nCluster {1}: No space\n"
        self.judge(error.format(A, B), error.format(X, W) + f"cluster {X}: tried\n  and 7 more\n")

    def test_defects(self):
        judge = Replay(HEADER, "", None)
        trace = {"defect": "x", "status": 500, "headers": {}, "body": "<stack trace>\n"}
        judge.compare(trace, Answer(400, {}, "no\n", False))
        with self.assertRaises(Mismatch):
            judge.compare(trace, Answer(200, {}, "{}\n", False))

    def test_headers(self):
        judge = Replay(HEADER, "", None)
        recorded = {"status": 200, "headers": {"Content-Type": "text/plain"}, "body": "x"}
        for headers in ({}, {"Content-Type": "text/html"}, {"Content-Type": "text/plain", "Allow": "GET"}):
            with self.assertRaises(Mismatch):
                judge.compare(recorded, Answer(200, headers, "x", False))


class Clients(unittest.TestCase):
    def compare(self, theirs, ours, unordered=False):
        Client(HEADER, "", None, "").compare_text(theirs, ours, "stdout", unordered)

    def test_output(self):
        self.compare(f"Id:{A}\nId:{B}\n", f"Id:{X}\nId:{W}\n", unordered=True)
        self.compare("Mount: h1:v\nMount Options: backup-volfile-servers=h2,h3\n",
                     "Mount: h3:v\nMount Options: backup-volfile-servers=h1,h2\n")
        for ours in ("Mount: h1:w\nMount Options: backup-volfile-servers=h2,h3\n", "Mount: h1:v\n",
                     "Mount: h1:v\nMount Options: backup-volfile-servers=h2\n"):
            with self.assertRaises(Mismatch):
                self.compare("Mount: h1:v\nMount Options: backup-volfile-servers=h2,h3\n", ours)

    def test_json(self):
        self.compare(f'{{"id":"{A}"}}', f'{{"id":"{W}"}}')
        with self.assertRaises(Mismatch):
            self.compare(f'{{"id":"{A}"}}', f'{{"id":"{W}"}}\n')


class Known(unittest.TestCase):
    """known.json: names only what is there, and README.md shows all of it."""

    def setUp(self):
        self.known = known.load()
        self.lines = {name: {line["step"]: line for line in lines} for name, _, lines in recordings()}

    def test_rules_name_recorded_steps(self):
        self.assertTrue(set(self.known["files"]) <= self.lines.keys())
        for rule in self.known["rules"]:
            self.assertTrue(rule["why"])
            for name, steps in rule.get("steps", {}).items():
                self.assertTrue(set(steps) <= self.lines[name].keys(), (name, steps))

    def test_table_of_the_readme(self):
        with open(known.README, encoding="utf-8") as file:
            self.assertTrue(file.read().endswith("\n\n" + known.table(self.known)),
                            "write it anew: tests/compat/run --table")

    def test_calls(self):
        self.assertEqual(known.call({"argv": ["node", "list"]}), "hecate node list")
        self.assertEqual(known.explain({"rules": [{"why": "w", "call": "GET /x", "files": ["a"]}]}, "a",
                                     {"step": 1, "method": "GET", "path": "/x"}), "w")
        self.assertIsNone(known.explain({"rules": [{"why": "w", "call": "GET /x", "files": ["a"]}]}, "b",
                                      {"step": 1, "method": "GET", "path": "/x"}))


if __name__ == "__main__":
    unittest.main()
