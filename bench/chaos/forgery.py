"""Faults of certificates, tokens and keys: what is renewed must count at once, what is revoked no more.

Law: as `faults`'. A command that must fail and does not, or that must not and does, is noted as `believed`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.chaos.faults import Strike
from bench.chaos.papers import Done, begun, ended
from bench.chaos.scene import Scene
from bench.chaos.schedule import Fault
from bench.chaos.subject import NAME, Values
from bench.chaos.witness import client_at
from device_agents.joining import NEW_KEY_FILE
from examples.demo.processes import lepton
from lepton_edge.client import AsyncClient
from partitioner.errors import LeptonError

NOTICED = 10.0
"""Seconds within which a key that was revoked must count no more."""
REFUSED = ("unauthenticated", "permission_denied")
PAUSE, PATIENCE = 0.1, 3.0


def renewed(scene: Scene, fault: Fault) -> Strike:
    """Let an agent's certificate be renewed while it serves."""
    papers, state = scene.place.papers, scene.place.directory / fault.victim
    process = begun(papers.renewing(fault.victim, state))
    yield
    _must(scene, fault, "renew", ended(process))


def joined_anew(scene: Scene, fault: Fault) -> Strike:
    """Let an agent join again while it serves: what it joined with before counts no more."""
    place = scene.place
    token, _ = place.papers.token()
    role = "board" if fault.victim in place.boards else "cloud"
    words = place.papers.joining(fault.victim, role, place.directory / fault.victim, token)
    process = begun(lepton(*words, "--replace"))
    yield
    _must(scene, fault, "join anew", ended(process))


def token_revoked(scene: Scene, fault: Fault) -> Strike:
    """Revoke a token that somebody is about to join with."""
    papers = scene.place.papers
    token, number = papers.token()
    yield
    _must(scene, fault, "revoke a token", papers.revoke_token(number))
    name = f"stranger-{fault.index}"
    done = papers.command(*papers.joining(name, "board", scene.place.directory / name, token))
    _note(scene, fault, "join by a revoked token", done)
    if done.status == 0:
        scene.believed.append(f"#{fault.index} a revoked token let {name} in")


def killed_while_joining(scene: Scene, fault: Fault) -> Strike:
    """Kill the coordinator while a device joins; it may be told to try again, and then it is let in."""
    place, name = scene.place, f"newcomer-{fault.index}"
    token, _ = place.papers.token()
    words = place.papers.joining(name, "board", place.directory / name, token)
    process = begun(lepton(*words))
    _wait_for(place.directory / name / "security" / NEW_KEY_FILE)  # now it asks with it
    place.kill("coordinator")
    yield
    place.start("coordinator")
    first = ended(process)
    _note(scene, fault, "join while the coordinator is killed", first)
    if first.status:
        _must(scene, fault, "join again", place.papers.command(*words))
    scene.wait_until_attached()


def _wait_for(file: Path) -> None:
    end = time.monotonic() + NOTICED
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.001)


def key_revoked(scene: Scene, fault: Fault) -> Strike:
    """Revoke a client's key while it asks."""
    papers, name = scene.place.papers, f"guest-{fault.index}"
    guest = Guest(scene, fault, str(papers.key(name)))
    guest.start()
    yield
    _must(scene, fault, "revoke a key", papers.revoke_key(name))
    guest.revoked_at = time.monotonic()
    guest.join(NOTICED + 2 * PATIENCE)
    if not guest.refused:
        scene.believed.append(f"#{fault.index} a revoked key was believed for {NOTICED:.0f} s; {guest.last}")
    scene.commands.append((fault.index, "a revoked key was refused", guest.last))


class Guest(threading.Thread):
    """A client that asks until it is refused, or has been believed for too long."""

    def __init__(self, scene: Scene, fault: Fault, key: str) -> None:
        super().__init__(daemon=True)
        self.scene, self.fault, self.key = scene, fault, key
        self.revoked_at: float | None = None
        self.refused = False
        self.last = "it never asked"

    def run(self) -> None:
        """Ask, and ask."""
        asyncio.run(self._asking())

    async def _asking(self) -> None:
        value = self.scene.subject.inputs[0]
        async with client_at(self.scene.place.addresses[self.fault.victim], self.key) as client:
            while not self.refused and not self._too_late():
                await self._ask(client, value)
                await asyncio.sleep(PAUSE)

    def _too_late(self) -> bool:
        return self.revoked_at is not None and time.monotonic() > self.revoked_at + NOTICED

    async def _ask(self, client: AsyncClient, value: Values) -> None:
        try:
            await client.infer(NAME, {"x": value}, deadline=PATIENCE)
            self.last = "answered"
        except LeptonError as error:
            self.last = error.code
            if error.code in REFUSED:
                self.refused = True
                self.last = f"{error.code}: {error.message}"[:150]


def _must(scene: Scene, fault: Fault, what: str, done: Done) -> None:
    """Note how a command ended that must have been carried out."""
    _note(scene, fault, what, done)
    if done.status:
        scene.believed.append(f"#{fault.index} {what} of {fault.victim}: {done.complained[-200:]}")


def _note(scene: Scene, fault: Fault, what: str, done: Done) -> None:
    how = "done" if done.status == 0 else f"status {done.status}: {done.complained.strip()[:200]}"
    scene.commands.append((fault.index, what, how))
    if done.broke:
        scene.untyped.append(f"#{fault.index} {what}: {done.status} {done.complained[-300:]}")


OF_PAPERS: dict[str, Callable[[Scene, Fault], Strike]] = {
    "certificate renewed": renewed,
    "joined anew": joined_anew,
    "token revoked": token_revoked,
    "key revoked while it asks": key_revoked,
    "killed while one joins": killed_while_joining,
}
