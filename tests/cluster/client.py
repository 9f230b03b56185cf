"""A client of the REST API for tests: tokens, requests from within a namespace, polling of jobs."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import ssl
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from namespace import socket_in  # noqa: E402  pylint: disable=wrong-import-position

DEADLINE_S = 60
AUTHORITY = {}  # URL of a member with TLS: the file of its authority


class Answer:
    def __init__(self, status, headers, data):
        self.status, self.headers, self.data = status, headers, data
        self.body = data.decode(errors="replace")

    def json(self):
        return json.loads(self.body)


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(method, path, key="admin-secret", issuer="admin", now=None):
    now = int(time.time() if now is None else now)
    claims = {"iss": issuer, "iat": now, "exp": now + 300,
              "qsh": hashlib.sha256(f"{method}&{path}".encode()).hexdigest()}
    signed = _part(b'{"alg":"HS256","typ":"JWT"}') + b"." + _part(json.dumps(claims).encode())
    return (signed + b"." + _part(hmac.new(key.encode(), signed, hashlib.sha256).digest())).decode()


def request(url, method, path, body=None, namespace=None, timeout_s=15, headers=()):
    """One request on a connection of its own, from within a namespace; None when the member did not answer.

    timeout_s: of connecting, and of each silence after that. headers: lines "Name: value".
    """
    parts = urllib.parse.urlsplit(url)
    family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    lines = {"Authorization": f"bearer {token(method, path)}"}
    lines.update(re.split(r":\s*", line, maxsplit=1) for line in headers)
    data = body if body is None or isinstance(body, str) else json.dumps(body)
    try:
        connection.sock = socket_in(namespace, family)
        connection.sock.settimeout(timeout_s)
        connection.sock.connect((parts.hostname, parts.port))
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=AUTHORITY[url])
            connection.sock = context.wrap_socket(connection.sock, server_hostname=parts.hostname)
        connection.request(method, path, body=None if data is None else data.encode(), headers=lines)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()},
                      answer.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def eventually(what, probe, deadline_s=DEADLINE_S, pause_s=0.02):
    """Calls probe until it returns something true; that is the result."""
    deadline = time.monotonic() + deadline_s
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(pause_s)


class Members:
    """The members of a cluster, asked one after the other, as a careful client does."""

    def __init__(self, urls, namespace=None):
        self.urls, self.namespace = dict(urls), namespace

    def ask(self, member, method, path, body=None, **more):
        return request(self.urls[member], method, path, body, namespace=self.namespace, **more)

    def status(self, member):
        answer = self.ask(member, "GET", "/cluster/status", timeout_s=2)
        return answer.json() if answer and answer.status == 200 else None

    def leader(self, among=None):
        """The member that serves, once there is one."""
        def probe():
            for member in among or self.urls:
                state = self.status(member)
                if state and state["serving"]:
                    return member
            return None
        return eventually("a serving leader", probe)

    def any(self, method, path, body=None, among=None, **more):
        """The first answer that is not a 503, from whichever member gives it."""
        def probe():
            for member in among or self.urls:
                answer = self.ask(member, method, path, body, **more)
                if answer and answer.status != 503:
                    return answer
            return None
        return eventually(f"an answer to {method} {path}", probe)

    def finish(self, location, among=None, deadline_s=DEADLINE_S):
        """Polls a job to its end: the terminal answer."""
        def probe():
            answer = self.any("GET", location, among=among)
            return None if answer.headers.get("x-pending") == "true" else answer
        return eventually(f"the end of {location}", probe, deadline_s)

    def do(self, method, path, body=None, among=None):
        """A request with a job, to its end."""
        answer = self.any(method, path, body, among=among)
        if answer.status != 202:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body}")
        return self.finish(answer.headers["location"], among=among)
