#!/usr/bin/env python3
"""Gluster volumes of the pool that are somebody else's: nothing that anybody asks for stops, changes or deletes them.
And what Gluster refuses for good: it is refused before it is asked for, or told.

Needs root; boots the lab (scripts/lab) unless it is up. HECATED names the daemon (default build/release/hecated).
"""

import unittest

from system import JOB_S, LabTest, eventually, on_node

NOT_OURS = "is not the one that is meant, and was left as it is"


class ForeignTest(LabTest):
    NODES = (1,)

    def make_foreign(self, name):
        address = self.environment["HECATE_LAB_NODE1"]
        on_node(1, f"set -e\nmkdir -p /srv\ngluster --mode=script volume create {name} {address}:/srv/{name} force\n"
                   f"gluster --mode=script volume start {name}")
        self.mounted(name, "echo precious >file")

    def delete_foreign(self, name):
        on_node(1, f"set -e\ngluster --mode=script volume stop {name} force\ngluster --mode=script volume delete {name}\n"
                   f"rm -rf /srv/{name}")

    def assert_foreign_serves(self, name):
        self.assertEqual(self.mounted(name, "cat file"), "precious")
        self.assertNotIn("user.heketi.id", on_node(1, f"gluster --mode=script volume info {name}"))

    def finish_create(self, **body):
        return self.finish_request("POST", "/volumes", {"size": 1, "durability": {"type": "none"}, **body})

    def made(self, **body):
        done = self.finish_create(**body)
        self.assertEqual(done.status, 303, done.body)
        return done.headers["location"]

    def assert_no_volume_left(self):
        self.wait_for_operations()
        self.assertEqual(self.members.any("GET", "/volumes").json(), {"volumes": []})
        self.assert_nodes_equal_database()

    def test_1_a_create_and_its_undo(self):
        self.make_foreign("gv0")
        done = self.finish_create(name="gv0")
        self.assertEqual(done.status, 500, done.body)
        self.assertIn("volume gv0 exists with other bricks", done.body)
        self.assert_foreign_serves("gv0")
        self.delete_foreign("gv0")
        self.assert_no_volume_left()

    def test_2_one_took_the_name_of_ours(self):
        path = self.made(name="mine")
        on_node(1, "set -e\ngluster --mode=script volume stop mine force\ngluster --mode=script volume delete mine")
        self.make_foreign("mine")
        for method, to, body in (("DELETE", path, None), ("POST", f"{path}/expand", {"expand_size": 1}),
                                 ("POST", f"{path}/clone", {"name": "copy"})):
            done = self.finish_request(method, to, body)
            self.assertEqual(done.status, 500, done.body)
            self.assertIn(NOT_OURS, done.body)
            self.assert_foreign_serves("mine")
        self.delete_foreign("mine")
        self.delete(path)
        self.assert_no_volume_left()

    def test_3_ours_was_changed_by_hand(self):
        path = self.made(name="changed")
        address = self.environment["HECATE_LAB_NODE1"]
        on_node(1, "set -e\ngluster --mode=script volume set changed user.heketi.id none\n"
                   f"gluster --mode=script volume add-brick changed {address}:/srv/more force")
        done = self.finish_request("DELETE", path)
        self.assertEqual(done.status, 500, done.body)
        self.assertIn(NOT_OURS, done.body)
        self.assertIn(f"{address}:/srv/more", done.body)
        self.assert_bricks_online("changed", 1)
        way_on = f"gluster volume set changed user.heketi.id {path.rsplit('/', 1)[1]}"
        self.assertIn(way_on, done.body)
        on_node(1, way_on)
        self.delete(path)
        on_node(1, "rm -rf /srv/more")
        self.assert_no_volume_left()

    def refused(self, **body):
        answer = self.members.any("POST", "/volumes", {"size": 1, **body})
        self.assertEqual(answer.status, 400, answer.body)
        return answer.body

    def test_4_names_that_are_too_long(self):
        for length in (255, 257, 1024):  # glusterd makes files of the name; from 257 on it knows no such volume
            job = self.accepted("POST", "/volumes", {"size": 1, "name": "n" * length})
            self.assertEqual(self.members.finish(job, deadline_s=JOB_S).status, 500)
        self.delete(self.made(name="n" * 128))
        self.assert_no_volume_left()

    def test_5_what_gluster_cannot_say_in_xml(self):
        self.assertIn("no characters", self.refused(glustervolumeoptions=["user.x a\uffffb"]))
        path = self.made(name="unsaid")
        on_node(1, "gluster --mode=script volume set unsaid user.x $(printf 'a\\357\\277\\277b')")
        location = self.accepted("DELETE", path)

        def warning():
            state = self.members.status(self.members.leader())
            return [item["text"] for item in state["warnings"] if item["code"] == "operations-refused"]
        texts = eventually("the refusal is told", warning, deadline_s=120, pause_s=0.5)
        self.assertIn("give the option another value", texts[0])
        on_node(1, "gluster --mode=script volume set unsaid user.x b")
        self.assertEqual(self.members.finish(location, deadline_s=JOB_S).status, 204)
        self.assert_no_volume_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
