#!/usr/bin/env python3
"""The leader compares what is on the nodes with a database of many volumes, again and again: it stays the leader, and
tells what is amiss in a few lines.

Needs root. HECATED names the daemon (default build/release/hecated).
"""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from test_cluster import ClusterTest  # noqa: E402

VOLUMES = int(os.environ.get("HECATE_VOLUMES", "10000"))
NODE_COUNT = 6
BRICK_KIB, META_KIB = 1 << 20, 8192
DEADLINE_S = 240


def named(letter, number):
    return f"{letter}{number:031x}"


class Dump:
    """A dump as Heketi makes it: volumes of three replicas, on nodes of one device each."""

    def __init__(self, volumes):
        self.bricks, self.volumes = {}, {}
        self.on_device = [[] for _ in range(NODE_COUNT)]
        for number in range(volumes):
            self.add_volume(number)

    def add_volume(self, number):
        volume, bricks = named("e", number), []
        for replica in range(3):
            node = (number + replica) % NODE_COUNT
            brick, device = named("b", 3 * number + replica), named("d", node)
            bricks.append(brick)
            self.on_device[node].append(brick)
            path = f"/var/lib/heketi/mounts/vg_{device}/brick_{brick}/brick"
            self.bricks[brick] = {
                "Info": {"id": brick, "path": path, "device": device, "node": named("a", node), "volume": volume,
                         "size": BRICK_KIB},
                "TpSize": BRICK_KIB, "PoolMetadataSize": META_KIB, "Pending": {"Id": ""}, "LvmThinPool": "",
                "LvmLv": "", "SubType": 1}
        self.volumes[volume] = {
            "Info": {"size": 1, "name": f"volume{number}", "id": volume, "cluster": named("c", 0),
                     "durability": {"type": "replicate", "replicate": {"replica": 3}, "disperse": None},
                     "snapshot": {"enable": False, "factor": 1}},
            "Bricks": bricks, "GlusterVolumeOptions": [], "Pending": {"Id": ""}}

    def document(self):
        cluster, nodes, devices = named("c", 0), {}, {}
        for number in range(NODE_COUNT):
            node, device, host = named("a", number), named("d", number), f"192.0.2.{number + 1}"
            used = len(self.on_device[number]) * (BRICK_KIB + META_KIB)
            nodes[node] = {"State": "online", "Devices": [device], "Info": {
                "zone": number + 1, "hostnames": {"manage": [host], "storage": [host]}, "cluster": cluster,
                "id": node}}
            devices[device] = {
                "State": "online", "NodeId": node, "ExtentSize": 4096, "Bricks": self.on_device[number],
                "Info": {"name": "/dev/sdb", "id": device, "pv_uuid": "uuid",
                         "storage": {"total": 1 << 40, "free": (1 << 40) - used, "used": used}}}
        return {"clusterentries": {cluster: {"Info": {
            "id": cluster, "nodes": sorted(nodes), "volumes": sorted(self.volumes), "block": True, "file": True,
            "blockvolumes": []}}},
            "volumeentries": self.volumes, "nodeentries": nodes, "deviceentries": devices,
            "brickentries": self.bricks, "blockvolumeentries": {}, "dbattributeentries": {}, "pendingoperations": {}}


class AuditTest(ClusterTest):
    glusterfs_section = {"start_time_background_cleaner": 1, "refresh_time_background_cleaner": 1,
                         "max_volumes_per_cluster": -1}

    def before_up(self):
        self.faults_file = os.path.join(self.folder, "faults.json")
        self.mock = {"faults_file": self.faults_file}
        dump = os.path.join(self.folder, "dump.json")
        with open(dump, "w", encoding="utf-8") as file:
            json.dump(Dump(VOLUMES).document(), file)
        self.up_arguments = ("--import", dump)

    def order(self, orders):
        """What the pretended nodes lack from now on."""
        with open(self.faults_file + ".new", "w", encoding="utf-8") as file:
            json.dump(orders, file)
        os.rename(self.faults_file + ".new", self.faults_file)

    def leading(self):
        status = self.members.status(self.members.leader())
        return status if status and "audit" in status else None

    def after_rounds(self, count):
        """The leader's status when it has ended so many further rounds."""
        begun = eventually("a leader", self.leading)["audit"]["rounds"]

        def probe():
            status = self.leading()
            return status if status and status["audit"]["rounds"] >= begun + count else None
        return eventually(f"{count} rounds of the audit", probe, DEADLINE_S, 0.2)

    def warnings_after(self, count):
        return {item["code"]: item for item in self.after_rounds(count)["warnings"]}

    def test_many_volumes_are_compared_while_the_leader_leads(self):
        def loaded():
            answer = self.members.any("GET", "/volumes", timeout_s=60)
            return answer if answer.status == 200 else None
        self.assertEqual(len(eventually("the database is loaded", loaded, DEADLINE_S).json()["volumes"]), VOLUMES)
        term = self.after_rounds(1)["term"]
        status = self.after_rounds(2)
        self.assertEqual((status["warnings"], status["term"]), ([], term))

        self.order([{"step": "inventory", "host": "192.0.2.1", "lose": "vg_"}])
        warnings = self.warnings_after(3)
        self.assertLessEqual({"missing-group", "missing-lv", "missing-mount", "missing-fstab"}, set(warnings))
        lost = len(Dump(VOLUMES).on_device[0])
        self.assertIn(f"{2 * lost} logical volumes are not on node 192.0.2.1: ", warnings["missing-lv"]["text"])
        self.assertEqual(warnings["missing-lv"]["node"], named("a", 0))

        self.order([{"step": "inventory", "host": "192.0.2.2", "code": "timeout", "fail": "it says nothing"}])
        warnings = self.warnings_after(3)
        self.assertEqual(set(warnings), {"node-not-examined"})
        self.assertIn("it says nothing", warnings["node-not-examined"]["text"])

        self.order([])
        status = self.after_rounds(3)
        self.assertEqual((status["warnings"], status["term"]), ([], term))
        lines = self.log(status["member_id"]).count(" audit ")
        self.assertLess(lines, 30)  # only what changed


if __name__ == "__main__":
    unittest.main()
