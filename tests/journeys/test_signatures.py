"""A board without a network serves what its coordinator signed, and nothing that was changed since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lepton_edge
from lepton_edge import errors
from tests.journeys.conftest import House, until

pytestmark = [pytest.mark.journey, pytest.mark.measured]


def test_what_was_changed_on_the_disk_is_not_served(house: House, small: Path) -> None:
    house.start_coordinator()
    port = house.start_agent("board", "board").rpartition(":")[2]
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
    index = house.directory / "board" / "epochs.json"
    until(index.exists)
    (listed,) = json.loads(index.read_text())["epochs"]
    saved = index.with_suffix("") / listed["file"]
    for name in ("coordinator", "board"):
        house.kill(name)
    address = _reboot(house, port)
    until(lambda: _answer(address) == "answered")
    house.kill("board")
    kept = saved.read_text()
    told = json.loads(kept)
    told["epoch"]["book"]["tolerance"] = 9.0
    saved.write_text(json.dumps(told))
    _reboot(house, port)
    assert _answer(address) == "unknown_model"
    assert "not what was signed" in house.log("board")
    house.kill("board")
    saved.write_text(kept)
    _spoil(house.directory / "board" / "artifacts")
    _reboot(house, port)
    assert _answer(address) in ("unknown_model", "unavailable")


def _reboot(house: House, port: str) -> str:
    return house.start_agent("board", "board", "--port", port, registered=False)


def _answer(address: str) -> str:
    x = np.zeros((1, 3, 32, 32), np.float32)
    with lepton_edge.Client(address, retries=0) as client:
        try:
            client.infer("small", {"x": x}, deadline=5)
        except errors.LeptonError as error:
            return error.code
    return "answered"


def _spoil(folder: Path) -> None:
    for file in folder.iterdir():
        content: Any = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
