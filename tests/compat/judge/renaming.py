"""Equality up to the names of things.

Ids are 32 hexadecimal digits and random, so a recorded id and one of our own are the same when they can stand for each
other everywhere: a Renaming is a bijection that grows with each answer. Lists with ids in them are in a random order and
are compared as sets. Elements of a set find their partners by their content, ids bound so far included. Where several
look alike, nothing is guessed: the group is put aside and tried again whenever an id has been bound, in this answer or a
later one; only a request that names one of them makes a choice (any is right) and binds all that follows from it.
"""

import collections
import json
import re

ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
UNKNOWN = "<?>"


class Mismatch(Exception):
    """What was recorded and what came instead, and where in the answer."""

    def __init__(self, where, recorded, own):
        super().__init__(f"{where}: recorded {recorded!r}, own {own!r}")
        self.where, self.recorded, self.own = where, recorded, own


def names_ids(value):
    """Does the value hold an id anywhere?"""
    if isinstance(value, str):
        return ID.search(value) is not None
    if isinstance(value, dict):
        return any(names_ids(key) or names_ids(item) for key, item in value.items())
    return isinstance(value, list) and any(names_ids(item) for item in value)


def keyed_by_ids(value):
    return isinstance(value, dict) and len(value) > 0 and all(ID.fullmatch(key) for key in value)


def elements(value):
    """The members of a set: of a list with ids, or the [key, value] pairs of a map keyed by ids; None: no set."""
    if keyed_by_ids(value):
        return [[key, item] for key, item in value.items()]
    return value if isinstance(value, list) and names_ids(value) else None


class Renaming:
    def __init__(self):
        self.own_of = {}
        self.recorded_of = {}
        self.open = {}  # text of a group -> (recorded elements, own elements, where): partners not known yet
        self.lenient = False

    # ---- requests ----

    def translate(self, text):
        """A recorded request in our own ids. Ids that no answer has shown stand for themselves."""
        for recorded in ID.findall(text):
            if recorded not in self.own_of:
                self.choose(recorded)
        return ID.sub(lambda match: self.own_of[match.group()], text)

    def choose(self, recorded):
        while recorded not in self.own_of:
            group = next((key for key, (theirs, _, _) in self.open.items() if recorded in json.dumps(theirs)), None)
            if group is None:
                return self.bind(recorded, recorded, "request")
            theirs, ours, where = self.open.pop(group)
            one = next(item for item in theirs if recorded in json.dumps(item))
            theirs = [item for item in theirs if item is not one]
            self.unify(one, ours[0], where)
            self.put_aside(theirs, ours[1:], where)
            self.settle()
        return None

    # ---- answers ----

    def match(self, recorded, own):
        """Holds the two documents against each other; binds what they tell. Raises Mismatch."""
        before = dict(self.open)
        try:
            self.unify(recorded, own, "body")
            self.settle()
        except Mismatch:
            # The rest of an answer that differs is still worth learning from: later requests name what is in it.
            self.open, self.lenient = dict(before), True
            self.unify(recorded, own, "body")
            self.settle()
            self.open, self.lenient = before, False
            raise

    def differ(self, where, recorded, own):
        if not self.lenient:
            raise Mismatch(where, recorded, own)

    def match_text(self, recorded, own, where):
        if not isinstance(own, str) or ID.sub("#", recorded) != ID.sub("#", own):
            self.differ(where, recorded, own)
            return
        for theirs, ours in zip(ID.findall(recorded), ID.findall(own)):
            self.bind(theirs, ours, where)

    def bind(self, recorded, own, where):
        bound = self.own_of.get(recorded), self.recorded_of.get(own)
        if bound == (None, None):
            self.own_of[recorded] = own
            self.recorded_of[own] = recorded
        elif bound != (own, recorded):
            self.differ(where, f"id {recorded} (so far {bound[0]})", f"id {own} (so far {bound[1]})")

    def unify(self, recorded, own, where):
        if elements(recorded) is not None or elements(own) is not None:
            self.unify_sets(elements(recorded), elements(own), where, recorded, own)
        elif isinstance(recorded, str):
            self.match_text(recorded, own, where)
        elif isinstance(recorded, dict) and isinstance(own, dict):
            if recorded.keys() != own.keys():
                self.differ(where + " (members)", sorted(recorded.keys() - own.keys()), sorted(own.keys() - recorded.keys()))
            for key in [key for key in recorded if key in own]:
                self.unify(recorded[key], own[key], f"{where}/{key}")
        elif isinstance(recorded, list) and isinstance(own, list):
            if len(recorded) != len(own):
                self.differ(where + " (length)", recorded, own)
            for index, pair in enumerate(zip(recorded, own)):
                self.unify(*pair, f"{where}/{index}")
        elif isinstance(recorded, bool) != isinstance(own, bool) or recorded != own:
            self.differ(where, recorded, own)

    def unify_sets(self, theirs, ours, where, recorded, own):
        if theirs is None or ours is None:
            self.differ(where, recorded, own)
            return
        if len(theirs) != len(ours):
            self.differ(where + " (length)", recorded, own)
        self.put_aside(theirs, ours, where)

    def put_aside(self, theirs, ours, where):
        if theirs:
            self.open.setdefault(json.dumps([theirs, ours], sort_keys=True), (theirs, ours, where))

    def settle(self):
        """Goes through the groups until no partner is found any more."""
        progress = True
        while progress:
            progress = False
            for key in list(self.open):
                theirs, ours, where = self.open.pop(key)
                progress = self.pair(theirs, ours, where) or progress

    def pair(self, theirs, ours, where):
        """Unifies the elements whose partner is certain and puts the others aside; was anything found?"""
        mine, yours = self.by_content(theirs, self.own_of), self.by_content(ours, self.recorded_of)
        split = len(mine) > 1 or len(yours) > 1
        if {content: len(group) for content, group in mine.items()} != {
                content: len(group) for content, group in yours.items()}:
            self.fail_sets(mine, yours, where)
        for content in mine.keys() & yours.keys():
            if len(mine[content]) == 1:
                self.unify(mine[content][0], yours[content][0], where + "/[]")
                split = True
            elif UNKNOWN in content:
                self.put_aside(mine[content], yours[content], where)
        return split

    def fail_sets(self, mine, yours, where):
        """Names the first difference of two sets: between the elements without a partner."""
        left = [item for content, group in sorted(mine.items()) for item in group[len(yours.get(content, [])):]]
        right = [item for content, group in sorted(yours.items()) for item in group[len(mine.get(content, [])):]]
        for recorded, own in zip(left, right):
            self.unify(recorded, own, where + "/[]")
        self.differ(where, left, right)

    def by_content(self, items, bound):
        groups = collections.defaultdict(list)
        for item in items:
            groups[json.dumps(self.content(item, bound), sort_keys=True)].append(item)
        return groups

    def content(self, value, bound):
        """The value with ids under the name of the pair that they are bound to, or as unknown; sets sorted."""
        if isinstance(value, str):
            return ID.sub(lambda match: self.pair_name(match.group(), bound), value)
        parts = elements(value)
        if parts is not None:
            return sorted((self.content(item, bound) for item in parts), key=lambda item: json.dumps(item, sort_keys=True))
        if isinstance(value, dict):
            return {key: self.content(item, bound) for key, item in value.items()}
        if isinstance(value, list):
            return [self.content(item, bound) for item in value]
        return value

    def pair_name(self, name, bound):
        if name not in bound:
            return UNKNOWN
        return f"<{name if bound is self.own_of else bound[name]}>"
