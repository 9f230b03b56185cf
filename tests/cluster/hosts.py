"""Hosts for cluster tests: network namespaces of our own on a bridge of our own, with links that can be cut.

Needs root. Addresses are of 198.18.0.0/15, the range for tests between networks; nothing leaves the namespaces.
"""

import os
import subprocess


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


class Hosts:
    """m1..mN and one client c1, each a namespace; close() removes them."""

    def __init__(self, count):
        self.prefix = f"hct{os.getpid()}"
        self.bridge = f"{self.prefix}-br"
        self.names = [f"m{number}" for number in range(1, count + 1)] + ["c1"]
        self.close()
        run("ip", "netns", "add", self.bridge)
        self._in(self.bridge, "ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self._in(self.bridge, "ip", "link", "set", "br0", "up")
        for index, name in enumerate(self.names):
            self._add(name, self.address(name), index)

    def _in(self, namespace, *command):
        return run("ip", "netns", "exec", namespace, *command)

    def _add(self, name, address, index):
        namespace = self.namespace(name)
        run("ip", "netns", "add", namespace)
        run("ip", "link", "add", f"hct{index}a", "netns", namespace, "type", "veth", "peer", "name", f"p-{name}", "netns",
            self.bridge)
        self._in(namespace, "ip", "link", "set", f"hct{index}a", "name", "eth0")
        self._in(namespace, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self._in(namespace, "ip", "link", "set", "eth0", "up")
        self._in(namespace, "ip", "link", "set", "lo", "up")
        self._in(self.bridge, "ip", "link", "set", f"p-{name}", "master", "br0")
        self._in(self.bridge, "ip", "link", "set", f"p-{name}", "up")

    def namespace(self, name):
        return f"{self.prefix}-{name}"

    def address(self, name):
        return "198.18.1.101" if name == "c1" else f"198.18.1.{int(name[1:])}"

    def members(self):
        """For scripts/cluster up --hosts."""
        return ",".join(f"{self.namespace(name)}={self.address(name)}" for name in self.names if name != "c1")

    def cut(self, name):
        self._in(self.bridge, "ip", "link", "set", f"p-{name}", "down")

    def heal(self, name):
        self._in(self.bridge, "ip", "link", "set", f"p-{name}", "up")

    def close(self):
        for name in self.names:
            run("ip", "netns", "del", self.namespace(name), check=False)
        run("ip", "netns", "del", self.bridge, check=False)
