"""What Prometheus reads of a coordinator and its agents, and whether they say that they live and are ready."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import lepton_edge
from tests.journeys.conftest import until

pytestmark = [pytest.mark.journey, pytest.mark.measured]


def door(house: Any, name: str) -> str:
    """Return where a process shows its figures, as its log says."""
    return re.findall(r"metrics=.?(127\.0\.0\.1:\d+)", (house.directory / f"{name}.log").read_text())[-1]


def read(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as told:
            return told.status, told.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def figures(address: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return every figure by its name and the values of its labels."""
    status, text = read(address, "/metrics")
    assert status == 200
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_figures_of_a_small_fleet(house: Any, small: Path, small_input: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    x = np.load(small_input)
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small", page="local")
        for _ in range(5):
            client.infer("small", {"x": x})
    board = door(house, "board")
    until(lambda: figures(board)["lepton_edge_requests"].get(("served",), 0) >= 5)
    told = figures(board)
    assert told["lepton_edge_page_active"] == {("small", "1", "local"): 1.0}
    assert told["lepton_edge_predicted_seconds"][("small", "1", "local")] > 0
    assert told["lepton_edge_entry_requests"][("small", "1", "answered")] >= 5
    assert told["lepton_edge_request_seconds_mean"][("small", "1")] > 0
    assert told["lepton_edge_coordinator_attached"] == {(): 1.0}
    assert any(key[0] == "small" for key in told["lepton_edge_stage_seconds"])
    assert read(board, "/readyz") == (200, "ok\n")
    assert told["lepton_edge_certificate_ends_timestamp_seconds"][()] > time.time() + 86400
    control = door(house, "coordinator")
    told = figures(control)
    assert told["lepton_edge_device_connected"] == {("board", "board"): 1.0, ("cloud", "cloud"): 1.0}
    assert told["lepton_edge_plan_active"] == {("small", "board", "local"): 1.0}
    assert told["lepton_edge_plan_predicted_seconds"][("small", "board", "local")] > 0
    assert told["lepton_edge_certificate_ends_timestamp_seconds"][()] > time.time() + 86400
    assert read(control, "/livez") == (200, "ok\n")
    begun = time.monotonic()
    for _ in range(20):
        read(board, "/metrics")
    assert time.monotonic() - begun < 10
