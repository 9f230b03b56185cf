"""Single requests to one address, begun at an even pace, none of which waits for another: a host that has been frozen keeps
what its kernel accepted, and the next probe must not stand in line behind that.
"""

import selectors
import socket
import time

from client import token

CONNECT_S = 0.05  # a SYN to a host that is gone; the next probe finds where the address is now
ANSWER_S = 2.0
PAUSE_S = 0.005
PATH = "/clusters"


class Probe:
    """One connection; done(status) is called once, 0 when there was no answer."""

    def __init__(self, selector, host, port, done):
        self.selector, self.done, self.received = selector, done, b""
        self.start = time.monotonic()
        self.deadline = self.start + CONNECT_S
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.connect_ex((host, port))
        selector.register(self.sock, selectors.EVENT_WRITE, self)

    def finish(self, status):
        self.selector.unregister(self.sock)
        self.sock.close()
        self.done(self, status)

    def on_event(self, events):
        try:
            if events & selectors.EVENT_WRITE:
                self._connected()
            else:
                self._readable()
        except OSError:
            self.finish(0)

    def _connected(self):
        self.sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: probe\r\nAuthorization: bearer {token('GET', PATH)}\r\n"
                          "Connection: close\r\n\r\n".encode())
        self.deadline = self.start + ANSWER_S
        self.selector.modify(self.sock, selectors.EVENT_READ, self)

    def _readable(self):
        data = self.sock.recv(65536)
        self.received += data
        if data:
            return  # to the end: half an answer is none
        head, _, body = self.received.partition(b"\r\n\r\n")
        words = head.split(b" ", 2)
        self.finish(int(words[1]) if len(words) > 1 and words[1].isdigit() and body else 0)


def probe(host, port, stopping, done):
    """Begins a probe every PAUSE_S until stopping (a threading.Event) is set, then lets those under way end."""
    selector, under_way = selectors.DefaultSelector(), {}

    def ended(one, status):
        under_way.pop(one)
        done(one.start, status)

    following = time.monotonic()
    while not stopping.is_set() or under_way:
        now = time.monotonic()
        if now >= following and not stopping.is_set():
            under_way[Probe(selector, host, port, ended)] = None
            following = now + PAUSE_S
        for key, events in selector.select(max(0.0, min(PAUSE_S, following - now))):
            key.data.on_event(events)
        now = time.monotonic()
        for one in [item for item in under_way if item.deadline < now]:
            one.finish(0)
    selector.close()
