"""One HTTP exchange, exactly as recorded: nothing is followed, normalised or repeated. And the tokens of requests."""

import base64
import hashlib
import hmac
import http.client
import json
import re
import time
import urllib.parse

KEPT = ("Content-Type", "Location", "Allow", "X-Pending", "WWW-Authenticate", "Content-Disposition")
TIMEOUT_S = 60


class Answer:
    def __init__(self, status, headers, data):
        self.status = status
        self.headers = {name: headers[name] for name in KEPT if headers[name] is not None}
        if not data and headers["Content-Length"] is not None:
            self.headers["Content-Length"] = headers["Content-Length"]
        self.empty = not data
        self.body = data.decode("utf-8", "replace")
        if self.headers.get("Content-Type", "").startswith("text/plain; version="):
            self.body = "".join(line + "\n" for line in self.body.splitlines()
                                if re.match(r"(# (HELP|TYPE) )?heketi_", line))

    def __str__(self):
        return f"{self.status} {self.headers} {self.body[:2000]!r}"


def exchange(url, method, path, headers, body):
    """body: bytes or None. OSError and http.client.HTTPException when there is no answer."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode("utf-8"))
        chunked = headers.get("Transfer-Encoding") == "chunked"
        if not chunked and "Content-Length" not in headers and (body is not None or method in ("POST", "PUT", "PATCH")):
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders()
        if body:
            try:
                connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # answered before all was read: the answer decides
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


# ---- tokens ----

def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def claim(value, now):
    """"now", "now+300" and "now-5" are seconds, "qsh:GET&/x" is a digest."""
    if isinstance(value, str):
        if value.startswith("qsh:"):
            return hashlib.sha256(value[4:].encode()).hexdigest()
        match = re.fullmatch(r"now([+-]\d+)?", value)
        if match:
            return now + int(match.group(1) or 0)
    return value


def compact(document):
    return json.dumps(document, separators=(",", ":"))


def token(auth):
    """The value of the Authorization header that the recording describes; None: no header."""
    if auth is None or "raw" in auth:
        return auth and auth["raw"]
    header = auth.get("header", {"alg": "HS256", "typ": "JWT"})
    claims = auth.get("claims_text")
    if claims is None:
        now = int(time.time())
        claims = compact({name: claim(value, now) for name, value in auth["claims"].items()})
    signed = part((header if isinstance(header, str) else compact(header)).encode()) + b"." + part(claims.encode())
    algorithm = auth.get("sign") or (header.get("alg", "HS256") if isinstance(header, dict) else "HS256")
    if algorithm == "none":
        mac = b""
    elif algorithm == "junk":
        mac = b"not a signature, but of its size"
    else:
        mac = hmac.new(auth["secret"].encode(), signed, "sha" + algorithm[2:]).digest()
    return f"{auth.get('scheme', 'bearer')} {(signed + b'.' + part(mac)).decode()}"


def poll_auth(auth, path):
    """For the polls of a job that a request with this token has started."""
    if auth is None or "claims" not in auth:
        return auth
    return {"claims": {"iss": "admin", "iat": "now", "exp": "now+300", "qsh": "qsh:GET&" + path},
            "secret": "admin-secret"}
