#!/usr/bin/env python3
"""Trouble with one member's disk: it stops and says which file and what to do, the cluster goes on, and one command brings
it back.

Needs root. HECATED names the daemon (default build/release/hecated), HECATE the client.
"""

import os
import signal
import subprocess
import sys
import unittest
import unittest.mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
from client import eventually  # noqa: E402
from disk import change_log, flip_bit, snapshot_path, tear  # noqa: E402
from members import MembersCluster  # noqa: E402

# A disk whose syncs fail once the file FAIL is there.
FAILING = """
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>
static int fails(void) { return access(FAIL, F_OK) == 0; }
int fdatasync(int fd) { if (fails()) { errno = EIO; return -1; } return (int)syscall(SYS_fdatasync, fd); }
int fsync(int fd) { if (fails()) { errno = EIO; return -1; } return (int)syscall(SYS_fsync, fd); }
"""


class DiskCluster(MembersCluster):
    def data(self, number):
        return os.path.join(self.directory, f"data-{number}")

    def segment(self, number):
        return os.path.join(self.data(number), max(name for name in os.listdir(self.data(number))
                                                   if name.startswith("seg-") and not name.endswith(".new")))

    def follower(self):
        return next(number for number in (1, 2, 3) if number != self.members.leader())

    def prepare(self):
        """A cluster with a snapshot on every member; a follower to be hurt."""
        self.load_topology()
        for count in range(8):
            self.assertEqual(self.members.finish(self.create(f"volume-{count}-aaaa")).status, 303)
        self.assert_equal_replicas()
        return self.follower()

    def goes_on_and_is_replaced(self, victim):
        others = [number for number in (1, 2, 3) if number != victim]
        self.assertEqual(self.members.finish(self.create("meanwhile", among=others), among=others).status, 303)
        os.rename(self.data(victim), self.data(victim) + ".damaged")
        self.hecate("member", "replace", str(victim))
        self.cluster("start", str(victim))
        self.wait_voters([1, 2, 3])
        self.assert_equal_replicas()


class DiskTest(DiskCluster):
    cluster_section = {"snapshot_entries": 16}

    def test_damage_is_refused_with_file_and_remedy(self):
        victim = self.prepare()
        self.cluster("kill", str(victim))
        for path, offset in ((self.segment(victim), 700), (snapshot_path(self.data(victim)), 90),
                             (os.path.join(self.data(victim), "manifest"), 41)):
            flip_bit(path, offset)
            self.cluster("start", str(victim), check=False)
            self.wait_ended(victim, f"{path} is damaged")
            self.assertIn(f"hecate member replace {victim}", self.log(victim).rsplit("is damaged", 1)[1])
            flip_bit(path, offset)  # as it was
        os.unlink(snapshot_path(self.data(victim)))
        self.cluster("start", str(victim), check=False)
        self.wait_ended(victim, "the file is missing")
        self.goes_on_and_is_replaced(victim)

    def test_torn_write_is_no_damage(self):
        victim = self.prepare()
        self.cluster("kill", str(victim))
        path = self.segment(victim)
        at, torn = tear(path)
        self.cluster("start", str(victim))
        with open(path, "rb") as file:
            file.seek(at)
            self.assertNotEqual(file.read(len(torn)), torn, "it is wiped, or a later start would find it behind good records")
        self.assertEqual(self.members.finish(self.create("after-the-tear")).status, 303)
        self.assert_equal_replicas()

    def test_older_copy_of_the_disk(self):
        victim = self.prepare()
        self.cluster("kill", str(victim))
        older = self.data(victim) + ".older"
        subprocess.run(["cp", "-a", self.data(victim), older], check=True)
        self.cluster("start", str(victim))
        self.assertEqual(self.members.finish(self.create("not-in-the-copy")).status, 303)
        self.assert_equal_replicas()  # this one has acknowledged it, too
        self.cluster("kill", str(victim))
        os.rename(self.data(victim), self.data(victim) + ".newer")
        os.rename(older, self.data(victim))
        self.cluster("start", str(victim), check=False)
        self.wait_ended(victim, "its data directory is an older copy")
        self.goes_on_and_is_replaced(victim)

    def test_full_disk(self):
        victim = self.prepare()
        self.cluster("stop", str(victim))
        data = self.data(victim)
        os.rename(data, data + ".old")
        os.mkdir(data)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", data], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", data], check=False, capture_output=True)
        subprocess.run(["cp", "-a", f"{data}.old/.", data], check=True)
        self.cluster("start", str(victim))
        self.wait_voters([1, 2, 3])
        with open(os.path.join(data, "filler"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\1" * 4096)
            except OSError:
                pass
        count = 0
        while self.members.status(victim) is not None and count < 100:
            count += 1
            self.assertEqual(self.members.finish(self.create(f"fills-{count}")).status, 303)
        self.wait_ended(victim, "No space left on device")
        self.assertIn("make room on its file system", self.log(victim))
        os.unlink(os.path.join(data, "filler"))  # nothing was lost: it goes on as it is
        self.cluster("start", str(victim))
        self.assert_equal_replicas()

    def test_failed_sync(self):
        victim = self.prepare()
        self.cluster("stop", str(victim))
        source, library, fail = (os.path.join(self.folder, name) for name in ("failing.c", "failing.so", "fail"))
        with open(source, "w", encoding="ascii") as file:
            file.write(FAILING)
        subprocess.run(["gcc", "-shared", "-fPIC", f'-DFAIL="{fail}"', "-o", library, source], check=True)
        changed = {"LD_PRELOAD": library,  # the sanitizer's library minds not being the first
                   "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        with unittest.mock.patch.dict(os.environ, changed):
            self.cluster("start", str(victim))
        self.wait_voters([1, 2, 3])
        with open(fail, "w", encoding="ascii"):
            pass
        self.members.finish(self.create("not-here", among=[self.members.leader()]))
        self.wait_ended(victim, "Input/output error")
        self.assertIn("mend the disk", self.log(victim))
        os.unlink(fail)
        self.goes_on_and_is_replaced(victim)

    def test_the_leader_s_disk(self):
        self.prepare()
        leader = self.members.leader()
        os.kill(self.pid(leader), signal.SIGKILL)
        flip_bit(self.segment(leader), 700)
        others = [number for number in (1, 2, 3) if number != leader]
        eventually("another leads", lambda: self.members.leader(among=others))
        self.cluster("start", str(leader), check=False)
        self.wait_ended(leader, "is damaged")
        self.goes_on_and_is_replaced(leader)


class DivergedTest(DiskCluster):
    cluster_section = {}  # no snapshot: the log is read again from its beginning

    def test_another_database_stops_the_member(self):
        victim = self.prepare()
        self.cluster("stop", str(victim))
        change_log(self.data(victim), b"volume-0-aaaa", b"volume-0-bbbb")
        self.cluster("start", str(victim), check=False)
        self.wait_ended(victim, "differs from that of most members")
        self.assertIn(f"hecate member replace {victim}", self.log(victim))
        self.assertNotIn("volume-0-bbbb", json_of(self.members))
        self.goes_on_and_is_replaced(victim)


def json_of(members):
    return "".join(members.any("GET", f"/volumes/{item}").body
                   for item in members.any("GET", "/volumes").json()["volumes"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
