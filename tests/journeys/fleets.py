"""Fleets that know a model: state directories of processes that joined, and measured it, before a test began.

Measuring takes seconds, mostly of waiting between runs, and its outcome is data. So a fleet is brought up once in a
session, ends, and every test that is marked `measured` goes on from a copy of what its processes left behind.
Law: what a copy saves is joining, pushing and measuring; nothing is deployed, so that epochs begin at 1.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import pytest

import lepton_edge
from tests.journeys.models import small_model

Enter = Callable[[Path, bool], AbstractContextManager[Any]]
USUAL = {"board": ("board",), "cloud": ("cloud",)}


def write_small(path: Path) -> None:
    """Write the file of the small model."""
    onnx.save(small_model(), str(path))


class Fleet(NamedTuple):
    """A model and devices that know it: by name the words that start each, its role first."""

    model: str
    write: Callable[[Path], object]
    devices: tuple[tuple[str, tuple[str, ...]], ...]
    insecure: bool


def wanted(marker: pytest.Mark, insecure: bool) -> Fleet:
    """Return the fleet that a mark `measured(model, write, name=(role, *words))` asks for.

    Without a model it is the small one, without devices a board and a cloud of these names.
    """
    model, write = marker.args or ("small", write_small)
    devices = marker.kwargs or USUAL
    return Fleet(model, write, tuple((name, tuple(words)) for name, words in devices.items()), insecure)


class Fleets:
    """The state of each fleet that was wanted in this session."""

    def __init__(self, directory: Path, enter: Enter) -> None:
        self._directory, self._enter = directory, enter
        self._made: dict[Fleet, Path] = {}

    def copy(self, fleet: Fleet, to: Path) -> None:
        """Lay the state of its processes into `to`."""
        if fleet not in self._made:
            self._made[fleet] = self._make(fleet)
        for name in ("coordinator", *dict(fleet.devices)):
            shutil.copytree(self._made[fleet] / name, to / name, ignore=shutil.ignore_patterns("*.sock"))

    def _make(self, fleet: Fleet) -> Path:
        directory = self._directory / str(len(self._made))
        directory.mkdir()
        file = directory / f"{fleet.model}.onnx"
        fleet.write(file)
        with self._enter(directory, fleet.insecure) as house:
            house.start_coordinator()
            for name, words in fleet.devices:
                house.start_agent(name, *words)
            with lepton_edge.Client(house.coordinator) as client:
                client.push(fleet.model, file)
                client.profile(fleet.model)
            for name in reversed(list(house.processes)):
                house.end(name)
        return directory
