"""What is tried just now, written down before: native code may end the process, and would end the next one as well.

Law: one small file, there only while a recipe is tried; an exception, Ctrl-C among them, takes it away again. What is
left says that the process ended in the middle. Python's fault handler tells of a crash: once is enough.
Without its word (kill -9, no memory, no power) the recipe gets another chance, and only one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
from collections.abc import Iterator
from pathlib import Path

from lepton_edge.compress import disk
from lepton_edge.compress.recipe import Recipe, Step
from partitioner.nouns_json import to_json

TRYING, CRASHED = "trying.json", "crashed.txt"
CHANCES = 2
"""Times that a recipe may end the process without a word of why."""


@contextlib.contextmanager
def attempt(folder: Path, recipe: Recipe) -> Iterator[None]:
    """Have it written in `folder` that `recipe` is tried, as long as it is."""
    times = 1 + next((count for left, count in _left(folder) if left == recipe), 0)
    told = {"format": 1, "times": times, "steps": to_json(recipe)["steps"]}
    disk.write(folder / TRYING, json.dumps(told).encode() + b"\n")
    try:
        with _crash_told(folder / CRASHED):
            yield
    finally:
        forget(folder)


def fatal(folder: Path) -> Recipe | None:
    """Return the recipe in `folder` that ended the process and is not to be tried again; None where there is none."""
    crash = folder / CRASHED
    crashed = crash.is_file() and crash.stat().st_size > 0
    return next((one for one, times in _left(folder) if crashed or times >= CHANCES), None)


def forget(folder: Path) -> None:
    """Remove what was written of an attempt."""
    for name in (TRYING, CRASHED):
        (folder / name).unlink(missing_ok=True)


def _left(folder: Path) -> list[tuple[Recipe, int]]:
    """Return the recipe that was tried when the process ended, and how often; nothing where that cannot be read."""
    try:
        told = json.loads((folder / TRYING).read_bytes())
        steps = tuple(Step(str(one["technique"]), dict(one["options"])) for one in told["steps"])
        return [(Recipe(steps), int(told["times"]))]
    except (OSError, ValueError, TypeError, LookupError):
        return []


@contextlib.contextmanager
def _crash_told(path: Path) -> Iterator[None]:
    """Have a fatal signal write where it struck to `path`, unless the program has a fault handler of its own."""
    if faulthandler.is_enabled():
        yield
        return
    with disk.told(path):
        file = path.open("wb")
    with file:
        faulthandler.enable(file, all_threads=False)
        try:
            yield
        finally:
            faulthandler.disable()
