"""Strong components against reachability on random graphs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from partitioner.onnx_io.components import strong_components


@given(st.integers(1, 8).flatmap(lambda n: st.lists(st.sets(st.integers(0, n - 1)), min_size=n, max_size=n)))
def test_two_vertices_share_a_component_when_each_reaches_the_other(edges: list[set[int]]) -> None:
    def reached(start: int) -> set[int]:
        found, pending = {start}, [start]
        while pending:
            for following in edges[pending.pop()] - found:
                found.add(following)
                pending.append(following)
        return found

    reach = [reached(one) for one in range(len(edges))]
    expected = {frozenset(o for o in reach[one] if one in reach[o]) for one in range(len(edges))}
    found = strong_components(dict(enumerate(edges)))
    assert {frozenset(one) for one in found} == expected
    assert sum(map(len, found)) == len(edges)


def test_a_long_path_needs_no_recursion() -> None:
    count = 50_000
    edges = {index: [index + 1] for index in range(count - 1)} | {count - 1: [0]}
    assert strong_components(edges) == [list(range(count))]
