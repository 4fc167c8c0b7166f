"""Fleets that know a model: state directories of processes that joined, and measured it, before a test began.

Measuring takes seconds, mostly of waiting between runs, and its outcome is data. So a fleet is brought up once in a
session, ends, and every test that is marked `measured` goes on from a copy of what its processes left behind.
Law: what a copy saves is joining, pushing and measuring; nothing is deployed, so that epochs begin at 1.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import onnx

import lepton_edge
from tests.journeys.models import small_model

Enter = Callable[[Path, bool], AbstractContextManager[Any]]
Learn = Callable[[Any], None]
USUAL = {"board": ("board",), "cloud": ("cloud",)}


def small(house: Any) -> None:
    """Have everybody who is there measure the small model."""
    file = house.directory / "small.onnx"
    onnx.save(small_model(), str(file))
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", file)
        client.profile("small")


class Fleet(NamedTuple):
    """Devices, by name the words that start each, its role first; and how they come to know what they know."""

    learn: Learn
    devices: tuple[tuple[str, tuple[str, ...]], ...]
    insecure: bool

    @property
    def name(self) -> str:
        """What tells it from others, in every process of the session."""
        said = (self.learn.__module__, self.learn.__qualname__, self.devices, self.insecure)
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def fleet(insecure: bool, learn: Learn = small, **devices: tuple[str, ...]) -> Fleet:
    """Return what a mark `measured(learn=..., name=(role, *words), ...)` asks for.

    Without `learn` it is the small model that they measure, without devices they are a board and a cloud so called.
    """
    return Fleet(learn, tuple((devices or USUAL).items()), insecure)


class Fleets:
    """The state of each fleet that was wanted in this session, under a folder that its test processes share."""

    def __init__(self, directory: Path, enter: Enter) -> None:
        self._directory, self._enter = directory, enter
        directory.mkdir(exist_ok=True)

    def copy(self, wanted: Fleet, to: Path) -> None:
        """Lay the state of its processes into `to`."""
        made = self._made(wanted)
        for name in ("coordinator", *dict(wanted.devices)):
            shutil.copytree(made / name, to / name, ignore=shutil.ignore_patterns("*.sock"))

    def _made(self, wanted: Fleet) -> Path:
        """Return the folder of a fleet that has ended; who comes first makes it, others wait."""
        place = self._directory / wanted.name
        with (self._directory / f"{wanted.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                making = self._directory / f"{wanted.name}.{os.getpid()}"
                shutil.rmtree(making, ignore_errors=True)  # of one that failed
                making.mkdir()
                self._make(wanted, making)
                making.rename(place)
        return place

    def _make(self, wanted: Fleet, directory: Path) -> None:
        with self._enter(directory, wanted.insecure) as house:
            house.start_coordinator()
            for name, words in wanted.devices:
                house.start_agent(name, *words)
            wanted.learn(house)
            for name in reversed(list(house.processes)):
                house.end(name)
