"""A person's own split: found by the name of a layer, a node or a tensor; refused in words."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book import BookOptions, Draft, make_book
from partitioner.book.own import ancestors, own_cut
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import live_tensors
from partitioner.units import Bytes, TensorName


class Book:
    """Books of one model that differ in the wishes."""

    def __init__(
        self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, link: LinkProfile
    ) -> None:
        self.compiled, self.board, self.cloud, self.link = compiled, board, cloud, link

    def __call__(self, **wishes: object) -> Draft:
        options = dataclasses.replace(BookOptions(), **wishes)  # type: ignore[arg-type]
        return make_book(self.compiled, self.board, self.cloud, self.link, options)


@pytest.fixture
def book(compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile) -> Book:
    return Book(compiled, board, cloud, lte)


def test_a_layer_and_its_tensor_mean_the_same(compiled: CompiledModel) -> None:
    graph = compiled.graph
    assert own_cut(graph, "layer4") == own_cut(graph, "t4") == frozenset(range(8))
    assert ancestors(graph, [2, 0]) == {0, 1, 2}


def test_it_is_active_whatever_it_costs_and_the_reason_says_how_much_worse(book: Book) -> None:
    draft, free = book(own_cut="layer2"), book()
    page = draft.page(draft.active)
    assert draft.active == "own"
    assert page.stages[0].last == draft.boundaries.index(frozenset(range(6)))
    best, own = free.page(free.active).prediction.latency, page.prediction.latency
    assert f"takes {own * 1e3:.1f} ms: " in draft.reason
    assert (
        f"{own / best - 1:.0%} worse than cloud with the encoded picture ({best * 1e3:.1f} ms)"
        in draft.reason
    )
    assert "which the planner would take; it " in draft.reason
    assert own > best
    assert page.reason == draft.reason
    assert {"local", "cloud-encoded"} <= {one.name for one in draft.pages}
    label = next(one.label for one in draft.candidates if one.page.name == "own")
    assert label == "your own split behind layer2"


def test_it_may_be_the_planners_choice_too(book: Book, compiled: CompiledModel) -> None:
    kept = book(keep_input=True)
    index = kept.page(kept.active).stages[0].last
    name = compiled.graph.layers[max(kept.boundaries[index])].name
    draft = book(keep_input=True, own_cut=name)
    assert draft.active == "own"
    assert "the planner would take nothing better (next: split behind " in draft.reason
    assert draft.preferred == "own"
    assert not [one for one in draft.pages if one.name != "own" and one.stages[0].last == index][1:]


def test_a_name_that_nobody_has_is_told_with_its_neighbours(book: Book) -> None:
    with pytest.raises(InvalidProblem, match=r"called layr4 \(near: layer4, .*\)"):
        book(own_cut="layr4")


def test_an_end_is_no_split(book: Book) -> None:
    with pytest.raises(InvalidProblem, match="behind layer11 nothing is left"):
        book(own_cut="layer11")
    with pytest.raises(InvalidProblem, match="x@encoded is an input"):
        book(own_cut="x@encoded")


def test_a_split_that_gives_a_kept_input_away_is_refused(book: Book) -> None:
    with pytest.raises(NoFeasiblePlan, match=r"your own split .*x would leave the board"):
        book(own_cut="normalise", keep_input=True)


def test_a_split_that_does_not_fit_is_refused_in_megabytes(book: Book) -> None:
    with pytest.raises(NoFeasiblePlan, match=r"the board needs 11.3 MB and has 8.0 MB"):
        book(own_cut="layer8", board_memory=Bytes(8_000_000))


def test_a_split_where_no_codec_is_allowed_is_refused(book: Book) -> None:
    with pytest.raises(NoFeasiblePlan, match="t4 would leave the board, where it is to stay"):
        book(own_cut="layer4", stay=(TensorName("t4"),))


def test_a_split_inside_of_the_preparation_is_a_door(book: Book, compiled: CompiledModel) -> None:
    draft = book(own_cut="x@picture")
    cut = draft.boundaries[draft.page("own").stages[0].last]
    assert [one.name for one in live_tensors(compiled.graph, cut)] == ["x@picture"]
