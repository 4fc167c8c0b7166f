"""Other processes are told from this one's own work; heat and weak supplies are seen where Linux tells of them."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from device_agents.driver import strain
from device_agents.driver.strain import COUNTERS, UNKNOWN, Strain

PI_FLAGS = (
    "devices/platform/soc/soc:firmware/get_throttled",
    "devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",
)
"""Of a Raspberry Pi 4, and as they may lie on a later one."""


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


class Machine:
    """A processor of two cores whose seconds are given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.user = self.idle = self.own = 0.0
        monkeypatch.setattr(strain.psutil, "cpu_times", self.times)
        monkeypatch.setattr(strain.os, "times", self.own_times)

    def times(self) -> Any:
        class Times(tuple[float, ...]):
            idle = self.idle
            iowait = 0.0

        return Times((self.user, self.idle))

    def own_times(self) -> Any:
        return SimpleNamespace(user=self.own, system=0.0, children_user=0.0, children_system=0.0)


def test_what_others_use_is_told_without_ones_own_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch)
    seen = Strain(tmp_path)
    machine.user, machine.idle, machine.own = 3.0, 1.0, 1.0
    assert seen.busy() == pytest.approx(0.5)
    machine.user, machine.idle, machine.own = 4.0, 4.0, 2.0
    assert seen.busy() == 0.0


def test_without_time_there_is_nothing_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch)
    assert Strain(tmp_path).busy() == UNKNOWN


def test_a_real_process_that_works_is_not_busy_with_others(tmp_path: Path) -> None:
    seen = Strain(tmp_path)
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert 0.0 <= seen.busy() <= 1.0


@pytest.mark.parametrize("file", PI_FLAGS)
@pytest.mark.parametrize(("flags", "slow"), [("0", False), ("1", True), ("50005", True), ("50000", False)])
def test_a_pi_is_slow_while_its_flags_of_now_say_so(
    tmp_path: Path, file: str, flags: str, slow: bool
) -> None:
    put(tmp_path / file, flags + "\n")
    assert Strain(tmp_path).throttled() is slow


def test_a_counter_that_grew_since_the_last_look_is_throttling(tmp_path: Path) -> None:
    counter = put(tmp_path / COUNTERS.replace("*", "0"), "7\n")
    seen = Strain(tmp_path)
    assert not seen.throttled()
    counter.write_text("8\n")
    assert seen.throttled()
    assert not seen.throttled()


@pytest.mark.parametrize(
    ("kind", "slow"), [("thermal-cpufreq-0", True), ("Processor", True), ("pwm-fan", False)]
)
def test_a_cooler_at_work_counts_if_it_slows_the_processor(tmp_path: Path, kind: str, slow: bool) -> None:
    cooler = tmp_path / "class/thermal/cooling_device0"
    put(cooler / "type", kind)
    put(cooler / "cur_state", "3")
    assert Strain(tmp_path).throttled() is slow


def test_a_system_that_tells_nothing_is_not_throttled(tmp_path: Path) -> None:
    put(tmp_path / PI_FLAGS[0], "nonsense")
    assert not Strain(tmp_path).throttled()
    assert not Strain(tmp_path / "nowhere").throttled()
