"""What the tests on Docker need: the base image, and the ways to call Compose."""

import json
import os
import shutil
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASE = "debian:bookworm-slim"
ADDRESS = "http://198.18.10.10:8080"


def works(*command):
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def composes():
    """The ways to call Compose here: {name: command}."""
    found = {"v1": ["docker-compose"], "v2": ["docker", "compose"]}
    return {name: command for name, command in found.items() if works(*command, "version")}


def why_not():
    """Why containers cannot be tested here; None when they can."""
    if os.geteuid() != 0:
        return "needs root"
    if not works("docker", "info"):
        return "no Docker Engine answers"
    if not composes():
        return "Compose is not installed"
    if not works("docker", "image", "inspect", BASE) and not shutil.which("mmdebstrap"):
        return f"there is no image {BASE}, and no mmdebstrap to make it"
    return None


def make_base():
    if works("docker", "image", "inspect", BASE):
        return
    words = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT)",
                            "Created-By: Packages"], check=True, capture_output=True, text=True).stdout.splitlines()
    mirror = next(line.split()[0] for line in words if line.split()[1:] == ["bookworm", "main"])
    with subprocess.Popen(["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", "-", mirror],
                          stdout=subprocess.PIPE) as made:
        subprocess.run(["docker", "import", "-", BASE], stdin=made.stdout, check=True, stdout=subprocess.DEVNULL)
    if made.returncode != 0:
        subprocess.run(["docker", "rmi", BASE], check=False)
        raise AssertionError(f"mmdebstrap failed with {made.returncode}")


def builder():
    """The environment of `docker build`: without the plugin buildx the engine's former builder is asked for by name."""
    return dict(os.environ) if works("docker", "buildx", "version") else dict(os.environ, DOCKER_BUILDKIT="0")


class Project:
    """One project of docker-compose.yml, called by one of the Composes."""

    def __init__(self, compose, name, **environment):
        self.compose = compose
        self.name = name
        self.environment = dict(builder(), COMPOSE_PROJECT_NAME=name, HECATE_IMAGE="hecate-test", **environment)

    def run(self, *arguments, check=True, deadline_s=1200):
        done = subprocess.run([*self.compose, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True,
                              check=False, timeout=deadline_s, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(self.compose + list(arguments))}: {done.returncode}\n"
                                 f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def client(self, *arguments):
        """hecate in a container beside the members; what it printed."""
        return self.run("run", "--rm", "-T", "client", *arguments).stdout

    def container(self, service):
        return self.run("ps", "-a", "-q", service).stdout.split()[-1]

    def inspect(self, service):
        return json.loads(subprocess.run(["docker", "inspect", self.container(service)], check=True,
                                         capture_output=True, text=True).stdout)[0]

    def health(self, service):
        return self.inspect(service)["State"].get("Health", {}).get("Status")

    def wait_healthy(self, services, deadline_s=120):
        deadline = time.monotonic() + deadline_s
        while True:
            states = {service: self.health(service) for service in services}
            if set(states.values()) == {"healthy"}:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not healthy within {deadline_s} s: {states}\n{self.logs()}")
            time.sleep(0.2)

    def logs(self):
        return self.run("logs", "--tail", "20", check=False).stdout

    def processes(self, service):
        """[(pid on this host, command name)] of a service's container."""
        text = subprocess.run(["docker", "top", self.container(service), "-o", "pid,comm"], check=True,
                              capture_output=True, text=True).stdout
        return [(int(line.split()[0]), line.split()[1]) for line in text.splitlines()[1:]]

    def left(self):
        """Containers, volumes and networks of the project that are still there."""
        label = f"label=com.docker.compose.project={self.name}"
        return [line for kind in (["ps", "-a"], ["volume", "ls"], ["network", "ls"])
                for line in subprocess.run(["docker", *kind, "-q", "--filter", label], check=True, capture_output=True,
                                           text=True).stdout.split()]

    def down(self):
        self.run("--profile", "lab", "--profile", "client", "down", "-v", "--remove-orphans", "-t", "20", check=False)
