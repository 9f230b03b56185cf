"""A daemon that has a library of a test loaded before its own."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def wrap(test, source, environment=""):
    """From now on HECATED is a wrapper that loads the C file; environment: words of sh before the program."""
    library = os.path.join(test.folder, source.replace(".c", ".so"))
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-D_GNU_SOURCE", "-o", library,
                    os.path.join(HERE, source)], check=True)
    daemon = os.environ.get("HECATED", os.path.join(HERE, "..", "..", "build", "release", "hecated"))
    wrapper = os.path.join(test.folder, "hecated")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{environment}exec env LD_PRELOAD={library} "
                   f"ASAN_OPTIONS=\"$ASAN_OPTIONS:verify_asan_link_order=0\" {os.path.abspath(daemon)} \"$@\"\n")
    os.chmod(wrapper, 0o755)
    if "HECATED" in os.environ:
        test.addCleanup(os.environ.__setitem__, "HECATED", os.environ["HECATED"])
    else:
        test.addCleanup(os.environ.pop, "HECATED", None)
    os.environ["HECATED"] = wrapper
    return daemon
