#!/usr/bin/env python3
"""Volumes of every durability on real Gluster nodes: what Gluster makes of them, what an old client would be given, files
written and read through the FUSE client, and nothing left behind.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import re
import unittest

from system import LabTest, on_node

REPLICA_2 = {"type": "replicate", "replicate": {"replica": 2}}
DISPERSE = {"type": "disperse", "disperse": {"data": 2, "redundancy": 1}}
# What a client of 3.8 can load.
OLD_TRANSLATORS = {"protocol/client", "cluster/replicate", "cluster/distribute", "cluster/disperse", "performance/io-cache",
                   "performance/io-threads", "performance/md-cache", "performance/open-behind", "performance/quick-read",
                   "performance/read-ahead", "performance/readdir-ahead", "performance/write-behind", "features/shard",
                   "features/quota", "features/read-only", "debug/io-stats"}
OLD_OP_VERSION = 30800
WRITE = """
set -e
mkdir -p /mnt/{name}
mount -t glusterfs {address}:/{name} /mnt/{name}
for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=/mnt/{name}/file$i bs=64k count=5 2>/dev/null; done
cat /mnt/{name}/file* | sha256sum >/tmp/{name}.sum
umount /mnt/{name}
mount -t glusterfs {address}:/{name} /mnt/{name}
cat /mnt/{name}/file* | sha256sum | cmp - /tmp/{name}.sum
ls /mnt/{name} | wc -l
umount /mnt/{name}
"""


class DurabilitiesTest(LabTest):
    DISKS = 2
    SETTINGS = {"oldest_client": "3.8", "brick_max_size_gb": 2}

    def info(self, name):
        """Gluster's word on the volume: numbers and words of the XML."""
        xml = on_node(1, f"gluster --mode=script volume info {name} --xml")
        return dict(re.findall(r"<(typeStr|statusStr|brickCount|replicaCount|arbiterCount|disperseCount|redundancyCount)>"
                               r"([^<]*)<", xml))

    def translators(self, name):
        return set(re.findall(r"^ *type (\S+)$", on_node(1, f"gluster system:: getspec {name}"), re.M))

    def client_op_version(self, name):
        return int(on_node(1, f"sed -n s/^client-op-version=//p /var/lib/glusterd/vols/{name}/info"))

    def check(self, name, expected, translator, **request):
        """Creates, looks at it from everywhere, uses it, deletes it."""
        path = self.create(name, **request)
        info = self.info(name)
        self.assertEqual({key: info.get(key) for key in expected}, expected)
        self.assertEqual(info["statusStr"], "Started")
        self.assert_bricks_online(name, int(info["brickCount"]))
        self.assert_nodes_equal_database()
        self.assertIn(translator, self.translators(name))
        self.assertLessEqual(self.translators(name), OLD_TRANSLATORS)
        self.assertLessEqual(self.client_op_version(name), OLD_OP_VERSION)
        address = self.environment["HECATE_LAB_NODE1"]
        self.assertEqual(on_node("c1", WRITE.format(name=name, address=address)).strip(), "8")
        volume = self.members.any("GET", path).json()
        self.assertEqual(len(volume["bricks"]), int(info["brickCount"]))
        self.delete(path)
        self.assert_nodes_equal_database()
        return volume

    def test_none(self):
        self.check("none", {"typeStr": "Distribute", "brickCount": "1"}, "protocol/client",
                   durability={"type": "none"})

    def test_distributed(self):
        self.check("spread", {"typeStr": "Distribute", "brickCount": "2"}, "cluster/distribute", size=3,
                   durability={"type": "none"})

    def test_replica_2(self):
        self.check("two", {"typeStr": "Replicate", "brickCount": "2", "replicaCount": "2"}, "cluster/replicate",
                   durability=REPLICA_2)

    def test_distributed_replica_2(self):
        self.check("pairs", {"typeStr": "Distributed-Replicate", "brickCount": "4", "replicaCount": "2"},
                   "cluster/replicate", size=3, durability=REPLICA_2)

    def test_replica_3(self):
        self.check("three", {"typeStr": "Replicate", "brickCount": "3", "replicaCount": "3", "arbiterCount": "0"},
                   "cluster/replicate")

    def test_arbiter(self):
        """Its smallest brick: mkfs.xfs on a thin volume takes it."""
        volume = self.check("arbiter", {"typeStr": "Replicate", "brickCount": "3", "replicaCount": "3",
                                        "arbiterCount": "1"}, "cluster/replicate",
                            glustervolumeoptions=["user.heketi.arbiter true"], gid=2004)
        self.assertEqual(sorted(brick["size"] for brick in volume["bricks"]), [589824, 1048576, 1048576])

    def test_disperse(self):
        self.check("coded", {"typeStr": "Disperse", "brickCount": "3", "disperseCount": "3", "redundancyCount": "1"},
                   "cluster/disperse", size=2, durability=DISPERSE)

    def test_block_hosting(self):
        self.check("hosting", {"typeStr": "Replicate", "brickCount": "3"}, "features/shard", block=True)

    def test_newer_clients(self):
        """A create's own word counts, and what it leaves on is what old clients cannot load."""
        path = self.create("newer", oldestclient="10")
        self.assertIn("features/utime", self.translators("newer"))
        self.delete(path)
        self.assert_nodes_equal_database()

    def test_option_that_keeps_old_clients_out(self):
        answer = self.members.any("POST", "/volumes", {"size": 1, "durability": {"type": "none"},
                                                       "glustervolumeoptions": ["performance.nl-cache on"]})
        self.assertEqual(answer.status, 400)
        self.assertIn("'performance.nl-cache on' demands clients of op-version 31100", answer.body)
        self.assert_nodes_equal_database()


if __name__ == "__main__":
    unittest.main(verbosity=2)
