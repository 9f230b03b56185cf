"""A cluster with virtual addresses, and who holds them."""

import subprocess

from client import eventually, request
from test_cluster import ClusterTest

V4, V6 = "198.18.1.200", "2001:db8:1::200"
URL = f"http://{V4}:8080"
URL6 = f"http://[{V6}]:8080"


class AddressCluster(ClusterTest):
    cluster_section = {"snapshot_entries": 64, "virtual_ips": [f"{V4}%eth0", f"{V6}%eth0"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number, name in enumerate(cls.hosts.names, 1):
            subprocess.run(["ip", "netns", "exec", cls.hosts.namespace(name), "ip", "-6", "addr", "add",
                            f"2001:db8:1::{number}/64", "dev", "eth0", "nodad"], check=True)

    def holders(self):
        """The members on whose hosts the addresses are (all of them)."""
        found = []
        for number in (1, 2, 3):
            text = subprocess.run(["ip", "netns", "exec", self.hosts.namespace(f"m{number}"), "ip", "-o", "addr", "show",
                                   "dev", "eth0"], check=True, capture_output=True, text=True).stdout
            have = [f" {V4}/32 " in text, f" {V6}/128 " in text]
            if any(have):
                found.append(number if all(have) else -number)
        return found

    def through_address(self, url=URL):
        answer = request(url, "GET", "/clusters", namespace=self.hosts.namespace("c1"), timeout_s=1)
        return answer is not None and answer.status == 200

    def leader_has_it(self, among=(1, 2, 3)):
        def probe():
            leader = self.members.leader(among=among)
            return leader if self.holders() == [leader] and self.through_address() and self.through_address(URL6) else None
        return eventually("the leader holds the addresses and answers there", probe)
