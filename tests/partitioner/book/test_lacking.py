"""Operators that a device lacks: their names, and books that plan around them."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book import BookOptions, make_book
from partitioner.book.lacking import lacking
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.plan import LOCAL_PAGE

SPECIAL = 8


@pytest.fixture
def noted(compiled: CompiledModel) -> CompiledModel:
    """The model with its operators: one layer has a "Special" beside its Conv, one an operator of a domain."""
    kinds = {SPECIAL: ("Conv", "Special"), SPECIAL + 1: ("mine/Odd",)}
    layers = [
        dataclasses.replace(one, operators=kinds.get(one.index, ("Conv",))) for one in compiled.graph.layers
    ]
    graph = CostGraph(tuple(layers), compiled.graph.tensors)
    return dataclasses.replace(compiled, graph=graph)


@pytest.mark.parametrize(
    ("operator", "layers"),
    [("Special", {SPECIAL}), ("ai.onnx/Special", {SPECIAL}), ("mine/Odd", {SPECIAL + 1})],
)
def test_an_operator_stands_for_its_layers(noted: CompiledModel, operator: str, layers: set[int]) -> None:
    assert lacking(noted.graph, [operator]) == layers
    assert lacking(noted.graph, ["Conv", operator]) >= layers | {0}


def test_a_name_that_is_none_is_told_with_its_nearest(noted: CompiledModel) -> None:
    with pytest.raises(InvalidProblem, match=r"no operator Specal \(near: Special\)"):
        lacking(noted.graph, ["Specal"])


def test_a_model_without_notes_is_to_be_pushed_again(compiled: CompiledModel) -> None:
    assert lacking(compiled.graph, []) == frozenset()
    with pytest.raises(InvalidProblem, match="were not noted") as caught:
        lacking(compiled.graph, ["Conv"])
    assert caught.value.hint == "remove the model, and push it again"


def test_no_page_runs_an_operator_where_it_is_lacked(
    noted: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    options = BookOptions(keep_input=True, board_lacks=("Special",))
    draft = make_book(noted, board, cloud, lte, options)
    assert draft.active.startswith("cut-")
    held = [one for one in draft.candidates if one.in_book]
    assert held
    assert all(SPECIAL not in one.down_set for one in held)
    assert all(one.page.name != LOCAL_PAGE for one in held)
    local = next(one for one in draft.candidates if one.page.name == LOCAL_PAGE)
    assert local.why_not == f"the board lacks an operator of {noted.graph.layers[SPECIAL].name}"
    assert draft.fallback == ""


def test_what_the_cloud_lacks_stays_on_the_board(
    noted: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(noted, board, cloud, lte, BookOptions(cloud_lacks=("Special",)))
    assert all(SPECIAL in one.down_set for one in draft.candidates if one.in_book)


def test_what_neither_has_runs_nowhere(
    noted: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    options = BookOptions(board_lacks=("Special",), cloud_lacks=("Special",))
    with pytest.raises(NoFeasiblePlan):
        make_book(noted, board, cloud, lte, options)


def test_one_device_alone_must_have_every_operator(noted: CompiledModel, board: DeviceProfile) -> None:
    with pytest.raises(NoFeasiblePlan, match="the board lacks an operator of layer5, and is alone"):
        make_book(noted, board, None, None, BookOptions(board_lacks=("Special",)))


def test_one_device_alone_needs_room_for_its_activations(
    compiled: CompiledModel, board: DeviceProfile
) -> None:
    weights = sum(ref.length for ref in compiled.weights)
    options = BookOptions(board_memory=round(weights * 1.2) + 1000)  # type: ignore[arg-type]
    make_book(compiled, board, None, None, options)
    hungry = dataclasses.replace(board, activation_peak=5_000_000)  # type: ignore[arg-type]
    with pytest.raises(NoFeasiblePlan, match=r"would need 21\.1 MB and has 15\.1 MB"):
        make_book(compiled, hungry, None, None, options)
