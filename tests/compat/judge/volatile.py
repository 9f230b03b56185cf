"""What may differ between two right answers, taken out of a JSON document: the same on both sides, before they are
compared. What can be checked within one answer is checked here. README.md beside the recordings lists the reasons.
"""

import json
import re

from .renaming import Mismatch

# A refusal goes on, after the reference's lines, with our reasons.
REASONS = (r"\n(cluster [0-9a-f]{32}: |  (node|device) [0-9a-f]{32} |  host [^ \n]+: |  and [0-9]+ more)[^\n]*", "")
GLUSTER_RUN = re.compile(r"^((/var)?/run/gluster)/.*")
# Lists that are ascending by id; what an answer lists in another order is not in here.
ASCENDING = {"clusters", "nodes", "volumes", "blockvolumes", "blockvolume", "devices", "bricks", "Devices",
             "pendingoperations"}


def parse(text):
    """JSON in which no member comes twice."""
    def members(pairs):
        names = [name for name, _ in pairs]
        if len(names) != len(set(names)):
            raise Mismatch("json", "every member once", names)
        return dict(pairs)
    try:
        return json.loads(text, object_pairs_hook=members)
    except ValueError as error:
        raise Mismatch("json", "a JSON document", f"{error}: {text[:200]}") from error


def check_order(value, name=""):
    """Raises Mismatch if a list of an answer that should ascend by id does not."""
    if isinstance(value, dict):
        for key, item in value.items():
            check_order(item, key)
    elif isinstance(value, list):
        keys = [item if isinstance(item, str) else (item.get("id") or item.get("Id")) if isinstance(item, dict) else None
                for item in value]
        # The bricks of a clone are in the order of their originals.
        clone = any(isinstance(item, dict) and GLUSTER_RUN.match(str(item.get("path"))) for item in value)
        if name in ASCENDING and not clone and None not in keys and keys != sorted(keys):
            raise Mismatch(name + " (order)", "ascending ids", keys)
        for item in value:
            check_order(item)


class Volatile:
    """cluster_hosts: from a cluster id to the storage host names of its nodes, None when they are not known."""

    def __init__(self, header, cluster_hosts):
        self.cluster_hosts = cluster_hosts
        self.rules = [self.mount, self.block_hosts, self.times_and_names, self.durability, self.report]
        if "nodes" in header["server"]:
            self.rules.append(self.found_on_node)
        if header.get("mock_specific"):
            self.rules.append(self.examined)
        if header.get("placement") == "random":
            self.rules.append(self.placement)

    def __call__(self, value):
        if isinstance(value, list):
            return [self(item) for item in value]
        if not isinstance(value, dict):
            return value
        value = {key: self(item) for key, item in value.items()}
        for rule in self.rules:
            rule(value)
        return value

    @staticmethod
    def mount(value):
        """mount.glusterfs: hosts in any order, but the device is the first one and the others are the backups."""
        mount = value.get("glusterfs")
        if not isinstance(mount, dict) or "hosts" not in mount:
            return
        hosts = mount["hosts"]
        first, _, volume = mount["device"].partition(":")
        backups = mount["options"].get("backup-volfile-servers")
        if not hosts or first != hosts[0] or backups != ",".join(hosts[1:]):
            raise Mismatch("mount.glusterfs", "device: hosts[0], backup-volfile-servers: hosts[1:]", mount)
        value["glusterfs"] = {"hosts": sorted(hosts), "device": ":" + volume, "options": sorted(mount["options"])}

    def block_hosts(self, value):
        """Hosts of a block volume: all of the cluster in any order, or so many of them."""
        block = value.get("blockvolume")
        if not isinstance(block, dict) or not isinstance(block.get("hosts"), list):
            return
        hosts, known = set(block["hosts"]), self.cluster_hosts(value.get("cluster"))
        if len(hosts) != len(block["hosts"]) or (known is not None and not hosts <= known):
            raise Mismatch("blockvolume.hosts", f"distinct hosts of {sorted(known or [])}", block["hosts"])
        block["hosts"] = sorted(hosts) if known is not None and hosts == known else len(hosts)

    @staticmethod
    def times_and_names(value):
        if "Timestamp" in value:
            value["Timestamp"] = "<time>"
        if value.get("Key") == "DB_GENERATION_ID":
            value["Value"] = "<generation>"
        if re.fullmatch("tp_[0-9a-f]{32}", str(value.get("LvmThinPool"))):
            value["LvmThinPool"] = "tp_<id>"
        if isinstance(value.get("LvmLv"), str):  # of a clone: Gluster's name for it, of Gluster's own id
            value["LvmLv"] = re.sub("^[0-9a-f]{32}_", "<id>_", value["LvmLv"])
        if isinstance(value.get("path"), str):
            value["path"] = GLUSTER_RUN.sub(r"\1/<clone>", value["path"])

    @staticmethod
    def durability(value):
        """A replicate volume without a count has two: it may be said."""
        if value.get("type") == "replicate" and value.get("replicate") == {}:
            value["replicate"] = {"replica": 2}

    @staticmethod
    def report(value):
        """Lines of /db/check: their lists in brackets are sets."""
        if isinstance(value.get("inconsistencies"), list):
            value["inconsistencies"] = [bracketed(line) for line in value["inconsistencies"]]

    @staticmethod
    def found_on_node(value):
        """What a device set-up has found on a pretended node."""
        value.pop("pv_uuid", None)
        if "storage" in value:
            value.pop("paths", None)

    @staticmethod
    def examined(value):
        if "heketidb" in value:
            value["report"] = "<report>"
            value["clusters"] = [
                {"ClusterHeketiID": cluster["ClusterHeketiID"],
                 "NodesData": [node["NodeHeketiID"] for node in cluster["NodesData"] or []]}
                for cluster in value["clusters"] or []]

    @staticmethod
    def placement(value):
        """Random placement: where bricks are, and what they leave of a device; the sum must hold."""
        if {"device", "node", "path", "volume"} <= value.keys():
            value.update(device="<device>", node="<node>", path="<path>")
        if {"storage", "bricks"} <= value.keys():
            value["bricks"] = "<bricks>"
        if {"Bricks", "NodeId"} <= value.keys():
            value["Bricks"] = "<bricks>"
        room = value.get("storage")
        if isinstance(room, dict) and {"total", "free", "used"} <= room.keys():
            if room["total"] != room["free"] + room["used"]:
                raise Mismatch("storage", "total = free + used", dict(room))
            room.update(free="<free>", used="<used>")


def bracketed(line):
    """A line whose lists in brackets are sets."""
    return {"line": re.sub(r"\[[^]]*\]", "[]", line), "lists": [sorted(part.split()) for part in
                                                                 re.findall(r"\[([^]]*)\]", line)]}


def metrics(text, random_placement):
    """Exposition text: families with their help and type, samples as a set of labels and a number."""
    families = {}
    for line in text.splitlines():
        sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        comment = re.fullmatch(r"# (HELP|TYPE) (\w+) (.*)", line)
        if comment:
            families.setdefault(f"{comment.group(1)} {comment.group(2)}", []).append(comment.group(3))
        elif sample:
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', sample.group(2) or ""))
            labels.pop("pv_uuid", None)
            value = float(sample.group(3))
            if random_placement and re.search("free|used|brick_count", sample.group(1)):
                value = "<placement>"
            families.setdefault(sample.group(1), []).append({"labels": labels, "value": value})
        else:
            raise Mismatch("metrics", "a sample or a comment", line)
    for samples in families.values():
        samples.sort(key=lambda sample: json.dumps(sample, sort_keys=True))
    return families
