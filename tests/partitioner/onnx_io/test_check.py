"""`model check`: it passes where cuts are right, and a wrong cut does not get by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from examples.demo import minilm, zoo
from partitioner.errors import ModelError, ModelTooLarge
from partitioner.onnx_io import check, check_model, contract, optimise, scope
from partitioner.onnx_io.check import EVERY_LAYER
from partitioner.onnx_io.duplicate import Duplication
from tests.partitioner.onnx_io import handmade


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("name", handmade.HANDMADE)
def test_every_cut_of_every_handmade_graph(tmp_path: Path, name: str) -> None:
    report = check_model(saved(handmade.HANDMADE[name](), tmp_path), "all", shapes=handmade.SHAPES.get(name))
    assert report.ok, [row for row in report.rows if row.problem]
    assert report.cuts == len(report.rows) - 1 > 0
    assert not report.sampled
    assert all(row.against_whole == 0 for row in report.rows)


@pytest.mark.parametrize("name", handmade.HANDMADE)
def test_every_cut_of_a_graph_that_could_not_be_optimised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(optimise, "optimise", lambda model, *_: model)
    path = saved(handmade.HANDMADE[name](), tmp_path)
    report = check_model(path, "all", shapes=handmade.SHAPES.get(name))
    assert report.ok, [row for row in report.rows if row.problem]


def test_every_cut_of_a_quantized_net(tmp_path: Path) -> None:
    report = check_model(handmade.quantized_conv_net(tmp_path), "all")
    assert report.ok, [row for row in report.rows if row.problem]
    assert report.quantized
    assert report.cuts is not None
    assert report.cuts > 3
    assert all(row.steps <= max(2, 2 * report.own_steps) for row in report.rows)


def test_mobilenet(mobilenet_file: Path) -> None:
    report = check_model(mobilenet_file, 4)
    assert report.ok, [row for row in report.rows if row.problem]
    assert len(report.rows) == 5
    assert report.sampled


def test_minilm(tmp_path: Path) -> None:
    report = check_model(saved(minilm.build(), tmp_path), 2, shapes={"input_ids": (1, 16)})
    assert report.ok, [row for row in report.rows if row.problem]


@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_zoo(tmp_path: Path, name: str) -> None:
    report = check_model(saved(zoo.reseeded(name), tmp_path), 1)
    assert report.ok, [row for row in report.rows if row.problem]


def test_given_inputs_are_used_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = saved(handmade.mlp(), tmp_path)
    x = np.full((3, 8), np.nan, np.float32)
    report = check_model(path, "all", {"x": x}, lambda done, total: told.append((done, total)))
    assert report.ok  # NaN where NaN was
    assert told == [(0, 3), (1, 3), (2, 3)]
    with pytest.raises(ModelError):
        check_model(path, 1, {"wrong": x})
    with pytest.raises(ModelError):
        check_model(path, 1, {"x": np.ones((3, 9), np.float32)})


def test_drawn_cuts_are_the_same_for_one_seed(tmp_path: Path) -> None:
    path = saved(handmade.dynamic_mask(), tmp_path)
    runs = [check_model(path, 3, shapes=handmade.SHAPES["mask"], seed=seed) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0].rows[-1].cut == EVERY_LAYER


def test_a_lossy_cut_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change one bit of what crosses: the check must say so."""
    kept = check.runtime.run

    def tampered(
        session: object, feeds: dict[str, np.ndarray], names: object = None
    ) -> dict[str, np.ndarray]:
        changed = {k: np.nextafter(v, np.float32(9)) if k == "c" else v for k, v in feeds.items()}
        return kept(session, changed, names)

    monkeypatch.setattr(check.runtime, "run", tampered)
    report = check_model(saved(handmade.mlp(), tmp_path), "all")
    assert not report.ok
    assert "every bit must be equal" in next(row.problem for row in report.rows if row.problem)


def test_forgetting_what_a_body_captures_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classic mistake: take a node's inputs and forget what its branches read."""
    path = saved(handmade.if_capturing(), tmp_path)
    monkeypatch.setattr(scope, "reads", lambda node: list(node.input))
    report = check_model(path, "all")
    assert not report.ok
    assert any("does not run" in row.problem or "refused" in row.problem for row in report.rows)


def test_duplicating_nothing_is_still_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(handmade.dynamic_mask(), tmp_path)
    nothing = lambda all_of: Duplication(frozenset(), {one.index: one.reads for one in all_of.all})
    monkeypatch.setattr(contract, "decide", nothing)
    report = check_model(path, 5, shapes=handmade.SHAPES["mask"])
    assert report.ok, [row for row in report.rows if row.problem]


def test_a_frontier_that_forgets_a_tensor_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(handmade.many_ends(), tmp_path)
    right = contract.decide
    first_only = lambda all_of: Duplication(
        frozenset(), {index: reads[:1] for index, reads in right(all_of).reads.items()}
    )
    monkeypatch.setattr(contract, "decide", first_only)
    assert not check_model(path, "all").ok


def test_a_model_larger_than_this_machine_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError("Unable to allocate 32.0 GiB")

    monkeypatch.setattr(check.generate, "feeds", full)
    with pytest.raises(ModelTooLarge, match=r"32\.0 GiB"):
        check_model(saved(handmade.mlp(), tmp_path), 1)
