"""A new version of a model under load: tried by a share, promoted, rolled back at once; nobody gets an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

import lepton_edge
from tests.journeys.conftest import until
from tests.journeys.load import Load
from tests.journeys.models import small_model

pytestmark = [pytest.mark.journey, pytest.mark.measured]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another version of the small model, which answers otherwise."""
    path = tmp_path / "other.onnx"
    onnx.save(small_model(seed=7), str(path))
    return path


@pytest.fixture
def pair(house: Any, small: Path) -> Any:
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    return house


def _model(house: Any) -> Any:
    return house.json("model", "show", "small")


def test_a_version_is_tried_promoted_and_gone_back_from(
    pair: Any, small: Path, other: Path, small_input: Path
) -> None:
    with Load(pair.coordinator, [small, other], small_input) as load:
        load.settle()
        pair.command("model", "push", "small", str(other))
        load.settle()
        assert load.versions[1] == 0, "a push is not a deployment"
        told = pair.json("deploy", "small", "--canary", "30%", "--canary-requests", "40")
        assert (told["epoch"], told["canary"]) == (2, 0.3)
        load.settle(60)
        assert 0 < load.versions[1] < load.versions[0]
        until(lambda: _model(pair)["boards"][0]["epoch"] == 2, 60)
        before = load.versions[0]
        load.settle(40)
        assert load.versions[0] <= before + 2, "promoted, everybody takes it, but for who was under way"
        back = pair.json("model", "rollback", "small")
        assert back["epoch"] == 1
        before = load.versions[1]
        load.settle(40)
        assert load.versions[1] <= before + 2
    load.check()
    told = pair.command("events", "--kind", "deploy")
    assert "proved itself on" in told
    assert "a person wants the version before" in told


def test_what_is_tried_is_called_off_by_a_person(
    pair: Any, small: Path, other: Path, small_input: Path
) -> None:
    with Load(pair.coordinator, [small, other], small_input) as load:
        pair.command("model", "push", "small", str(other))
        pair.command("deploy", "small", "--canary", "20%", "--canary-requests", "100000")
        load.settle(60)
        assert load.versions[1] > 0
        pair.command("model", "rollback", "small")
        before = load.versions[1]
        load.settle(40)
        assert load.versions[1] <= before + 2, "but for those that were under way"
        until(lambda: [one["state"] for one in _model(pair)["epochs"]] == ["ACTIVE", "RETIRED"])
    load.check()


def test_a_canary_outlives_a_restart_of_the_coordinator(
    pair: Any, small: Path, other: Path, small_input: Path
) -> None:
    with Load(pair.coordinator, [small, other], small_input) as load:
        pair.command("model", "push", "small", str(other))
        pair.command("deploy", "small", "--canary", "20%", "--canary-requests", "100000")
        load.settle(40)
        held = _held(pair)
        pair.kill("coordinator")
        pair.start_coordinator(int(pair.coordinator.rpartition(":")[2]))
        until(lambda: _attached(pair) == 2)
        assert _held(pair) == held
        before = dict(load.versions)
        load.settle(60)
        assert load.versions[0] > before[0], "the active version goes on"
        assert load.versions[1] > before[1], "and its canary beside it"
        pair.command("model", "rollback", "small")
        until(lambda: _held(pair) == {(1, "active")})
        before = dict(load.versions)
        load.settle(40)
        assert load.versions[1] <= before[1] + 2, "but for those that were under way"
    load.check()


def _attached(house: Any) -> int:
    return sum(one["connected"] for one in house.json("device", "list")["devices"])


def _held(house: Any) -> set[tuple[int, str]]:
    devices = house.json("device", "list")["devices"]
    assert len(devices) == 2
    return {(epoch["epoch"], epoch["state"]) for device in devices for epoch in device["epochs"]}
