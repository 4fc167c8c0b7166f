"""Strongly connected components of a graph of integers.

Law: Tarjan's algorithm (SIAM J. Comput. 1(2), 1972) without recursion; linear time; knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def strong_components(edges: Mapping[int, Collection[int]]) -> list[list[int]]:
    """Return the strongly connected components of `edges` (every vertex is a key), each sorted."""
    search = _Search(edges)
    for start in edges:
        if start not in search.number:
            search.visit(start)
    return search.found


class _Search:
    def __init__(self, edges: Mapping[int, Collection[int]]) -> None:
        self.edges = edges
        self.number: dict[int, int] = {}
        self.low: dict[int, int] = {}
        self.stack: list[int] = []
        self.open: set[int] = set()
        self.found: list[list[int]] = []

    def visit(self, start: int) -> None:
        path: list[tuple[int, Iterator[int]]] = [self._enter(start)]
        while path:
            one, ahead = path[-1]
            following = next(ahead, None)
            if following is None:
                path.pop()
                self._leave(one, path[-1][0] if path else None)
            elif following not in self.number:
                path.append(self._enter(following))
            elif following in self.open:
                self.low[one] = min(self.low[one], self.number[following])

    def _enter(self, one: int) -> tuple[int, Iterator[int]]:
        self.number[one] = self.low[one] = len(self.number)
        self.stack.append(one)
        self.open.add(one)
        return one, iter(self.edges[one])

    def _leave(self, one: int, parent: int | None) -> None:
        if parent is not None:
            self.low[parent] = min(self.low[parent], self.low[one])
        if self.low[one] == self.number[one]:
            component: list[int] = []
            while not component or component[-1] != one:
                component.append(self.stack.pop())
            self.open.difference_update(component)
            self.found.append(sorted(component))
