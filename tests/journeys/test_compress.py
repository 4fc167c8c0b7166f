"""Compression by the command line: here, on real agents, interrupted and gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import lepton_edge
from tests.journeys.conftest import LEPTON_EDGE, ROOT, until
from tests.journeys.models import small_model

pytestmark = pytest.mark.journey

RECIPE = '[[step]]\ntechnique = "clean"\n[[step]]\ntechnique = "prune"\n[[step]]\ntechnique = "share"\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the small model, data for it, and a recipe."""
    onnx.save(small_model(), tmp_path / "net.onnx")
    random = np.random.default_rng(2)
    np.savez(tmp_path / "data.npz", x=random.standard_normal((40, 3, 32, 32)).astype(np.float32))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def words(place: Path, *more: str) -> list[str]:
    return ["compress", str(place / "net.onnx"), "--data", str(place / "data.npz"), "--target", "size", *more]


def tried(place: Path) -> list[str]:
    path = place / "net.compressed" / "candidates.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith("\n")]


def test_a_model_is_compressed_measured_on_a_board_and_served(house: Any, place: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    recipe = ["--recipe", str(place / "recipe.toml"), "--max-drop", "50%", "--device", "board"]
    told = house.json(*words(place, *recipe))
    best = told["best"]
    assert [one["device"] for one in best["timings"]] == ["board"]
    assert best["timings"][0]["median"] > 0
    assert min(best["size"], best["stored"]) < min(told["original"]["size"], told["original"]["stored"])
    assert house.json("model", "list")["models"] == []  # what was measured is gone
    house.command("model", "push", "thin", told["file"])
    with lepton_edge.Client(house.coordinator) as client:
        client.deploy("thin")
        answer = client.infer("thin", {"x": np.ones((1, 3, 32, 32), np.float32)})
    assert answer["y"].shape == (1, 10)


def test_an_interrupted_measurement_leaves_nothing_on_the_coordinator(house: Any, place: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board", "--simulate-slow", "50")
    asked = words(place, "--max-drop", "90%", "--device", "board", "--coordinator", house.coordinator)
    process = subprocess.Popen([*LEPTON_EDGE, *asked], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        with lepton_edge.Client(house.coordinator) as client:
            until(lambda: bool(client.models()["models"]))
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
            assert process.returncode == 130
            assert "go on with --resume" in told
            until(lambda: client.models()["models"] == [])
    finally:
        process.kill()
        process.wait()


def test_a_killed_search_goes_on_and_repeats_nothing(house: Any, place: Path) -> None:
    asked = words(place, "--max-drop", "20%", "--candidates")
    process = subprocess.Popen([*LEPTON_EDGE, *asked, "200"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        until(lambda: len(tried(place)) >= 2, 60)
    finally:
        process.kill()
        process.wait()
    before = tried(place)
    house.command(*asked, str(len(before) + 2), "--resume")
    after = tried(place)
    assert after[: len(before)] == before
    recipes = [json.dumps(json.loads(line)["candidate"]["recipe"], sort_keys=True) for line in after]
    assert len(recipes) == len(set(recipes)) == len(before) + 2
