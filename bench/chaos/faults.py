"""What each kind of fault does: it strikes, lasts as long as its caller waits, and is undone.

Law: a fault is a generator: up to its first `yield` it strikes, after it, it undoes what it did. What a person's
command ends with (a typed error is allowed) is noted; what is not typed is a finding.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.chaos.allowance import Pinned
from bench.chaos.clocks import DAY, MINUTES
from bench.chaos.schedule import Fault
from bench.chaos.subject import NAME, VERSIONS, Subject, make_ballast
from bench.chaos.town import WIFI, Place
from bench.chaos.witnesses import Witnesses
from lepton_edge.client import Client
from partitioner.errors import LeptonError

Strike = Iterator[None]
PATIENCE = 45.0
JUMPS = (DAY, -DAY, MINUTES, -MINUTES)
ALONE = 10.0
"""Seconds within which a board that was started answers, coordinator or not."""


@dataclass
class Scene:
    """All that faults act upon, and what their commands ended with.

    `allowed` says from when on which versions may answer.
    """

    place: Place
    witnesses: Witnesses
    subject: Subject
    allowed: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    commands: list[tuple[int, str, str]] = field(default_factory=list)
    untyped: list[str] = field(default_factory=list)
    version: str = VERSIONS[0]
    keep_input: bool = False
    homes: dict[str, str] = field(default_factory=dict)
    """The board that each witness asks."""
    copies: Iterator[int] = field(default_factory=itertools.count)
    toothless: set[int] = field(default_factory=set)
    """Faults, by index, that were to make something fail and did not."""
    pins: list[Pinned] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)
    """What boards did not do alone."""

    def home(self, board: str) -> str:
        """Return the cloud that a board was deployed with."""
        clouds = self.place.clouds
        return clouds[self.place.boards.index(board) % len(clouds)]

    def board_of(self, victim: str) -> str:
        """Return the board that is a victim, or one that uses it."""
        boards = self.place.boards
        return next((board for board in boards if victim in (board, self.home(board))), boards[0])

    def users(self, victim: str) -> set[str]:
        """Return the boards whose requests a victim has a part in: itself, those of a cloud, all of them."""
        boards = self.place.boards
        return {board for board in boards if victim in (board, self.home(board))} or set(boards)

    def ballast(self, fault: Fault, pushed: bool = True) -> str:
        """Push a model that nobody has, before a fault strikes; return its name."""
        name = f"ballast-{fault.index}"
        path = make_ballast(self.place.directory / f"{name}.onnx", fault.index)
        if pushed:
            self.order(fault, "push ballast", lambda client: client.push(name, path))
        return name

    def bites(self, fault: Fault, what: str, do: Callable[[Client], object], codes: tuple[str, ...]) -> None:
        """Give an order that a fault is to make impossible; note where it does not end with one of `codes`."""
        self.order(fault, what, do)
        if not self.commands[-1][2].startswith(tuple(f"{code}:" for code in codes)):
            self.toothless.add(fault.index)

    def unload(self, fault: Fault, name: str) -> None:
        """Remove what was pushed for a fault."""
        (self.place.directory / f"{name}.onnx").unlink()
        self.order(fault, "remove ballast", lambda client: client.remove(name))

    def deploy(self, client: Client, board: str) -> dict[str, Any]:
        """Deploy on a board, with its own cloud, and all others to stand in for that one."""
        return client.deploy(
            NAME, devices=(board, self.home(board)), replicas=("*",), keep_input_on_board=self.keep_input
        )

    def pin(self, fault: Fault, what: str, page: str = "") -> bool:
        """Pin a page of the board that a fault is about, or unpin it."""
        board = self.board_of(fault.victim)
        self.pins.append(Pinned(time.monotonic(), board, ""))
        done = self.order(fault, what, lambda client: client.pin(NAME, page=page, board=board))
        if done:
            self.pins.append(Pinned(time.monotonic(), board, page))
        return done

    def wait_until_attached(self, seconds: float = 20.0) -> None:
        """Wait until the coordinator knows every agent to be there."""
        end, names = time.monotonic() + seconds, {*self.place.boards, *self.place.clouds}
        with Client(self.place.coordinator, patience=PATIENCE) as client:
            while names and time.monotonic() < end:
                there = client.devices()["devices"]
                names -= {device["device"] for device in there if device["connected"]}
                time.sleep(0.1)

    def wait_until_served(self, fault: Fault, seconds: float = ALONE) -> None:
        """Wait until a board that is a victim answers what is asked of it from now on, and note where it does not."""
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            if any(self.homes[one.witness] == fault.victim for one in self.witnesses.right_since(begun)):
                return
            time.sleep(0.05)
        self.unserved.append(f"#{fault.index} {fault.victim} did not answer within {seconds:.0f} s")

    def allow(self, *versions: str) -> None:
        """Note which versions may answer what is asked from now on."""
        self.allowed.append((time.monotonic(), frozenset(versions)))

    def order(self, fault: Fault, what: str, do: Callable[[Client], object]) -> bool:
        """Give the coordinator an order as a person would; return whether it was carried out."""
        try:
            with Client(self.place.coordinator, patience=PATIENCE) as client:
                do(client)
        except LeptonError as error:
            self.commands.append((fault.index, what, f"{error.code}: {error.message}"[:200]))
            return False
        self.commands.append((fault.index, what, "done"))
        return True


def kill(scene: Scene, fault: Fault) -> Strike:
    """Kill -9, and start again on the same state."""
    scene.place.kill(fault.victim)
    yield
    scene.place.start(fault.victim)


def kill_client(scene: Scene, fault: Fault) -> Strike:
    """Kill -9 a client with its requests under way."""
    scene.witnesses.kill(fault.victim)
    yield
    scene.witnesses.start(fault.victim)


def cut(scene: Scene, fault: Fault) -> Strike:
    """Reset every connection of a link, and refuse new ones."""
    name = f"link-{fault.victim}"
    scene.place.kill(name)
    yield
    scene.place.start(name)


def swallow(scene: Scene, fault: Fault) -> Strike:
    """Let nothing through, and close nothing."""
    scene.place.link(fault.victim, 0, 0)
    yield
    scene.place.link(fault.victim, WIFI.rate, WIFI.delay)


def slow(scene: Scene, fault: Fault) -> Strike:
    """Let a link carry 0.1 Mbit/s, 50 ms late."""
    scene.place.link(fault.victim, 0.1, 50)
    yield
    scene.place.link(fault.victim, WIFI.rate, WIFI.delay)


def freeze(scene: Scene, fault: Fault) -> Strike:
    """Stop a process, and let it go on."""
    scene.place.signal(fault.victim, signal.SIGSTOP)
    yield
    scene.place.signal(fault.victim, signal.SIGCONT)


def freeze_client(scene: Scene, fault: Fault) -> Strike:
    """Stop a client; it is not held against anybody that its own answers are late."""
    with scene.witnesses.excused(fault.victim):
        scene.witnesses.signal(fault.victim, signal.SIGSTOP)
        yield
        scene.witnesses.signal(fault.victim, signal.SIGCONT)
        time.sleep(0.3)


def full_disk(scene: Scene, fault: Fault) -> Strike:
    """Fill a file system, deploy on it what was not there before, and give the room back."""
    return _full_disk(scene, fault, scene.ballast(fault))  # pushed before anybody waits for the moment


def _full_disk(scene: Scene, fault: Fault, name: str) -> Strike:
    filler = scene.place.fill(fault.victim)
    yield
    ends = _ends(scene, fault)
    scene.bites(
        fault, "deploy on a full disk", lambda client: client.deploy(name, devices=ends), ("storage_full",)
    )
    filler.unlink()
    scene.unload(fault, name)


def _ends(scene: Scene, fault: Fault) -> tuple[str, str]:
    """Return a board and a cloud, the victim among them."""
    board = scene.board_of(fault.victim)
    return board, fault.victim if fault.victim in scene.place.clouds else scene.home(board)


def full_disk_of_coordinator(scene: Scene, fault: Fault) -> Strike:
    """Fill the coordinator's file system, push a model, and give the room back."""
    name = scene.ballast(fault, pushed=False)
    path = scene.place.directory / f"{name}.onnx"
    filler = scene.place.fill(fault.victim)
    yield
    scene.bites(fault, "push on a full disk", lambda client: client.push(name, path), ("storage_full",))
    filler.unlink()
    path.unlink()
    scene.pin(fault, "pin local", "local")
    scene.pin(fault, "unpin")


def no_memory(scene: Scene, fault: Fault) -> Strike:
    """Let a process have no more memory while a model is prepared on it that was not there before."""
    return _no_memory(scene, fault, scene.ballast(fault))


def _no_memory(scene: Scene, fault: Fault, name: str) -> Strike:
    scene.place.squeeze(fault.victim)
    yield
    ends = _ends(scene, fault)
    codes = ("prepare_failed", "model_too_large")
    scene.bites(fault, "deploy without memory", lambda client: client.deploy(name, devices=ends), codes)
    if scene.place.lives(fault.victim):
        scene.place.release(fault.victim)
    else:
        scene.place.start(fault.victim)
    scene.unload(fault, name)


def second_coordinator(scene: Scene, fault: Fault) -> Strike:
    """Start another coordinator on the same state: it must refuse."""
    yield
    command = (*scene.place.roles["coordinator"].command, "--port", "0")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    scene.commands.append((fault.index, "second coordinator", f"status {done.returncode}"))
    if done.returncode == 0 or "Traceback" in done.stderr:
        scene.untyped.append(f"#{fault.index} second coordinator: {done.returncode} {done.stderr[-300:]}")


def backup(scene: Scene, fault: Fault) -> Strike:
    """Let a coordinator on yesterday's state answer at the address of the true one for a while."""
    place, copy = scene.place, scene.place.directory / f"copy-{next(scene.copies)}"
    place.kill("coordinator")
    place.copy_of("coordinator", copy)
    place.start("coordinator")
    scene.wait_until_attached()  # each agent has now obeyed a later term than the copy has
    scene.pin(fault, "pin local", "local")
    place.kill("coordinator")
    impostor = place.impostor("coordinator", copy)
    yield
    impostor.kill()
    place.start("coordinator")
    scene.wait_until_attached()
    scene.pin(fault, "unpin")


def old_epoch(scene: Scene, fault: Fault) -> Strike:
    """Kill a cloud, move on to another epoch without it, and let it return with what it held."""
    scene.place.kill(fault.victim)
    yield
    scene.pin(fault, "pin local while the cloud is away", "local")
    scene.place.start(fault.victim)
    scene.pin(fault, "unpin")


def board_alone(scene: Scene, fault: Fault) -> Strike:
    """Kill the coordinator and a board, and start the board alone: it must serve what it had."""
    scene.place.kill("coordinator")
    scene.place.kill(fault.victim)
    yield
    scene.place.start(fault.victim, registered=False)
    scene.wait_until_served(fault)
    scene.place.start("coordinator")
    scene.wait_until_attached()


def new_version(scene: Scene, fault: Fault) -> Strike:
    """Push the other version and deploy it."""
    yield
    old, new = scene.version, next(version for version in VERSIONS if version != scene.version)
    if not scene.order(fault, f"push {new}", lambda client: client.push(NAME, scene.subject.models[new])):
        return
    scene.allow(old, new)
    with ThreadPoolExecutor() as both:
        deployed = both.map(partial(_deploy, scene, fault, new), scene.place.boards)
    if all(deployed):
        scene.version = new
        scene.allow(new)


def _deploy(scene: Scene, fault: Fault, version: str, board: str) -> bool:
    return scene.order(fault, f"deploy {version}", lambda client: scene.deploy(client, board))


def killed_deploy(scene: Scene, fault: Fault) -> Strike:
    """Kill the coordinator in the middle of a deployment."""
    asked = threading.Thread(target=scene.pin, args=(fault, "deploy while killed", "local"))
    asked.start()
    yield
    scene.place.kill("coordinator")
    time.sleep(0.2)
    scene.place.start("coordinator")
    asked.join(PATIENCE)
    scene.pin(fault, "unpin")


def pin(scene: Scene, fault: Fault) -> Strike:
    """Pin the board alone, and unpin."""
    scene.pin(fault, "pin local", "local")
    yield
    scene.pin(fault, "unpin")


def drain(scene: Scene, fault: Fault) -> Strike:
    """Drain a device, and let it take part again."""
    scene.order(fault, "drain", lambda client: client.drain(fault.victim))
    yield
    scene.order(fault, "undo drain", lambda client: client.drain(fault.victim, undo=True))
    board = scene.board_of(fault.victim)
    scene.order(fault, "deploy again", lambda client: scene.deploy(client, board))


def move(scene: Scene, fault: Fault) -> Strike:
    """Move what runs in a cloud to another one, and back."""
    other = next(cloud for cloud in scene.place.clouds if cloud != fault.victim)
    board = scene.board_of(fault.victim)
    there, back = (fault.victim, other), (other, fault.victim)
    scene.order(fault, "move", lambda client: client.move(NAME, *there, board=board))
    yield
    scene.order(fault, "move back", lambda client: client.move(NAME, *back, board=board))


def clock_jumps(scene: Scene, fault: Fault) -> Strike:
    """Set the wall clock of a process, a day or ten minutes on or back, and set it right."""
    scene.place.clocks.set(fault.victim, JUMPS[fault.index % len(JUMPS)])
    yield
    scene.place.clocks.set(fault.victim, 0.0)


def boots_early(scene: Scene, fault: Fault) -> Strike:
    """Kill a process, and start it with a clock that is a day late, as on a board without one; set it right later."""
    scene.place.kill(fault.victim)
    scene.place.clocks.set(fault.victim, -DAY)
    yield
    scene.place.start(fault.victim)
    scene.place.clocks.set(fault.victim, 0.0)


STRIKES: dict[str, Callable[[Scene, Fault], Strike]] = {
    "kill cloud": kill,
    "kill board": kill,
    "kill coordinator": kill,
    "kill client": kill_client,
    "cut link": cut,
    "swallow": swallow,
    "slow link": slow,
    "freeze cloud": freeze,
    "freeze board": freeze,
    "freeze coordinator": freeze,
    "freeze client": freeze_client,
    "full disk": full_disk,
    "full disk of coordinator": full_disk_of_coordinator,
    "no memory": no_memory,
    "second coordinator": second_coordinator,
    "coordinator of a backup": backup,
    "old epoch returns": old_epoch,
    "board alone": board_alone,
    "new version": new_version,
    "deploy while killed": killed_deploy,
    "pin": pin,
    "drain": drain,
    "move": move,
    "clock jumps": clock_jumps,
    "boots a day early": boots_early,
}
