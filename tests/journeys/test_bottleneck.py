"""A trained codec pushed with a model: measured, chosen where bytes matter, run at both ends, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import lepton_edge
from tests.partitioner.onnx_io import coded_net

pytestmark = pytest.mark.journey

BEFORE_END = 0.05
"""What the model's manifest allows a codec to lose."""


@pytest.fixture
def pushed(house: Any, tmp_path: Path) -> Any:
    """A house with a board and a cloud, and the net with its coder."""
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    onnx.save(coded_net.net(), str(tmp_path / "net.onnx"))
    (tmp_path / "net.toml").write_text(coded_net.ACCURACY)
    np.savez(tmp_path / "samples.npz", x=np.stack(coded_net.samples(8)))
    folder = coded_net.write(tmp_path / "two", tmp_path / "net.onnx")
    house.command(
        "model", "push", "net", str(tmp_path / "net.onnx"), "--manifest", str(tmp_path / "net.toml"),
        "--samples", str(tmp_path / "samples.npz"), "--bottleneck", str(folder),
    )  # fmt: skip
    return house


def test_a_split_by_the_bottleneck_answers_like_the_model(pushed: Any) -> None:
    found = [
        one for one in pushed.json("model", "show", "net")["codecs"] if one["codec"].startswith("bottleneck:")
    ]
    assert [one["tensor"] for one in found] == ["r1"]
    assert 0 < found[0]["wire_bytes"] <= coded_net.CODE_BYTES + 16
    assert 0 < found[0]["loss"] <= BEFORE_END
    assert found[0]["allowed"]
    # bytes cost, and the end cannot run on the board: where to cut and how to send it is the planner's choice
    pushed.command(
        "deploy", "net", "--objective", "latency=1,egress=100", "--lacks", "board=GlobalAveragePool"
    )
    plan = pushed.json("plan", "explain", "net")
    (crossing,) = plan["graph"]["frontiers"][0]["tensors"]
    assert (crossing["tensor"], crossing["codec"]) == ("r1", found[0]["codec"])
    assert crossing["wire_bytes"] == found[0]["wire_bytes"]
    assert found[0]["codec"] in pushed.command("plan", "explain", "net")
    profiles = [one["profile"]["codecs"] for one in pushed.json("profile", "show", "net")["devices"]]
    times = [one for codecs in profiles for one in codecs if one["codec"] == found[0]["codec"]]
    assert len(times) == 2
    assert all(one["encode"] > 0 and one["decode"] > 0 for one in times)
    session = onnxruntime.InferenceSession(coded_net.net().SerializeToString())
    with lepton_edge.Client(pushed.coordinator) as client:
        for given in coded_net.samples(3, seed=9):
            answer = client.infer("net", {"x": given})
            (whole,) = session.run(None, {"x": given})
            assert 0 < np.abs(answer["logits"] - whole).max() <= BEFORE_END * np.abs(whole).max()
            exact = client.infer("net", {"x": given}, page="cloud-raw")
            np.testing.assert_allclose(exact["logits"], whole, rtol=1e-4, atol=1e-5)
