"""The image, built from deploy/docker/Dockerfile, and the topology of compose.yaml, run by podman.

    python -m bench.clean.image

Law: what the two files say is run as it stands. No registry is asked: Debian's own Python in a clean root stands for
the base image, under the name that the Dockerfile gives. The engine's images and settings are this proof's own and are
gone with it. Needs root, debootstrap, podman, podman-compose, runc, netavark, aardvark-dns and iptables.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.clean.machine import clean_root
from bench.clean.services import Verdicts, until
from bench.clean.wheels import ROOT, gathered
from bench.rows import Row

BASE = "python:3.13-slim"
SUITE, PYTHON = "trixie", "3.13"
PACKAGES = "ca-certificates,python3,python3-venv,python-is-python3,libgomp1,libstdc++6"
"""A Python 3.13 and what the wheels want of a system, as the base image has them."""
DOCKERFILE, COMPOSE = "deploy/docker/Dockerfile", "deploy/docker/compose.yaml"
PROJECT = "lepton-image"
TOOLS = ("debootstrap", "podman", "podman-compose", "runc", "iptables")
FILES = ("mobilenetv2.onnx", "mobilenetv2.toml", "imagenet_labels.txt", "pictures/coffee.jpg")
HOME = "/var/lib/lepton-edge"
PATIENCE = 60.0
MOST = 650.0
"""Megabytes that the image may have, of which the base is some 170."""


class Engine:
    """A podman with images, settings and containers of its own; leaving it takes all of them away."""

    def __init__(self, directory: Path, wheels: Path) -> None:
        self._wheels = wheels
        self._directory = directory
        store = (
            f'[storage]\ndriver = "overlay"\ngraphroot = "{directory}/root"\nrunroot = "{directory}/run"\n'
        )
        (directory / "storage.conf").write_text(store)
        # bounds that need no privilege to be set; runc bears every layout of cgroups
        limits = '[containers]\ndefault_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]\n'
        engine = '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        (directory / "containers.conf").write_text(limits + engine)
        (directory / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /srv/wheels\n")
        self._environment = os.environ | {
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "CONTAINERS_CONF": str(directory / "containers.conf"),
        }

    def __enter__(self) -> Engine:
        """Use it."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Take containers, volumes, networks and images away."""
        self.run("podman", "rm", "--force", "--all", "--time", "1", check=False)
        self.run("podman", "volume", "rm", "--force", "--all", check=False)
        self.run("podman", "network", "rm", f"{PROJECT}_cloud", f"{PROJECT}_uplink", check=False)
        self.run("podman", "rmi", "--force", "--all", check=False)

    def run(self, *words: str, check: bool = True, token: str = "") -> str:
        """Run a command against it; return what it said; raise RuntimeError if it failed."""
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT,
            env=self._environment | ({"LEPTON_EDGE_TOKEN": token} if token else {}),
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def take_base(self) -> None:
        """Make the base image of a clean root."""
        archive = self._directory / "base.tar"
        subprocess.run(["tar", "-C", str(clean_root(SUITE, PACKAGES)), "-cf", str(archive), "."], check=True)
        self.run("podman", "import", "--quiet", str(archive), BASE)
        archive.unlink()

    def build(self, tag: str, extras: str) -> float:
        """Build the image; return its size in megabytes."""
        volumes = [
            f"--volume={self._wheels}:/srv/wheels:ro",
            f"--volume={self._directory}/pip.conf:/etc/pip.conf:ro",
        ]
        words = ["podman", "build", "--quiet", "--format=docker", f"--build-arg=EXTRAS={extras}", *volumes]
        self.run(*words, "--file", DOCKERFILE, "--tag", tag, ".")
        return float(self.run("podman", "image", "inspect", tag, "--format", "{{.Size}}")) / 1e6

    def compose(self, *words: str, token: str = "") -> None:
        """Run a command of compose on the file as it stands."""
        self.run("podman-compose", "--project-name", PROJECT, "--file", COMPOSE, *words, token=token)

    def inside(self, service: str, *words: str, check: bool = True) -> str:
        """Run a command in a service's container."""
        return self.run("podman", "exec", f"{PROJECT}_{service}_1", *words, check=check)


def topology(engine: Engine, verdicts: Verdicts) -> None:
    """Start it as its own remarks say: the coordinator, a token, the rest."""
    engine.compose("up", "-d", "coordinator")
    healthy = until(lambda: is_healthy(engine, "coordinator"), PATIENCE)
    verdicts.say("the coordinator's health check passes", healthy < PATIENCE, healthy, "s")
    told = engine.inside("coordinator", "lepton-edge", "token", "create", "--uses", "2")
    engine.compose("up", "-d", token=told.split()[0])

    def all_there() -> bool:
        told = engine.inside("coordinator", "lepton-edge", "device", "list", check=False)
        return "board:8011" in told and "cloud:8011" in told

    seconds = until(all_there, PATIENCE)
    verdicts.say("a board and a cloud have joined", seconds < PATIENCE, seconds, "s")


def is_healthy(engine: Engine, service: str) -> bool:
    """Run the health check: where there is no systemd, podman runs none by itself."""
    name = f"{PROJECT}_{service}_1"
    engine.run("podman", "healthcheck", "run", name, check=False)
    told = engine.run("podman", "inspect", name, "--format", "{{.State.Healthcheck.Status}}")
    return told.strip() == "healthy"


def answers(engine: Engine, verdicts: Verdicts, when: str) -> None:
    """Ask for the picture, as one would on the coordinator's machine."""
    began = time.monotonic()
    ask = ("sh", "-c", f"cd {HOME} && lepton-edge infer mine --input coffee.jpg")
    seconds = until(lambda: "espresso" in engine.inside("coordinator", *ask, check=False), PATIENCE)
    verdicts.say(f"it answers {when}", seconds < PATIENCE, time.monotonic() - began, "s")


def shut_in(engine: Engine, verdicts: Verdicts) -> None:
    """Nobody in particular, without privileges, on a root that is read-only."""
    status = engine.inside("board", "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    verdicts.say("it is not root", fields["Uid"].split()[0] != "0", float(fields["Uid"].split()[0]))
    verdicts.say("it has no capability", int(fields["CapBnd"], 16) == 0)
    verdicts.say("it gains none", fields["NoNewPrivs"].strip() == "1")
    refused = engine.inside("board", "sh", "-c", "touch /opt/x 2>/dev/null || echo refused", check=False)
    verdicts.say("its root is read-only", "refused" in refused)


def stops_and_starts(engine: Engine, verdicts: Verdicts) -> None:
    """SIGTERM ends each at once and well; started again, they need no token and keep what they had."""
    names = [f"{PROJECT}_{one}_1" for one in ("board", "cloud", "coordinator")]
    began = time.monotonic()
    engine.run("podman", "stop", "--time", "20", *names)
    verdicts.say("all three ended on SIGTERM", time.monotonic() - began < 20, time.monotonic() - began, "s")
    statuses = engine.run("podman", "inspect", *names, "--format", "{{.State.ExitCode}}").split()
    verdicts.say("with status 0", statuses == ["0", "0", "0"])
    engine.run("podman", "start", *reversed(names))
    answers(engine, verdicts, "after a restart, from its volumes")


def prove(directory: Path, wheels: Path) -> bool:
    """Build, run, ask, stop, start; a row for each; return whether all was right."""
    verdicts = Verdicts("image")
    with Engine(directory, wheels) as engine:
        engine.take_base()
        Row("image", "an agent's alone (EXTRAS='')", engine.build("lepton-edge-agent", ""), "MB").print()
        size = engine.build("lepton-edge", "[coordinator]")
        verdicts.say("coordinator and agent", size < MOST, size, "MB")
        topology(engine, verdicts)
        for name in FILES:
            source = ROOT / ".demo" / "ingredients" / name
            engine.run("podman", "cp", str(source), f"{PROJECT}_coordinator_1:{HOME}/")
        push = (
            f"cd {HOME} && lepton-edge model push mine mobilenetv2.onnx --manifest mobilenetv2.toml --deploy"
        )
        engine.inside("coordinator", "sh", "-c", push)
        answers(engine, verdicts, "over TLS from container to container")
        shut_in(engine, verdicts)
        stops_and_starts(engine, verdicts)
    return verdicts.right


def main() -> int:
    """Gather the wheels, make the base, then prove."""
    if lacking := [tool for tool in TOOLS if not shutil.which(tool)]:
        print(
            f"missing: {', '.join(lacking)}; apt-get install {' '.join(TOOLS)} netavark aardvark-dns",
            file=sys.stderr,
        )
        return 2
    wheels = gathered(Path(tempfile.gettempdir()) / f"lepton-wheels-{PYTHON}", PYTHON)
    with tempfile.TemporaryDirectory(prefix="lepton-image-") as directory:
        return 0 if prove(Path(directory), wheels) else 1


if __name__ == "__main__":
    sys.exit(main())
