"""The clients of a chaos run: processes of their own, what they say, and when their own lateness excuses them.

Law: starts, ends and reads `witness` processes; what they said is kept when they are killed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from bench.chaos.testimony import Ended, Testimony


class Witnesses:
    """Witnesses by name, each with its job; a killed one begins a new testimony."""

    def __init__(self, jobs: dict[str, dict[str, Any]], logs: Path) -> None:
        self.jobs, self.logs = jobs, logs
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.now: dict[str, Testimony] = {}
        self.before: list[Testimony] = []
        self.excuses: list[tuple[str, float, float]] = []
        self.numbers = itertools.count()

    def start(self, name: str) -> None:
        """Start a witness."""
        with (self.logs / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.chaos.witness"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.processes[name] = process
        self.now[name] = Testimony(name)
        assert process.stdin is not None
        assert process.stdout is not None
        self.now[name].read(process.stdout)
        process.stdin.write(json.dumps({**self.jobs[name], "number": next(self.numbers)}) + "\n")
        process.stdin.flush()

    def kill(self, name: str) -> None:
        """Kill -9."""
        self.processes[name].kill()
        self.processes[name].wait()
        self.before.append(self.now[name])

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.processes[name].pid, number)

    @contextlib.contextmanager
    def excused(self, name: str) -> Iterator[None]:
        """Do not hold its lateness against anybody while the body runs."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.excuses.append((name, begun, time.monotonic()))

    def finish(self, seconds: float = 30.0) -> list[str]:
        """Let every witness end by itself; return those that did not."""
        for process in self.processes.values():
            if process.stdin is not None and process.poll() is None:
                process.stdin.close()
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._alive():
            time.sleep(0.1)
        stuck = self._alive()
        self.close()
        time.sleep(0.3)  # what they said last is being read
        return stuck

    def _alive(self) -> list[str]:
        return [name for name, process in self.processes.items() if process.poll() is None]

    def close(self) -> None:
        """Kill those that still live."""
        for process in self.processes.values():
            process.kill()
            process.wait()

    @property
    def testimonies(self) -> list[Testimony]:
        """Return every testimony, of those that were killed as well."""
        return [*self.before, *(one for one in self.now.values() if one not in self.before)]

    def ages(self, names: Collection[str]) -> list[float]:
        """Return for how long what these witnesses have under way now is under way, seconds."""
        now = time.monotonic()
        asked = [one for name, one in self.now.items() if name in names]
        return [now - at for one in asked for at in list(one.under_way.values())]

    def recent(self, since: float) -> list[Ended]:
        """Return what was asked after `since` and has ended."""
        return [ended for one in self.now.values() for ended in list(one.recent) if ended.sent > since]

    def right_since(self, since: float) -> list[Ended]:
        """Return the right answers to what was asked after `since`."""
        return [one for one in self.recent(since) if one.verdict == "right"]

    def is_excused(self, ended: Ended) -> bool:
        """Whether the witness itself stood still while this was under way."""
        return any(name == ended.witness and a <= ended.at and ended.sent <= b for name, a, b in self.excuses)
