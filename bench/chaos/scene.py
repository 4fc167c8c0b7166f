"""All that faults act upon: the processes, the witnesses, and what a person's orders ended with.

Law: gives orders by the SDK and notes how each ended; what a fault does is `faults`' affair, what is right `judge`'s.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.allowance import Pinned
from bench.chaos.schedule import Fault
from bench.chaos.subject import NAME, VERSIONS, Subject, make_ballast
from bench.chaos.town import Place
from bench.chaos.witnesses import Witnesses
from lepton_edge.client import Client
from partitioner.errors import LeptonError

PATIENCE = 45.0
LOOKS = 5
ALONE = 10.0
"""Seconds within which a board that was started answers, coordinator or not."""
INSISTENCE = 20.0
"""Seconds for which an order is given again that puts back what a fault changed."""


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
    obeyed: list[str] = field(default_factory=list)
    """Who took a coordinator for theirs that is not."""
    believed: list[str] = field(default_factory=list)
    """Tokens, keys and certificates that counted though they must not, or did not though they must."""

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
        give = self.order if page else self.insist
        done = give(fault, what, lambda client: client.pin(NAME, page=page, board=board))
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

    def note_who_obeys(self, fault: Fault) -> None:
        """Note which agents stay attached to the coordinator that answers now, which is not theirs.

        One that refuses is attached for the moment in which it is told whose coordinator that is.
        """
        stay = {*self.place.boards, *self.place.clouds}
        with Client(self.place.coordinator, patience=PATIENCE) as client:
            for _ in range(LOOKS):
                stay &= {one["device"] for one in client.devices()["devices"] if one["connected"]}
                time.sleep(0.2)
        self.obeyed += [f"#{fault.index} {name} obeys a coordinator of a backup" for name in sorted(stay)]

    def insist(self, fault: Fault, what: str, do: Callable[[Client], object]) -> bool:
        """Give an order until it is carried out: what a fault changed must not stay because somebody was away."""
        end = time.monotonic() + INSISTENCE
        while not self.order(fault, what, do):
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        return True

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
