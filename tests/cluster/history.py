"""What clients were told, and whether it can be true: the checker of histories.

A history is a list of events, each a dict with `op`, `start` and `end` (seconds of CLOCK_MONOTONIC, which all processes of
one machine share): when the request left and when its answer was there. An event whose answer never came has status 0.

    create   name, status, location          POST /volumes
    delete   id, status, location            DELETE /volumes/{id}
    job      location, status, target        GET of a queue id; status 0 or 503: not answered; 200: pending
    list     status, ids                     GET /volumes
    get      id, status                      GET /volumes/{id}
    leader   member, term, serving           GET /cluster/status of one member
    holders  hosts                           the hosts on which the virtual address is, at one moment between start and end

What must hold (design: promises 1, 4, 5, 6):

1. an accepted operation is never unknown afterwards, ends, and ends the same way for everybody who asks;
2. one name, one operation: a create that was repeated under its name was accepted under one queue id;
3. what somebody has been shown is in every later answer until somebody asks for its delete; what is gone stays gone;
4. of two answers of serving leaders, the later one is not of an older term, and a term has one leader.
"""

import bisect

TERMINAL = (204, 303, 500)


class History:
    def __init__(self, events):
        self.events = sorted(events, key=lambda event: event["start"])
        self.problems = []

    def of(self, *kinds):
        return [event for event in self.events if event["op"] in kinds]

    def report(self, text, *events):
        self.problems.append(f"{text}: {events}")

    def check(self):
        """The list of what cannot be; empty when the history is a possible one."""
        self._accepted()
        self._once()
        self._visible()
        self._leaders()
        return self.problems

    # ---- 1 ----

    def _accepted(self):
        jobs = {}
        for event in self.of("job"):
            jobs.setdefault(event["location"], []).append(event)
        for event in self.of("create", "delete"):
            if event["status"] != 202:
                continue
            asked = [job for job in jobs.get(event["location"], []) if job["start"] >= event["end"]]
            for job in asked:
                if job["status"] == 404:
                    self.report("an accepted operation is unknown", event, job)
            if not any(job["status"] in TERMINAL for job in asked):
                self.report("an accepted operation never ended", event)
        for location, asked in jobs.items():
            ends = [job for job in asked if job["status"] in TERMINAL]
            if len({(job["status"], job.get("target")) for job in ends}) > 1:
                self.report(f"{location} ended in two ways", *ends[:4])
            first = min((job["end"] for job in ends), default=None)
            for job in asked:
                if first is not None and job["start"] > first and job["status"] == 200:
                    self.report(f"{location} had ended and is pending again", job)

    # ---- 2 ----

    def _once(self):
        names = {}
        for event in self.of("create"):
            if event["status"] == 202:
                names.setdefault(event["name"], set()).add(event["location"])
        for name, locations in names.items():
            if len(locations) > 1:
                self.report(f"{name} was accepted more than once", *sorted(locations))

    # ---- 3 ----

    def _visible(self):
        shown, asked_to_go, gone = {}, {}, {}
        deleting = {event["location"]: event["id"] for event in self.of("delete") if event["status"] == 202}

        def earliest(table, key, moment):
            table[key] = min(moment, table.get(key, moment))

        for event in self.of("job"):
            if event["status"] == 303 and event.get("target"):
                earliest(shown, event["target"], event["end"])
            elif event["status"] == 204 and event["location"] in deleting:
                earliest(gone, deleting[event["location"]], event["end"])
        for event in self.of("delete"):
            earliest(asked_to_go, event["id"], event["start"])
        for event in self.of("get", "list"):
            if event["status"] == 200:
                for volume in event["ids"] if event["op"] == "list" else [event["id"]]:
                    earliest(shown, volume, event["end"])
        for event in self.of("get"):
            if event["status"] == 404 and event["start"] > shown.get(event["id"], float("inf")):
                earliest(gone, event["id"], event["end"])
        never = float("inf")
        in_order = sorted((moment, volume) for volume, moment in shown.items())
        moments = [moment for moment, _ in in_order]
        for event in self.of("get", "list"):
            if event["status"] not in (200, 404):
                continue
            seen = set(event["ids"] if event["op"] == "list" else [event["id"]] if event["status"] == 200 else [])
            known = ([volume for _, volume in in_order[:bisect.bisect_left(moments, event["start"])]]
                     if event["op"] == "list" else [event["id"]])
            for volume in known:
                if (volume not in seen and shown.get(volume, never) < event["start"] and
                        event["end"] < asked_to_go.get(volume, never)):
                    self.report(f"volume {volume} was shown before and is missing in a later answer", _short(event))
            for volume in seen:
                if gone.get(volume, never) < event["start"]:
                    self.report(f"volume {volume} was gone and is back", _short(event))

    # ---- 4 ----

    def _leaders(self):
        serving = [event for event in self.of("leader") if event["serving"]]
        by_term = {}
        for event in serving:
            by_term.setdefault(event["term"], set()).add(event["member"])
        for term, members in by_term.items():
            if len(members) > 1:
                self.report(f"term {term} had leaders {sorted(members)}")
        newest = None
        waiting = sorted(serving, key=lambda event: event["end"])
        index = 0
        for event in sorted(serving, key=lambda item: item["start"]):
            while index < len(waiting) and waiting[index]["end"] < event["start"]:
                if newest is None or waiting[index]["term"] > newest["term"]:
                    newest = waiting[index]
                index += 1
            if newest is not None and event["term"] < newest["term"]:
                self.report("a leader of an older term served after one of a newer term", event, newest)


def _short(event):
    return {key: value for key, value in event.items() if key != "ids"}


def longest_overlap(events):
    """Seconds for which more than one host held the address without a break, at most as far as was looked."""
    longest, since = 0.0, None
    for event in sorted((item for item in events if item["op"] == "holders"), key=lambda item: item["start"]):
        if len(event["hosts"]) > 1:
            since = event["start"] if since is None else since
            longest = max(longest, event["end"] - since)
        else:
            since = None
    return longest


def longest_gap(probes, start, end):
    """Seconds between two successive answers with 200 within [start, end]: as long as a client of the address waits."""
    good = sorted(probe["end"] for probe in probes if probe["status"] == 200)
    moments = [moment for moment in good if start <= moment <= end]
    before = [moment for moment in good if moment < start][-1:]
    moments = before + moments + ([] if moments and moments[-1] == end else [end])
    return max((later - sooner for sooner, later in zip(moments, moments[1:])), default=end - start)
