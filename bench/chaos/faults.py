"""What each kind of fault does: it strikes, lasts as long as its caller waits, and is undone.

Law: a fault is a generator: up to its first `yield` it strikes, after it, it undoes what it did. What a person's
command ends with (a typed error is allowed) is noted; what is not typed is a finding.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.chaos.clocks import DAY, MINUTES
from bench.chaos.scene import PATIENCE, Scene
from bench.chaos.schedule import Fault
from bench.chaos.subject import NAME, VERSIONS
from bench.chaos.town import WIFI

Strike = Iterator[None]
JUMPS = (DAY, -DAY, MINUTES, -MINUTES)


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
    codes = ("prepare_failed", "model_too_large", "out_of_memory")
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
    scene.note_who_obeys(fault)
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
    scene.wait_until_attached()  # an order about a board that is not back yet is refused
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
    scene.insist(fault, "undo drain", lambda client: client.drain(fault.victim, undo=True))
    board = scene.board_of(fault.victim)
    scene.insist(fault, "deploy again", lambda client: scene.deploy(client, board))


def move(scene: Scene, fault: Fault) -> Strike:
    """Move what runs in a cloud to another one, and back."""
    other = next(cloud for cloud in scene.place.clouds if cloud != fault.victim)
    board = scene.board_of(fault.victim)
    there, back = (fault.victim, other), (other, fault.victim)
    scene.order(fault, "move", lambda client: client.move(NAME, *there, board=board))
    yield
    scene.insist(fault, "move back", lambda client: client.move(NAME, *back, board=board))


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
