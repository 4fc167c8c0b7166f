"""Agents that are too small, too new, or called like another: each hears one clear error, nobody else suffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge

pytestmark = pytest.mark.journey

REFUSED = 3  # exit status, docs/cli.md


def test_a_model_that_fits_nowhere_then_only_on_the_cloud(house: Any, small: Path, small_input: Path) -> None:
    x = np.load(small_input)
    expected = onnxruntime.InferenceSession(str(small)).run(None, {"x": x})[0]
    house.start_coordinator()
    tiny = house.directory / "tiny.toml"
    tiny.write_text("[agent]\nmemory_limit = 4096\n")
    house.start_agent("board", "board", "--config", str(tiny))
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        with pytest.raises(lepton_edge.LeptonError, match="board has 0.0 MiB") as told:
            client.deploy("small")
        assert told.value.code == "model_too_large"
        house.start_agent("cloud", "cloud")
        done = client.deploy("small")
        pages = {row["page"]: row for row in done["plan"]["candidates"]}
        assert done["page"] != "local"
        result = client.infer("small", {"x": x})
        np.testing.assert_allclose(result["y"], expected, rtol=1e-4, atol=1e-5)
        assert result.hops[-1].device == "cloud"
        assert "local" in pages, "what does not fit is shown too, with the reason"


def test_a_second_agent_of_one_name_is_refused_and_the_first_stays(house: Any) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    twin = ["--role", "board", "--name", "board", "--port", "0", "--coordinator", house.coordinator]
    twin += ["--state-directory", str(house.directory / "twin"), *house.proving("twin")]
    assert "--name" in house.command("agent", "start", *twin, status=REFUSED)
    devices = house.json("device", "list")["devices"]
    assert [(one["device"], one["connected"]) for one in devices] == [("board", True)]


def test_a_second_coordinator_on_one_state_and_a_taken_port(house: Any) -> None:
    first = house.start_coordinator()
    arguments = ("coordinator", "start", "--state-directory", str(house.directory / "coordinator"))
    assert "another coordinator uses" in house.command(*arguments, status=REFUSED)
    elsewhere = ("coordinator", "start", "--port", first.rpartition(":")[2], "--insecure")
    said = house.command(*elsewhere, "--state-directory", str(house.directory / "another"), status=4)
    assert f"is taken by a coordinator (process {house.processes['coordinator'].pid})" in said
