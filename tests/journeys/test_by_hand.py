"""Three terminals: a coordinator, a board, a cloud; then push, deploy, explain, infer, remove by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

pytestmark = pytest.mark.journey

BAD_INPUT, UNKNOWN, BAD_MODEL = 6, 7, 9  # exit statuses, docs/cli.md


def test_push_deploy_explain_infer_and_remove(
    house: Any, small: Path, small_input: Path, tmp_path: Path
) -> None:
    expected = onnxruntime.InferenceSession(str(small)).run(None, {"x": np.load(small_input)})[0]
    house.start_coordinator()
    house.start_agent("board", "board", "--simulate-slow", "4", "--port", "0")
    house.start_agent("cloud", "cloud")
    devices = house.json("device", "list")["devices"]
    assert [(one["device"], one["simulated_slowdown"]) for one in devices] == [("board", 4.0), ("cloud", 1.0)]

    (tmp_path / "bad.onnx").write_bytes(b"this is no model")
    assert "error: " in house.command("model", "push", "bad", str(tmp_path / "bad.onnx"), status=BAD_MODEL)
    assert "(there is: none)" in house.command("deploy", "small", status=UNKNOWN)

    house.command("model", "push", "small", str(small))
    done = house.json("deploy", "small")
    assert (done["epoch"], done["devices"], done["dry_run"]) == (1, ["board", "cloud"], False)
    explained = house.json("plan", "explain", "small")
    assert (explained["page"], explained["reason"]) == (done["page"], done["reason"])
    assert {row["page"] for row in explained["candidates"]} >= {"local", "cloud-raw"}
    for page in ("local", "cloud-raw", ""):
        out = tmp_path / "out.npz"
        pinned = ("--page", page) if page else ()
        told = house.json("infer", "small", "--input", f"x={small_input}", "--output", str(out), *pinned)
        assert told["page"] == (page or done["page"])
        np.testing.assert_allclose(np.load(out)["y"], expected, rtol=1e-4, atol=1e-5)

    np.save(tmp_path / "wrong.npy", np.zeros((1, 3, 32, 31), np.float32))
    wrong = house.command("infer", "small", "--input", f"x={tmp_path / 'wrong.npy'}", status=BAD_INPUT)
    assert "31" in wrong
    assert house.json("deploy", "small", "--keep-input-on-board")["epoch"] == 2
    states = [epoch["state"] for epoch in house.json("model", "show", "small")["epochs"]]
    assert states == ["RETIRED", "ACTIVE"]
    house.command("model", "remove", "small")
    assert "small" in house.command("infer", "small", "--input", f"x={small_input}", status=UNKNOWN)
    assert [house.end(name) for name in ("cloud", "board", "coordinator")] == [0, 0, 0]
