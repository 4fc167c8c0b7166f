"""Where layers and tensors are drawn."""

from __future__ import annotations

import random
from typing import Any

import pytest

from partitioner.report.html import lanes
from partitioner.report.html.lanes import MOST_LANES, edges_of, lanes_of, live_bytes, rows_of

Document = dict[str, Any]


def graph(edges: list[tuple[int, tuple[int, ...], int]], stages: list[int]) -> Document:
    layers = [
        {"index": index, "name": f"l{index}", "stage": stage, "block": stage, "device": f"d{stage}"}
        for index, stage in enumerate(stages)
    ]
    tensors = [
        {"name": f"t{number}", "producer": producer, "consumers": list(consumers), "size": size}
        for number, (producer, consumers, size) in enumerate(edges)
    ]
    return {"layers": layers, "tensors": tensors}


def test_rows_are_sorted_by_stage_so_that_a_frontier_is_a_line() -> None:
    # layer 1 hangs on the input and runs in the second stage although layer 2 runs in the first
    drawn = graph([(-1, (0, 1), 10), (0, (2,), 20), (2, (3,), 30), (1, (3,), 40)], [0, 1, 0, 1])
    rows = rows_of(drawn)
    assert [row.name for row in rows] == ["l0", "l2", "l1", "l3"]
    assert live_bytes(edges_of(drawn, rows), 4) == [10 + 20, 10 + 30, 30 + 40, 0]


def test_a_chain_has_one_lane_and_a_skip_two() -> None:
    chain = graph([(-1, (0,), 1), (0, (1,), 1), (1, (2,), 1)], [0, 0, 0])
    assert lanes_of(edges_of(chain, rows_of(chain)), 3).width == 1
    skip = graph([(-1, (0,), 1), (0, (1, 2), 1), (1, (2,), 1)], [0, 0, 0])
    assert lanes_of(edges_of(skip, rows_of(skip)), 3).width == 2


def test_a_chain_stays_straight_beside_its_skips() -> None:
    skips = graph([(-1, (0,), 1), (0, (1, 3), 1), (1, (2,), 1), (2, (3,), 1), (3, (4,), 1)], [0] * 5)
    dots = lanes_of(edges_of(skips, rows_of(skips)), 5).dots
    assert dots[1] == dots[2] == dots[3] == dots[4]


def test_lanes_that_are_alive_together_never_share_a_column() -> None:
    chance = random.Random(3)
    for _ in range(50):
        count = 12
        edges = [(-1, (0,), 1)]
        for layer in range(count - 1):
            consumers = {layer + 1, *(chance.randrange(layer + 1, count) for _ in range(chance.randrange(2)))}
            edges.append((layer, tuple(sorted(consumers)), 1))
        drawn = graph(edges, [0] * count)
        found = edges_of(drawn, rows_of(drawn))
        placed = lanes_of(found, count)
        for row in range(count):
            alive = [
                column
                for edge, column in zip(found, placed.columns, strict=True)
                if edge.source <= row < edge.targets[-1]
            ]
            assert len(alive) == len(set(alive))


def test_lanes_have_a_bound() -> None:
    count = 40
    edges = [(layer, (count - 1,), 1) for layer in range(count - 1)]
    drawn = graph(edges, [0] * count)
    assert lanes_of(edges_of(drawn, rows_of(drawn)), count).width == MOST_LANES


@pytest.mark.parametrize("count", [301, 2400])
def test_a_large_graph_is_drawn_as_runs_that_no_frontier_divides(count: int) -> None:
    stages = [0] * (count // 3) + [1] * (count - count // 3)
    drawn = graph([(layer, (layer + 1,), 8) for layer in range(count - 1)], stages)
    rows = rows_of(drawn)
    assert len(rows) <= lanes.RUNS + 2
    assert sum(len(row.layers) for row in rows) == count
    assert all(len({layer["stage"] for layer in row.layers}) == 1 for row in rows)
    assert len(edges_of(drawn, rows)) == len(rows) - 1
