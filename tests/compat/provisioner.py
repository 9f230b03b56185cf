"""What the in-tree provisioner kubernetes.io/glusterfs of Kubernetes asks of a server, as its Go client asks it; and a
proxy that loses answers."""

import http.client
import http.server
import json
import threading
import time
import urllib.parse

from judge import wire

POLL_S = 0.02  # the original: 0.4
BACK_OFF_S = 6  # the original: 8 to 15 until a claim that failed is tried again
JOB_S = 60


class Refused(Exception):
    """The server answered with an error: what the original shows and repeats after."""


class Lost(Exception):
    """No answer came."""


class Provisioner:
    """One StorageClass. url: without a final slash. Without authentication the original signs with an empty key and no
    issuer all the same."""

    def __init__(self, url, user="", key="", clusters=(), volume_type=("replicate", 3), options=(), snapshot_factor=1):
        self.url, self.user, self.key = url, user, key
        self.clusters, self.volume_type, self.options = list(clusters), volume_type, list(options)
        self.snapshot_factor = snapshot_factor

    # ---- the client ----

    def ask(self, method, path, body=None):
        auth = {"claims": {"iss": self.user, "iat": "now", "exp": "now+300", "qsh": f"qsh:{method}&{path}"},
                "secret": self.key}
        headers = {"Authorization": wire.token(auth)}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        try:
            return wire.exchange(self.url, method, path, headers, data)
        except (OSError, http.client.HTTPException) as error:
            raise Lost(repr(error)) from error

    def expect(self, status, method, path, body=None):
        answer = self.ask(method, path, body)
        if answer.status != status:
            raise Refused(answer.body.strip())
        return answer

    def get(self, path):
        return json.loads(self.expect(200, "GET", path).body)

    def job(self, method, path, body=None):
        """The resource at the end, or None for a job without one."""
        queue = self.expect(202, method, path, body).headers["Location"]
        return self.follow(queue)

    def follow(self, queue):
        deadline = time.monotonic() + JOB_S
        while True:
            answer = self.ask("GET", queue)
            if answer.headers.get("X-Pending") != "true":
                break
            if answer.status != 200:
                raise Refused(f"pending with {answer.status}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{queue} does not end")
            time.sleep(POLL_S)
        if answer.status == 303:
            return self.get(answer.headers["Location"])
        if answer.status != 204:
            raise Refused(answer.body.strip())
        return None

    # ---- what the controller does ----

    @staticmethod
    def back_off():
        time.sleep(BACK_OFF_S)

    def provision(self, size_gib, gid, name=""):
        """The parts of the PersistentVolume that come from the server."""
        kind, *numbers = self.volume_type
        durability = {"type": kind, "replicate": {}, "disperse": {}}
        if kind == "replicate":
            durability["replicate"]["replica"] = numbers[0]
        elif kind == "disperse":
            durability["disperse"].update(data=numbers[0], redundancy=numbers[1])
        body = {"size": size_gib, "name": name, "durability": durability, "gid": gid,
                "snapshot": {"enable": True, "factor": self.snapshot_factor}}
        if self.clusters:
            body["clusters"] = self.clusters
        if self.options:
            body["glustervolumeoptions"] = self.options
        volume = self.job("POST", "/volumes", body)
        return {"id": volume["id"], "path": volume["name"], "capacity": volume["size"], "gid": gid,
                "endpoints": self.addresses(volume["cluster"])}  # nothing is deleted when they cannot be had

    def addresses(self, cluster):
        """Of the Endpoints: all storage names of a node joined, so there had better be one."""
        return ["".join(self.get("/nodes/" + node)["hostnames"]["storage"])
                for node in self.get("/clusters/" + cluster)["nodes"]]

    def expand(self, volume, capacity, wanted):
        """The new capacity. capacity: what the PersistentVolume has."""
        present = self.get("/volumes/" + volume)
        if present["size"] >= wanted:
            return present["size"]
        return self.job("POST", f"/volumes/{volume}/expand", {"expand_size": wanted - capacity})["size"]

    def delete(self, volume):
        self.job("DELETE", "/volumes/" + volume)


class LosingProxy:
    """Passes requests on to a server. lose: called with (method, path); true: the server gets the request, but the client
    gets no answer, its connection is closed. queues: where the answers 202 pointed to."""

    def __init__(self, url):
        proxy = self
        self.url_of_server = url
        self.lose = lambda method, path: False
        self.queues = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                proxy.pass_on(self)

            do_GET = do_POST = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def pass_on(self, handler):
        parts = urllib.parse.urlsplit(self.url_of_server)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=wire.TIMEOUT_S)
        connection.request(handler.command, handler.path, body or None, dict(handler.headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status == 202:
            self.queues.append(answer.headers["Location"])
        if self.lose(handler.command, handler.path):
            handler.close_connection = True
            return
        handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Once:
    """Loses the answer of the first request that matches."""

    def __init__(self, method, ending):
        self.method, self.ending, self.done = method, ending, False

    def __call__(self, method, path):
        if self.done or method != self.method or not path.endswith(self.ending):
            return False
        self.done = True
        return True
