"""Nobody of a full register is left out of what is followed."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import drift, limits, loads, state
from lepton_edge.coordinator.records import ACTIVE, EpochRecord
from lepton_edge.core import messages as m
from partitioner.units import Seconds

NOW = Seconds(100.0)


@pytest.fixture
def street(world: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A register of 60 devices, which is all that fit: a cloud, and boards with an epoch each."""
    monkeypatch.setattr(loads, "MAX_LOADS", limits.MAX_LOADS // limits.MAX_DEVICES * 60)
    monkeypatch.setattr(loads, "MAX_LOADS_TOLD", limits.MAX_LOADS_TOLD // limits.MAX_DEVICES * 60)
    monkeypatch.setattr(drift, "MAX_WATCHES", limits.MAX_WATCHES // limits.MAX_DEVICES * 60)
    world.attach(make.hello("cloud", "cloud"))
    for number in range(1, 60):
        world.attach(make.hello(f"board{number}"))
        book = make.book(f"board{number}", "cloud")
        record = EpochRecord("net", "v1", number, ACTIVE, book, board=f"board{number}")  # type: ignore[arg-type]
        world.state.epochs[record.key] = record
    return world.state


def test_a_cloud_that_all_share_is_heard_of_all_and_each_board_of_itself(street: Any) -> None:
    told = [m.LoadReport("net", number, 1.0, 10) for number in range(1, 60)]  # type: ignore[arg-type]
    loads.heard(street, street.devices["cloud"], told, NOW)
    for number in range(1, 60):
        loads.heard(street, street.devices[f"board{number}"], told[number - 1 : number], NOW)
    assert len(street.loads) == 2 * 59


def test_the_stages_of_every_board_are_followed_on_both_its_devices(street: Any) -> None:
    at = state.Moment(NOW, "x")
    for number in range(1, 60):
        for name, first, last in ((f"board{number}", 0, 1), ("cloud", 1, 2)):
            told = m.StageReport("net", number, "cut-1", first, last, 5, 0.01, 0.001, 0.02)  # type: ignore[arg-type]
            drift.heard(street, street.devices[name], [told], at)
        whole = m.StageReport("net", number, "local", 0, 2, 5, 0.01, 0.001, 0.02)  # type: ignore[arg-type]
        drift.heard(street, street.devices[f"board{number}"], [whole], at)
    assert len(street.watches) == 3 * 59


def test_the_bounds_are_for_all_devices() -> None:
    assert limits.MAX_LOADS >= 2 * limits.MAX_DEVICES
    assert limits.MAX_WATCHES >= 3 * limits.MAX_DEVICES
    assert limits.MAX_TURNS >= limits.MAX_DEVICES
    assert limits.MAX_LOADS_TOLD >= limits.MAX_DEVICES - 1
