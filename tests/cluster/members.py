"""A cluster whose members change."""

from client import eventually
from test_cluster import ClusterTest


class MembersCluster(ClusterTest):
    spare_hosts = 2

    def listed(self):
        answer = self.members.any("GET", "/cluster/members")
        return {item["id"]: item for item in answer.json()["members"]}

    def roles(self):
        return {number: item["role"] for number, item in self.listed().items()}

    def wait_voters(self, numbers):
        return eventually(f"members {numbers} vote", lambda: self.roles() == {number: "voter" for number in numbers})

    def place(self, number, peer=8090):
        host = self.hosts.address(f"m{number}")
        return ["--peer", f"{host}:{peer}", "--api", f"{host}:8080"]

    def join(self, number):
        host = f"{self.hosts.namespace(f'm{number}')}={self.hosts.address(f'm{number}')}"
        self.cluster("join", str(number), "--host", host)
        self.members.urls[number] = f"http://{self.hosts.address(f'm{number}')}:8080"

    def at_one_index(self, numbers):
        """The digests of these members, once they are at the same index."""
        def probe():
            states = {number: self.members.status(number) for number in numbers}
            if not all(states.values()) or len({state["applied_index"] for state in states.values()}) != 1:
                return None
            return [next(item["digest"] for item in state["members"] if item["id"] == number)
                    for number, state in states.items()]
        digests = eventually("all members at one index", probe)
        self.assertEqual(len(set(digests)), 1, digests)

    def wait_ended(self, number, text):
        eventually(f"member {number} ends and says '{text}'",
                   lambda: text in self.log(number) and self.members.status(number) is None)
