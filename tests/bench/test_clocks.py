"""A clock that is set: its process alone takes another date, the monotonic clock goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.chaos.clocks import DAY, Clocks

LOOKS = (
    "import datetime, time\n"
    "from time import time as taken\n"
    "zone = datetime.timezone.utc\n"
    "now = datetime.datetime.now(zone)\n"
    "print(time.time(), taken(), time.time_ns() / 1e9, now.timestamp(), datetime.datetime.now().timestamp())\n"
    "print(time.monotonic())\n"
    "assert isinstance(now, datetime.datetime)\n"
    "assert time.gmtime().tm_mday == now.day\n"
)


def looked(clocks: Clocks, name: str) -> tuple[list[float], float]:
    """Return what a process takes for the time by every way to ask, and its monotonic clock."""
    command = [*clocks.words(name), sys.executable, "-c", LOOKS]
    wall, steady = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [float(one) for one in wall.split()], float(steady)


def test_a_clock_is_set_for_its_own_process_and_the_monotonic_one_goes_on(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path / "clocks")
    right, before = looked(clocks, "north")
    clocks.set("north", -DAY)
    set_back, after = looked(clocks, "north")
    other, _ = looked(clocks, "south")
    assert set_back == [pytest.approx(right[0] - DAY, abs=60)] * 5
    assert other == [pytest.approx(right[0], abs=60)] * 5
    assert before < after < before + 60
    clocks.set("north", 0.0)
    assert looked(clocks, "north")[0][0] == pytest.approx(right[0], abs=60)
