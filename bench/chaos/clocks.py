"""The wall clocks of processes, each to be set by itself: a day on, ten minutes back, and right again.

Law: what a command line begins with, and a file for each clock; `wall/sitecustomize.py` looks at it. Monotonic clocks
are never touched.
"""

from __future__ import annotations

import os
from pathlib import Path

WALL = Path(__file__).resolve().parent / "wall"
MINUTES, DAY = 600.0, 86_400.0


class Clocks:
    """A wall clock for each process of a name; `directory` holds their files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def environment(self, name: str) -> dict[str, str]:
        """Return what a process's environment has to hold, so that its clock can be set."""
        before = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one != str(WALL)]
        path = os.pathsep.join([str(WALL), *filter(None, before)])
        return {"PYTHONPATH": path, "WALL_CLOCK": str(self.directory / name)}

    def words(self, name: str) -> tuple[str, ...]:
        """Return what the command line of a process begins with, to the same end."""
        return "env", *(f"{key}={value}" for key, value in self.environment(name).items())

    def set(self, name: str, seconds: float) -> None:
        """Set a clock so that it is wrong by so many seconds; 0 sets it right."""
        made = self.directory / f"{name}.new"
        made.write_text(f"{seconds}", encoding="ascii")
        made.replace(self.directory / name)
