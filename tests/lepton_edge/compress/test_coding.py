"""A codec for splits: as strong as the budget allows, judged on other samples, and taken by a compiled model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from lepton_edge.compress import coding
from lepton_edge.compress.errors import BudgetNotMet, CompressionRefused
from partitioner.onnx_io import compile_model
from partitioner.onnx_io.coders import FILES, OpenCoders, add_coders, file_digest
from tests.partitioner.onnx_io import coded_net

UNTRAINED = {"epochs": 0}
"""The principal components as they are: no torch is needed."""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    onnx.save(coded_net.net("n"), path)
    return path


def data(count: int = 24) -> list[dict[str, np.ndarray]]:
    return [{"x": one} for one in coded_net.samples(count)]


def made(net: Path, **changed: object) -> coding.Coding:
    given = {"at": "r1", "metric": "cosine", "max_drop": 1e-3, "options": UNTRAINED, **changed}
    return coding.bottleneck(net, data(), **given)


def test_what_is_made_is_taken_with_the_model_and_brings_the_tensor_back(net: Path, tmp_path: Path) -> None:
    done = made(net)
    assert done.folder == tmp_path / "net.bottleneck"
    assert done.original.mean - done.score.mean <= 1e-3
    assert done.code * 4 <= done.plain
    files = {name: (done.folder / name).read_bytes() for name in FILES}
    compiled = compile_model(
        net, "net", tmp_path / "made", manifest=None, shapes={"x": coded_net.SHAPE}, labels={}
    )
    (coder,) = add_coders(compiled, tmp_path / "made", {"one": files}, file_digest(net)).coders
    assert coder.code.size == done.code
    sent = np.maximum(np.random.default_rng(0).normal(size=(2, 16, 16, 16)), 0).astype(np.float32)
    arrived, size = OpenCoders(tmp_path / "made", [coder]).journey(coder.codec, sent)
    assert arrived.shape == sent.shape
    assert 0 < size <= 2 * done.code + 16
    said = json.loads(files["bottleneck.json"])
    assert said["measured"]["score"]["count"] == done.score.count
    assert said["parent"] == file_digest(net)


def test_a_weaker_one_is_taken_where_the_strongest_loses_too_much(net: Path, tmp_path: Path) -> None:
    strict = made(net, max_drop=1e-7, out=tmp_path / "strict", options={**UNTRAINED})
    loose = made(net, max_drop=0.9, out=tmp_path / "loose")
    assert loose.tried == ()
    assert strict.tried
    assert strict.code > loose.code


def test_a_budget_that_none_keeps_is_said_with_the_best(net: Path) -> None:
    with pytest.raises(BudgetNotMet, match="the best, 32 times narrower"):
        made(net, max_drop=-1.0, options={**UNTRAINED, "narrow": 32, "stride": 4})


def test_a_folder_that_is_there_is_left_alone(net: Path, tmp_path: Path) -> None:
    (tmp_path / "net.bottleneck").mkdir()
    with pytest.raises(CompressionRefused, match="is there already"):
        made(net)


def test_a_tensor_that_is_no_neck_is_refused_by_its_name(net: Path) -> None:
    with pytest.raises(CompressionRefused, match="cannot be narrowed at 'c1'"):
        made(net, at="c1")
