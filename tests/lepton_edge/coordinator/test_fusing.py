"""The active page's pieces as one block each: what the draft says, with the right numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest

from lepton_edge.coordinator.fusing import fuse
from lepton_edge.coordinator.jobs import PlanJob
from lepton_edge.coordinator.planning import make_plan
from partitioner.book import Candidate, Draft
from partitioner.book.draft import Piece
from partitioner.book.fusing import rows
from partitioner.graph import chain
from partitioner.onnx_io import compile_model, cut, load_compiled
from partitioner.onnx_io.runtime import open_session, options, run
from partitioner.plan import Page, Prediction, Stage
from tests.lepton_edge.coordinator.test_planning import Desk, net

NOTHING = Prediction(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def line(desk):
    return tuple(frozenset(range(count)) for count in range(len(desk.compiled.graph.layers) + 1))


def fused(desk, *pieces, spare=()):
    return cut_of(desk, pieces, spare)[0]


def cut_of(desk, pieces, spare):
    count = len(line(desk)) - 1
    page = Page("cut", (Stage("board", 0, 3), Stage("cloud", 3, count)), NOTHING)
    candidate = Candidate(page, "", pieces=pieces)
    draft = Draft(line(desk), (page,), "cut", "", "", "", (candidate,), 0.0, "", spare=spare)
    return fuse(desk.directory, desk.compiled, draft)


def ran(desk, file, feed):
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return run(open_session(file, options(desk.directory, level)), feed)


def test_each_piece_of_the_draft_becomes_a_block_numbered_behind_the_books_own(desk):
    [(one, _), (other, _)] = fused(desk, Piece("board", 0, 3), Piece("cloud", 2, 4))
    assert (one.device, one.first, one.last, one.block.index) == ("board", 0, 3, 4)
    assert (other.device, other.first, other.last, other.block.index) == ("cloud", 2, 4, 5)
    assert len(one.block.weights) == 3


def test_spare_pieces_are_numbered_behind_those_of_the_active_page(desk):
    (one,), (spare,) = cut_of(desk, (Piece("board", 0, 3),), (Piece("board", 0, 4),))
    assert (one[0].block.index, spare[0].block.index) == (4, 5)
    assert (spare[0].first, spare[0].last, len(spare[0].block.weights)) == (0, 4, 4)


def test_without_pieces_nothing_is_fused(desk):
    assert fused(desk) == []


def test_a_fused_block_computes_what_its_blocks_compute_one_after_another(desk):
    [(_, whole)] = fused(desk, Piece("board", 0, 3))
    x = np.random.default_rng(1).standard_normal((1, 64)).astype(np.float32)
    value = {"x": x}
    for part in cut(desk.directory, desk.compiled, line(desk)[1:-1])[:3]:
        value = ran(desk, part.file, value)
    whole_value = ran(desk, whole.file, {"x": x})
    assert whole_value.keys() == value.keys()
    for name, array in whole_value.items():
        np.testing.assert_allclose(array, value[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", ["N", 1])
def test_the_planner_sees_the_rows_that_the_cut_blocks_have(tmp_path, batch):
    model = net()
    for end in (*model.graph.input, *model.graph.output):
        dim = end.type.tensor_type.shape.dim[0]
        if isinstance(batch, str):
            dim.dim_param = batch
    onnx.save(model, str(tmp_path / "net.onnx"))
    into = tmp_path / "compiled"
    compile_model(tmp_path / "net.onnx", "net", into, manifest=None, shapes={"x": (1, 64)}, labels={})
    compiled = load_compiled(into)
    bounds = chain(compiled.graph)
    blocks = [one.block.has_rows for one in cut(into, compiled, bounds[1:-1])]
    assert rows(compiled.graph, bounds) == blocks == [batch == "N"] * 4


def test_the_book_carries_what_was_fused_and_the_files_are_kept(desk):
    book, document = make_plan(PlanJob(str(desk.directory), desk.order()), desk.artifacts)
    assert [{"device": o.device, "first": o.first, "last": o.last} for o in book.fused] == document["pieces"]
    assert book.fused
    for one in book.fused:
        assert desk.artifacts.find(one.block.artifact)


def test_a_stage_that_does_not_fit_once_more_is_cut_block_by_block_and_a_person_is_told(desk):
    weights = sum(ref.length for ref in desk.compiled.weights)
    told = []
    order = dataclasses.replace(desk.order(), page="local", board_memory=int(weights * 1.5))
    book, document = make_plan(
        PlanJob(str(desk.directory), order), desk.artifacts, lambda *said: told.append(said)
    )
    assert book.fused == ()
    [(stage, _, _, words)] = told
    assert stage == "planning"
    assert words.startswith("board runs its part block by block")
    assert words in document["notes"]
