"""Plans that are made anew by themselves between real processes, under load: why, promised, measured, kept."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.journeys.conftest import House
from tests.journeys.load import Load
from tests.journeys.test_drift import model

pytestmark = [pytest.mark.journey, pytest.mark.alone, pytest.mark.timeout(300)]

SLOW = "30"


def changes(house: House, *kinds: str) -> list[dict[str, Any]]:
    told = house.json("events")["events"]
    return [one for one in told if not kinds or one["kind"] in kinds]


def wait_for(house: House, what: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 120.0) -> Any:
    """Wait for a change, and return it."""
    end = time.monotonic() + seconds
    while not (found := [one for one in changes(house) if holds(one)]):
        assert time.monotonic() < end, f"no {what} among {json.dumps(changes(house), indent=1)}"
        time.sleep(0.5)
    return found[-1]


def test_a_cloud_that_joins_is_used_and_judged_without_an_error(house: House, tmp_path: Path) -> None:
    file, given = model(tmp_path / "steady.onnx"), tmp_path / "x.npy"
    np.save(given, np.random.default_rng(1).standard_normal((1, 64, 56, 56)).astype(np.float32))
    house.start_coordinator()
    address = house.start_agent("board", "board", "--simulate-slow", SLOW)
    house.command("model", "push", "steady", str(file))
    house.json("deploy", "steady")
    follower = subprocess.Popen(
        [sys.executable, "-m", "lepton_edge.cli.main", "events", "--follow", "--format", "json", "--kind", "replan",
         "--coordinator", house.coordinator],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        with Load(address, [file], given, "steady") as load:
            house.start_agent("cloud", "cloud")
            told = wait_for(
                house, "verdict", lambda one: one["kind"] == "replan" and one["verdict"] != "pending"
            )
    finally:
        follower.terminate()
        followed = [json.loads(line) for line in follower.communicate()[0].splitlines()]
    assert load.wrong == []
    assert told["cause"] == "cloud joined"
    assert 0 < told["predicted_after"] < 0.85 * told["predicted_before"]
    assert told["measured_before"] > 0
    assert told["measured_after"] > 0
    is_worse = 0.9 * told["measured_after"] > told["measured_before"]  # where others keep this machine busy
    assert told["verdict"] == ("rolled back" if is_worse else "kept")
    assert [one["verdict"] for one in followed] == ["pending", told["verdict"]], "who follows hears of both"
    assert "adapting: on" in house.command("status")
