"""Int8 on the board, float in the cloud: pushed, chosen, split at integers, answered; also without the cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import lepton_edge
from tests.partitioner.onnx_io import quantized_pair

INPUT = {"x": np.random.default_rng(4).standard_normal((1, quantized_pair.WIDTH)).astype(np.float32)}


@pytest.fixture
def served(house: Any) -> Any:
    """A house whose board runs the int8 variant of what its cloud runs; `learn` pushed both."""
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    house.command(*DEPLOY)
    return house


DEPLOY = ("deploy", "net", "--variant", "board=net-int8", "--variant", "cloud=net")


def push(house: Any, folder: Path, seed: int = 0) -> None:
    """Push a version of the model, then its variant."""
    for name, quantized, more in (("net", False, ()), ("net-int8", True, ("--variant-of", "net"))):
        onnx.save(quantized_pair.net(quantized, seed), str(folder / f"{name}.onnx"))
        house.command("model", "push", name, str(folder / f"{name}.onnx"), *more)


def learn(house: Any) -> None:
    """Have a board and a cloud measure the model and its variant."""
    push(house, house.directory)
    house.command(*DEPLOY, "--dry-run")


pytestmark = [pytest.mark.journey, pytest.mark.measured(learn=learn)]


def answer_of(quantized: bool, seed: int = 0) -> Any:
    model = quantized_pair.net(quantized, seed).SerializeToString()
    return onnxruntime.InferenceSession(model).run(None, INPUT)[0]


def test_int8_here_and_float_there_answer_together(served: Any) -> None:
    plan = served.json("plan", "explain", "net")
    assert (plan["variants"]["board"], plan["variants"]["cloud"]) == ("net-int8", "")
    said = " ".join(served.command("plan", "explain", "net").split())
    assert "Variants: net-int8 on the board, the model itself in the cloud" in said
    cut = next(one["page"] for one in plan["candidates"] if one["page"].startswith("cut-") and one["in_book"])
    with lepton_edge.Client(served.coordinator) as client:
        split = client.infer("net", INPUT, page=cut)
        far = client.infer("net", INPUT, page="cloud-raw")
        near = client.infer("net", INPUT, page="local")
    float_answer, int8_answer = answer_of(False), answer_of(True)
    largest = np.abs(float_answer).max()
    np.testing.assert_allclose(split["y"], float_answer, atol=0.05 * largest)
    assert np.abs(split["y"] - float_answer).max() > 0, "its beginning is int8"
    assert np.abs(split["y"] - int8_answer).max() > 0, "its end is float"
    np.testing.assert_allclose(far["y"], float_answer, atol=0.05 * largest)
    np.testing.assert_allclose(near["y"], int8_answer, atol=0.01 * largest)
    assert [hop.device for hop in split.hops] == ["client", "board", "cloud"]


def test_without_the_cloud_and_after_a_restart_the_variant_answers_and_is_not_degraded(served: Any) -> None:
    served.kill("cloud")
    served.kill("board")
    served.start_agent("board", "board")
    with lepton_edge.Client(served.coordinator) as client:
        result = client.infer("net", INPUT)
    largest = np.abs(answer_of(True)).max()
    np.testing.assert_allclose(result["y"], answer_of(True), atol=0.01 * largest)
    assert result.page == "local"
    assert not result.degraded


def test_a_drained_cloud_leaves_the_boards_variant_and_versions_change_together_and_are_gone_back_to(
    served: Any, tmp_path: Path
) -> None:
    assert "as a variant of 'net'" in served.command("model", "remove", "net-int8", status=6)
    with lepton_edge.Client(served.coordinator) as client:
        both_answer(client, seed=0)
        served.command("device", "drain", "cloud")
        result = client.infer("net", INPUT)
        assert [hop.device for hop in result.hops] == ["client", "board"]
        assert not result.degraded
        near = answer_of(True)
        np.testing.assert_allclose(result["y"], near, atol=0.01 * np.abs(near).max())
        served.command("device", "drain", "cloud", "--undo")
        served.command(*DEPLOY)
        push(served, tmp_path, seed=1)
        both_answer(client, seed=0)  # a push is not a deployment
        served.command(*DEPLOY)
        both_answer(client, seed=1)
        served.command("model", "rollback", "net")
        both_answer(client, seed=0)
    assert "it is of another version" not in served.command("model", "show", "net-int8")


def both_answer(client: lepton_edge.Client, seed: int) -> None:
    """Check that the board runs the int8 variant, and the cloud the model itself, both of the version `seed`."""
    for page, quantized in (("local", True), ("cloud-raw", False)):
        wanted = answer_of(quantized, seed)
        got = client.infer("net", INPUT, page=page)["y"]
        np.testing.assert_allclose(got, wanted, atol=0.05 * np.abs(wanted).max(), err_msg=page)
