#!/usr/bin/env python3
"""On which hosts an address is, looked at every 2 ms from outside of them: events `holders` of history.py.

usage: holders.py --address IPV4 --out FILE NAMESPACE...

A socket keeps asking in the network namespace that it was made in (ip-netns(8), netdevice(7): SIOCGIFCONF). Equal
successive looks are one event. Runs until standard input ends.
"""

import argparse
import array
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from namespace import socket_in  # noqa: E402  pylint: disable=wrong-import-position

SIOCGIFCONF = 0x8912
ROOM = 40 * 64  # 64 addresses


def has(sock, wanted):
    room = array.array("B", bytes(ROOM))
    request = struct.pack("iL", ROOM, room.buffer_info()[0])
    length = struct.unpack("iL", fcntl.ioctl(sock, SIOCGIFCONF, request))[0]
    data = room.tobytes()
    return any(data[at + 20:at + 24] == wanted for at in range(0, length, 40))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("namespace", nargs="+")
    arguments = parser.parse_args()
    sockets = [socket_in(name, kind=socket.SOCK_DGRAM) for name in arguments.namespace]
    wanted, events = socket.inet_aton(arguments.address), []
    print("ready", flush=True)
    os.set_blocking(sys.stdin.fileno(), False)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        start = time.monotonic()
        hosts = [number for number, sock in enumerate(sockets, 1) if has(sock, wanted)]
        if events and events[-1]["hosts"] == hosts:
            events[-1]["end"] = time.monotonic()
        else:
            events.append({"op": "holders", "start": start, "end": time.monotonic(), "hosts": hosts})
    with open(arguments.out, "w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event) + "\n")


if __name__ == "__main__":
    main()
