"""Replays a file of HTTP exchanges against a server and compares each answer."""

import base64
import http.client
import json
import re
import time
import urllib.parse

from . import wire
from .renaming import Mismatch, Renaming
from .volatile import REASONS, Volatile, check_order, metrics, parse

POLL_S = 0.005
JOB_S = 20
STACK_TRACE = "<stack trace>\n"
OWN_WORDS = ((r"(Token is expired by )[0-9hms.µn]+", r"\1<duration>"), (r"tmpsnap_[0-9a-f]{32}", "tmpsnap_<id>"),
             (r"lvm-pv-uuid-[0-9a-f-]{36}|Volume [0-9a-f]{8}-[0-9a-f-]{27}", "<pv>"),
             REASONS)
PARSER = re.compile(r"(Invalid JWT token: |request unable to be parsed: )"
                    r"(json: |invalid character|unexpected end|unexpected EOF|EOF)")


class Replay:
    """url: of the server. control: called with a control line's content; raises Mismatch when it cannot be done.
    After line(): differences holds what was found, as (line, Mismatch, own answer)."""

    def __init__(self, header, url, control):
        self.header, self.url, self.control = header, url, control
        self.ids = Renaming()
        self.jobs = Renaming()  # queue ids stand in no other place; one may be that of the job's operation
        self.hosts = {}  # storage host names by recorded cluster id
        self.calls = 0
        self.differences = []
        self.answer = None  # the last one
        self.recorded = Volatile(header, self.hosts.get)
        self.own = Volatile(header, lambda cluster: self.hosts.get(self.ids.recorded_of.get(cluster)))
        self.failures = [fault["fail"].strip() for fault in header["server"].get("faults", {}).values()
                         if "fail" in fault]

    def line(self, line):
        self.answer = None
        try:
            if "control" in line:
                self.control(line["control"])
            else:
                self.calls += 1
                self.exchange(line)
        except Mismatch as mismatch:
            self.differences.append((line, mismatch, str(self.answer)))
        except (OSError, http.client.HTTPException) as error:
            if line.get("final", {}).get("status") != 0:  # the reference itself gave none
                self.differences.append((line, Mismatch("connection", "an answer", repr(error)), str(self.answer)))

    def send(self, method, path, headers, body, auth):
        headers = dict(headers or {})
        if auth is not None:
            headers["Authorization"] = wire.token(auth)
        self.answer = wire.exchange(self.url, method, path, headers, body)
        return self.answer

    def request(self, line):
        path, body, auth = line["path"], line["request_body"], line.get("auth")
        ids = self.names_of(path)
        ids.translate(urllib.parse.unquote(path))
        if "request_body_base64" in line:
            body = base64.b64decode(line["request_body_base64"])
        elif body is not None:
            body = self.ids.translate(body).encode("utf-8", "surrogatepass")
        if auth is not None:
            auth = json.loads(ids.translate(json.dumps(auth)))
        return self.send(line["method"], ids.translate(path), line["request_headers"], body, auth)

    def names_of(self, path):
        return self.jobs if path.startswith("/queue/") else self.ids

    def exchange(self, line):
        if line.get("poll"):
            self.compare(line["final"], self.wait(self.jobs.translate(line["path"]), line.get("auth")))
            return
        answer = self.request(line)
        if answer.status != 202 or line.get("detached"):
            self.compare(line, answer)
            if "final" in line:
                raise Mismatch("job", line["final"], "none was started")
            return
        # A job is followed even where none was expected, so that it does not run into the next step.
        end = self.wait(answer.headers.get("Location", ""), line.get("auth"))
        self.answer = answer
        self.compare(line, answer)
        if "final" in line:
            self.answer = end
            self.compare(line["final"], end)

    def wait(self, path, auth):
        """Polls a job to its end; the terminal answer."""
        deadline = time.monotonic() + JOB_S
        while True:
            answer = self.send("GET", path, None, None, wire.poll_auth(auth, path))
            pending = answer.headers.get("X-Pending")
            if pending is None:
                return answer
            if pending != "true" or answer.status != 200 or not answer.empty:
                raise Mismatch("running job", "200, X-Pending: true, no body", str(answer))
            if time.monotonic() > deadline:
                raise Mismatch("job", f"an end within {JOB_S} s", "still running")
            time.sleep(POLL_S)

    # ---- comparing ----

    def compare(self, recorded, answer):
        if recorded.get("defect"):
            # The reference failed inside: a refusal is right. What it got wrong otherwise is no model.
            if recorded["body"] == STACK_TRACE and answer.status < 400:
                raise Mismatch("status", "a refusal", answer.status)
            return
        if recorded["status"] != answer.status:
            raise Mismatch("status", recorded["status"], answer.status)
        if recorded.get("body_opaque"):
            if recorded["body_empty"] != answer.empty:
                raise Mismatch("body", "not empty", "empty")
            return
        for name in wire.KEPT + ("Content-Length",):
            theirs, ours = recorded["headers"].get(name), answer.headers.get(name)
            if theirs is not None and ours is not None:
                self.names_of(theirs).match_text(theirs, ours, "header " + name)
            elif theirs != ours and (theirs is not None or name != "Content-Length"):
                raise Mismatch("header " + name, theirs, ours)
        self.compare_body(recorded, answer)

    def compare_body(self, recorded, answer):
        theirs, ours = recorded["body"], answer.body
        if recorded.get("body_filter") == "metrics":
            random = self.header.get("placement") == "random"
            self.ids.match(metrics(theirs, random), metrics(ours, random))
        elif recorded["headers"].get("Content-Type", "").startswith("application/json") and theirs:
            document, own = parse(theirs), parse(ours)
            if theirs.endswith("\n") != ours.endswith("\n"):
                raise Mismatch("body (last line feed)", theirs[-20:], ours[-20:])
            check_order(own)
            self.note_hosts(document)
            self.ids.match(self.recorded(document), self.own(own))
        else:
            self.compare_text(theirs, ours)

    def compare_text(self, theirs, ours):
        parser = PARSER.match(theirs)
        if parser and ours.startswith(parser.group(1)) and ours.endswith("\n"):
            return  # the parser's own words
        if any(said in theirs and said in ours for said in self.failures):
            return  # what the node said is there; the words round it are the server's
        if theirs.startswith("Process exited with status"):
            return
        self.ids.match(self.words(theirs), self.words(ours))

    @staticmethod
    def words(text):
        """A plain text; the clusters of an allocation error, a line each, are a set."""
        for pattern, name in OWN_WORDS:
            text = re.sub(pattern, name, text)
        first, *rest = text.splitlines(keepends=True) or [""]
        if len(rest) > 1 and all(line.startswith("Cluster ") for line in rest):
            return {"first": first, "clusters": rest}
        return {"text": text}

    def note_hosts(self, value):
        """Remembers the storage host names of each cluster."""
        if isinstance(value, dict):
            if "hostnames" in value and "cluster" in value:
                self.hosts.setdefault(value["cluster"], set()).add(value["hostnames"]["storage"][0])
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                self.note_hosts(item)
