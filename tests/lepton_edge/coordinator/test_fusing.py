"""The active page's stages as one block each: right numbers, where memory allows, and never a pseudo-node."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from lepton_edge.coordinator.fusing import fuse, runs
from lepton_edge.coordinator.jobs import PlanJob
from lepton_edge.coordinator.planning import make_plan
from partitioner.onnx_io import cut
from partitioner.onnx_io.runtime import open_session, options, run
from partitioner.plan import Block, Page, Prediction, Stage, TensorSpec
from tests.lepton_edge.coordinator.test_planning import Desk

NOTHING = Prediction(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def line(desk):
    return tuple(frozenset(range(count)) for count in range(len(desk.compiled.graph.layers) + 1))


def fused(desk, memory=None, cut_at=3):
    count = len(line(desk)) - 1
    stages = (Stage("board", 0, cut_at), Stage("cloud", cut_at, count))
    page = Page("cut", stages, NOTHING)
    return fuse(desk.directory, desk.compiled, line(desk), page, memory or {})


def ran(desk, file, feed):
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return run(open_session(file, options(desk.directory, level)), feed)


def test_a_stage_of_several_blocks_becomes_one_and_a_stage_of_one_stays(desk):
    [(one, _)] = fused(desk)
    assert (one.device, one.first, one.last, one.block.index) == ("board", 0, 3, 4)
    assert len(one.block.weights) == 3


def test_a_fused_block_computes_what_its_blocks_compute_one_after_another(desk):
    [(_, whole)] = fused(desk)
    x = np.random.default_rng(1).standard_normal((1, 64)).astype(np.float32)
    value = {"x": x}
    for part in cut(desk.directory, desk.compiled, line(desk)[1:-1])[:3]:
        value = ran(desk, part.file, value)
    whole_value = ran(desk, whole.file, {"x": x})
    assert whole_value.keys() == value.keys()
    for name, array in whole_value.items():
        np.testing.assert_allclose(array, value[name], rtol=1e-5, atol=1e-6)


def blocks(*dims):
    """Return blocks of a line whose boundaries begin with these dimensions."""
    specs = [TensorSpec(f"t{place}", "float32", (dim, 4)) for place, dim in enumerate(dims)]
    return [Block(at, "onnx", (specs[at],), (specs[at + 1],)) for at in range(len(dims) - 1)]


@pytest.mark.parametrize(
    ("dims", "found"),
    [
        ((1, 1, 1, 1), [(0, 3)]),  # no rows at all
        (("N", "N", "N", "N"), [(0, 3)]),
        ((224, 224, "N", "N", "N"), [(0, 2), (2, 4)]),  # a picture is prepared, then the model
        ((224, "N", "N", "N"), [(1, 3)]),  # one block to prepare it: that one stays as it is
        ((224, 224, 224, "N", "N"), [(0, 3)]),  # one block of the model stays as it is
        (("N", "N", 1, 1), [(0, 3)]),  # rows that end before the stage does
        ((224, "N", "N"), []),
    ],
)
def test_what_prepares_a_picture_is_not_fused_with_what_requests_may_share(dims, found):
    assert runs(blocks(*dims)) == found


def test_without_the_memory_for_it_nothing_is_fused(desk):
    weights = sum(ref.length for ref in desk.compiled.weights)
    assert fused(desk, {"board": int(weights * 1.5)}) == []
    assert fused(desk, {"board": weights * 3})


def test_the_book_carries_what_was_fused_and_the_files_are_kept(desk):
    book, _ = make_plan(PlanJob(str(desk.directory), desk.order()), desk.artifacts)
    active = {(stage.device, stage.last) for stage in book.page(book.active).stages}
    for one in book.fused:
        assert (one.device, one.last) in active
        assert desk.artifacts.find(one.block.artifact)
