"""Where a book cuts: every door, the best cuts, a few more, all nested and within the budget."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from partitioner.book import BookOptions
from partitioner.book.boundaries import (
    LEAST_DIFFERENCE,
    best_cuts,
    boundaries,
    cut_value,
    doors,
    uint8_picture,
)
from partitioner.book.interior import is_interior
from partitioner.book.setting import Setting, make_setting
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.graph import CostTensor, chain, live_tensors
from partitioner.plan import InputSpec
from partitioner.predict import segment_estimate
from partitioner.units import Bytes, TensorName

DECODED, RESIZED, OWN = frozenset({0}), frozenset({0, 1}), frozenset({0, 1, 2})


class Make:
    """Settings that differ in what was asked for."""

    def __init__(
        self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, link: LinkProfile
    ) -> None:
        self.compiled, self.board, self.cloud, self.link = compiled, board, cloud, link

    def __call__(self, **options: float) -> Setting:
        wish = dataclasses.replace(BookOptions(), **options)
        return make_setting(self.compiled, self.board, self.cloud, self.link, wish)


@pytest.fixture
def make(compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile) -> Make:
    return Make(compiled, board, cloud, lte)


def test_a_picture_enters_encoded_decoded_and_as_the_models_own_array(compiled: CompiledModel) -> None:
    assert doors(compiled) == [DECODED, RESIZED, OWN]
    assert doors(compiled, uint8=False) == [DECODED, OWN], "nobody can give the resized picture"


def test_arrays_alone_enter_at_the_beginning(compiled: CompiledModel) -> None:
    layers = tuple(dataclasses.replace(one, pseudo="") for one in compiled.graph.layers)
    graph = dataclasses.replace(compiled.graph, layers=layers)
    inputs = tuple(dataclasses.replace(one, picture=TensorName("")) for one in compiled.inputs)
    assert doors(dataclasses.replace(compiled, graph=graph, inputs=inputs)) == []


def test_the_end_of_the_model_is_no_door(compiled: CompiledModel) -> None:
    tensors = (*compiled.graph.tensors[:3], dataclasses.replace(compiled.graph.tensors[3], consumers=()))
    first = dataclasses.replace(compiled.graph, layers=compiled.graph.layers[:3], tensors=tensors)
    assert doors(dataclasses.replace(compiled, graph=first)) == [DECODED, RESIZED]


def test_a_second_picture_has_its_door_behind_the_firsts(compiled: CompiledModel) -> None:
    graph = compiled.graph
    second = CostTensor(TensorName("z@picture"), "uint8", (1, 1, 3), Bytes(3), 5, (6,), picture=True)
    own = CostTensor(TensorName("z"), "float32", (4,), Bytes(16), 7, (8,))
    inputs = (
        *compiled.inputs,
        InputSpec(dataclasses.replace(compiled.inputs[0].tensor, name="z"), "z@picture"),
    )
    two = dataclasses.replace(
        compiled, graph=dataclasses.replace(graph, tensors=(*graph.tensors, second, own)), inputs=inputs
    )
    found = doors(two)
    assert found == sorted(found, key=len)
    assert all(first < last for first, last in itertools.pairwise(found))
    assert found[-1] == frozenset(range(8)), "behind what makes both own inputs"


def test_cloud_with_uint8_sends_the_resized_picture_or_else_the_decoded_one() -> None:
    resized, picture = TensorName("x@resized"), TensorName("x@picture")
    assert uint8_picture(TensorName("x"), picture, [picture, resized]) == resized
    assert uint8_picture(TensorName("x"), picture, [picture]) == picture


def test_the_first_best_cut_is_the_best_of_all(make: Make) -> None:
    setting = make()
    problem = setting.problem
    interior = [one for one in chain(problem.graph) if is_interior(problem.graph, one)]
    best = min(cut_value(problem, one) for one in interior)
    assert cut_value(problem, best_cuts(setting)[0]) == pytest.approx(best)


def test_cuts_that_give_a_kept_input_away_are_none(make: Make) -> None:
    """A mask that the layers 3 to 10 read is still needed behind the best free cut."""
    free = best_cuts(make())[0]
    mask = CostTensor(TensorName("mask"), "int64", (1,), Bytes(8), -1, tuple(range(3, 11)))
    graph = dataclasses.replace(make.compiled.graph, tensors=(*make.compiled.graph.tensors, mask))
    make.compiled = dataclasses.replace(make.compiled, graph=graph)
    asked, kept = best_cuts(make()), best_cuts(make(keep_input=True))
    assert asked[0] == free == frozenset(range(8))
    assert free < asked[1], "both are worth having"
    assert kept == [asked[1]]
    assert "mask" not in {tensor.name for tensor in live_tensors(graph, kept[0])}


def test_a_board_that_holds_little_is_cut_early(make: Make) -> None:
    held = [max(len(one) for one in best_cuts(make(board_memory=mib << 20))) for mib in (3, 100)]
    assert held[0] <= 3 + 2, "three of preparation, and two layers of 1 MiB with a fifth to spare"
    assert held[0] <= held[1]


def test_the_boundaries_lead_from_nothing_through_the_doors_to_everything(make: Make) -> None:
    setting = make()
    cuts = best_cuts(setting)
    found = boundaries(setting, cuts)
    assert (found[0], found[-1]) == (frozenset(), frozenset(range(len(setting.graph.layers))))
    assert all(first < last for first, last in itertools.pairwise(found))
    assert {DECODED, RESIZED, OWN, cuts[0]} <= set(found)
    assert RESIZED not in boundaries(make(keep_input=True), cuts), "where it may not be sent"


def test_a_cut_that_is_not_nested_with_the_doors_is_left_out(make: Make) -> None:
    setting = make(further_cuts=0)
    across = frozenset({0, 1, 3})
    assert across not in boundaries(setting, [across])


def test_further_cuts_are_few_differ_and_cost_little(make: Make) -> None:
    cuts = best_cuts(make())
    bare = boundaries(make(further_cuts=0), cuts)
    assert boundaries(make(further_cuts=9, cut_budget=0.0), cuts) == bare, "each cut costs something"
    for count in (1, 2):
        assert len(boundaries(make(further_cuts=count, cut_budget=1.0), cuts)) == len(bare) + count
    setting = make(further_cuts=9, cut_budget=0.02)
    some = boundaries(setting, cuts)
    assert len(some) > len(bare)
    assert board_alone(setting, some) <= 1.02 * board_alone(setting, bare)


def test_two_cuts_that_hardly_differ_are_one(make: Make) -> None:
    late = frozenset(range(13))
    cuts = [late]
    setting = make(further_cuts=9, cut_budget=1.0)
    further = set(boundaries(setting, cuts)) - set(boundaries(make(further_cuts=0), cuts))
    assert further
    for new in further:
        assert abs(work(setting, new) - work(setting, late)) >= LEAST_DIFFERENCE, sorted(new)


def board_alone(setting: Setting, cuts: tuple[frozenset[int], ...]) -> float:
    parts = [segment_estimate(setting.near.costs, setting.graph, a, b) for a, b in itertools.pairwise(cuts)]
    return sum(part.mean for part in parts)


def work(setting: Setting, layers: frozenset[int]) -> float:
    """Return the share of the board's work in `layers`."""
    seconds = setting.near.costs.layers
    return sum(seconds[index] for index in layers) / sum(seconds)
