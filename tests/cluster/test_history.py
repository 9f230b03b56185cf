#!/usr/bin/env python3
"""The checker of histories sees each thing that must not be, and accepts what may be."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from history import History, longest_gap, longest_overlap  # noqa: E402


def event(op, start, end, **more):
    return {"op": op, "start": start, "end": end, **more}


GOOD = [
    event("create", 1, 2, name="a", status=202, location="/queue/1"),
    event("create", 1, 1.5, name="b", status=0, location=None),
    event("create", 2, 3, name="b", status=202, location="/queue/2"),
    event("job", 3, 4, location="/queue/1", status=200),
    event("job", 5, 6, location="/queue/1", status=303, target="A"),
    event("job", 5, 7, location="/queue/2", status=500),
    event("list", 5.5, 6.5, status=200, ids=[]),
    event("list", 7, 8, status=200, ids=["A"]),
    event("get", 7, 8, status=200, id="A"),
    event("delete", 9, 10, id="A", status=202, location="/queue/3"),
    event("list", 9.5, 10, status=200, ids=["A"]),
    event("list", 9.5, 10, status=200, ids=[]),
    event("job", 11, 12, location="/queue/3", status=204),
    event("get", 13, 14, status=404, id="A"),
    event("leader", 1, 2, member=1, term=3, serving=True),
    event("leader", 1, 5, member=2, term=4, serving=True),
    event("leader", 4, 5, member=1, term=3, serving=True),
    event("leader", 6, 7, member=1, term=3, serving=False),
]


class HistoryTest(unittest.TestCase):
    def see(self, part, *events, without=()):
        problems = History([item for index, item in enumerate(GOOD) if index not in without] + list(events)).check()
        self.assertTrue(any(part in problem for problem in problems), problems)

    def test_possible(self):
        self.assertEqual(History(GOOD).check(), [])

    def test_accepted_is_unknown(self):
        self.see("is unknown", event("job", 20, 21, location="/queue/1", status=404))

    def test_accepted_never_ends(self):
        self.see("never ended", without=(5,))

    def test_two_ends(self):
        self.see("ended in two ways", event("job", 20, 21, location="/queue/2", status=303, target="B"))
        self.see("ended in two ways", event("job", 20, 21, location="/queue/1", status=303, target="B"))

    def test_pending_again(self):
        self.see("pending again", event("job", 20, 21, location="/queue/2", status=200))

    def test_done_twice(self):
        self.see("more than once", event("create", 8, 9, name="b", status=202, location="/queue/4"),
                 event("job", 9, 10, location="/queue/4", status=500))

    def test_stale(self):
        self.see("missing in a later answer", event("list", 6.2, 6.4, status=200, ids=[]))
        self.see("missing in a later answer", event("get", 8.2, 8.4, status=404, id="A"))

    def test_shown_by_a_list_alone(self):
        self.see("missing in a later answer", event("list", 20, 21, status=200, ids=["Z"]),
                 event("list", 22, 23, status=200, ids=[]))

    def test_back_again(self):
        self.see("is back", event("list", 13, 14, status=200, ids=["A"]))
        self.see("is back", event("list", 15, 16, status=200, ids=["A"]), without=(12,))

    def test_old_leader(self):
        self.see("older term", event("leader", 5.5, 6, member=1, term=3, serving=True))

    def test_two_leaders_of_a_term(self):
        self.see("had leaders", event("leader", 8, 9, member=3, term=4, serving=True))


class MeasureTest(unittest.TestCase):
    def test_overlap(self):
        def holders(start, *hosts):
            return event("holders", start, start + 0.1, hosts=list(hosts))
        self.assertEqual(longest_overlap([holders(1, 1), holders(2), holders(3, 2)]), 0)
        self.assertAlmostEqual(longest_overlap([holders(1, 1, 2), holders(1.2, 1), holders(1.4, 1, 2), holders(1.6, 1, 2)]),
                               0.3)

    def test_gap(self):
        probes = [event("probe", 0, moment, status=status) for moment, status in
                  ((1, 200), (1.1, 200), (1.2, 0), (1.4, 503), (1.7, 200), (1.8, 200))]
        self.assertAlmostEqual(longest_gap(probes, 1.15, 1.85), 0.6)
        self.assertAlmostEqual(longest_gap(probes, 1.15, 5), 3.2)
        self.assertAlmostEqual(longest_gap([], 1, 5), 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
