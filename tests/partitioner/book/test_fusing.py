"""What runs as one piece: decided once, with weights and activations counted, and told where it does not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.book import make_book
from partitioner.book.fusing import Pieces, once_more, rows, runs
from partitioner.book.setting import Setting
from partitioner.graph import CostGraph
from partitioner.units import Bytes

Make = Callable[..., Setting]
ROWS, NONE = True, False


@pytest.mark.parametrize(
    ("has_rows", "found"),
    [
        ([NONE, NONE, NONE], [(0, 3)]),
        ([ROWS, ROWS, ROWS], [(0, 3)]),
        ([NONE, NONE, ROWS, ROWS], [(0, 2), (2, 4)]),  # a picture is prepared, then the model
        ([NONE, ROWS, ROWS], [(1, 3)]),  # one block to prepare it: that one stays as it is
        ([NONE, NONE, NONE, ROWS], [(0, 3)]),  # one block of the model stays as it is
        ([ROWS, NONE, NONE], [(0, 3)]),  # rows that end before the stage does
        ([NONE, ROWS], []),
        ([], []),
    ],
)
def test_what_prepares_a_picture_is_not_one_piece_with_what_requests_may_share(
    has_rows: list[bool], found: list[tuple[int, int]]
) -> None:
    assert runs(has_rows) == found


def line(graph: CostGraph) -> tuple[frozenset[int], ...]:
    return tuple(frozenset(range(count)) for count in range(len(graph.layers) + 1))


def with_rows(graph: CostGraph, first: int) -> CostGraph:
    """The graph whose tensors, from layer `first` on, begin with a dimension of any size."""
    tensors = tuple(
        dataclasses.replace(one, shape=("N", *one.shape[1:])) if one.producer >= first else one
        for one in graph.tensors
    )
    return dataclasses.replace(graph, tensors=tensors)


def test_blocks_whose_tensors_all_begin_with_one_name_have_rows(setting_of: Make) -> None:
    graph = setting_of().graph
    assert not any(rows(graph, line(graph)))
    count, first = len(graph.layers), 5
    readers = {layer for one in graph.tensors if one.producer < first for layer in one.consumers}
    assert rows(with_rows(graph, first), line(graph)) == [
        at >= first and at not in readers for at in range(count)
    ]


def test_a_stage_is_costed_over_the_boundaries_of_its_pieces_alone(setting_of: Make) -> None:
    problem = setting_of().problem
    cuts = line(problem.graph)
    pieces, board = Pieces(problem, cuts), problem.devices[0]
    [(first, last)] = pieces.of(board, 0, 8)
    assert (first, last) == (1, 8), "the pseudo-node stays a block of its own"
    assert pieces.ends(board, 0, 8) == (cuts[0], cuts[1], cuts[8])
    assert pieces.of(board, 0, 2) == [], "one block is one piece already"


def test_activations_count(setting_of: Make) -> None:
    problem = setting_of().problem
    everything = frozenset(range(len(problem.graph.layers)))
    bare = dataclasses.replace(problem.devices[0], activations=())
    needs = once_more(problem, bare, everything)
    busy = dataclasses.replace(bare, activations=(Bytes(1_000_000),) * len(everything), memory=needs)
    assert once_more(problem, busy, everything) == pytest.approx(needs + 1_200_000, abs=1)
    cuts = line(problem.graph)
    count = len(cuts) - 1
    assert Pieces(problem, cuts).of(dataclasses.replace(bare, memory=needs), 0, count) == [(1, count)]
    pieces = Pieces(problem, cuts)
    assert pieces.of(busy, 0, count) == []
    assert pieces.ends(busy, 0, count) == cuts
    assert pieces.why_not(busy, 0, count) == (
        "board runs its part block by block, which is slower: to hold it in one piece as well takes "
        f"{(needs + 1_200_000) / 1e6:.1f} MB, and it has {needs / 1e6:.1f} MB"
    )
    assert pieces.why_not(busy, 0, 2) == "", "nothing is lost where there is one block"


def test_the_draft_says_what_its_page_was_costed_by(setting_of: Make) -> None:
    of = setting_of()
    for memory, whole in ((0, True), (16 << 20, False)):
        board = {"board_memory": Bytes(memory)}
        options = dataclasses.replace(of.options, page="local", **board)
        draft = make_book(of.compiled, of.board, of.cloud, of.link, options)
        [stage, _] = draft.page(draft.active).stages
        found = [(one.device, one.first, one.last) for one in draft.chosen.pieces]
        assert found == ([("board", 1, stage.last)] if whole else [])
        assert len(draft.chosen.blockwise) == (0 if whole else 1)
