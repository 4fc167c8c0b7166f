"""All down-sets of a graph as arrays, and the merging of layers that no plan may part.

Law: pure combinatorics in numpy; no cost is known here. A *group* is a set of layers that stay together; the
lattice is that of the groups, spelled out in layers. Growth is bounded: past the bound there is no lattice.

`together` merges without loss. A tensor that may not cross any boundary has its consumers in its producer's stage,
so each of them must be before the other; with every edge of the graph ("not after") this is a relation whose
strongly connected components lie in one stage in every plan of the space. Conversely each plan of the space keeps
every component whole, so the down-sets of the components are all that a boundary can be, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from partitioner.graph import CostGraph, bits_of, down_set_bits, layer_inputs
from partitioner.solve.problem import Problem, may_cross

Bools = npt.NDArray[np.bool_]
Groups = tuple[tuple[int, ...], ...]

WORD = 64


@dataclass(frozen=True)
class Lattice:
    """Down-sets, small ones first: the first is empty, the last holds all layers.

    Attributes:
        sets: bool [down-sets, layers].
        words: the same by groups as bits, uint64 [down-sets, words].
    """

    sets: Bools
    words: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.sets)

    def keep(self, rows: Bools) -> Lattice:
        """Return only the down-sets that are marked in `rows` (bool [down-sets])."""
        return Lattice(self.sets[rows], self.words[rows])

    def inclusion(self) -> Bools:
        """Return bool [D, D]: entry [J, I] tells whether down-set I is a part of down-set J."""
        inside = np.ones((len(self), len(self)), dtype=np.bool_)
        for word in self.words.T:
            inside &= (word[None, :] & ~word[:, None]) == 0
        return inside


def together(problem: Problem) -> Groups:
    """Return the finest groups of layers that no plan of the space parts (proof above)."""
    graph = problem.graph
    tails: list[int] = []
    heads: list[int] = []
    for tensor in graph.tensors:
        if tensor.producer >= 0:
            bound = not may_cross(problem, tensor)
            for consumer in tensor.consumers:
                tails += [tensor.producer, consumer] if bound else [tensor.producer]
                heads += [consumer, tensor.producer] if bound else [consumer]
    return components(len(graph.layers), tails, heads)


def components(count: int, tails: Sequence[int], heads: Sequence[int]) -> Groups:
    """Return the strongly connected components of a graph of `count` layers, sorted by their first layer."""
    members: dict[int, list[int]] = {}
    for layer, one in enumerate(component_of(count, tails, heads)):
        members.setdefault(one, []).append(layer)
    return tuple(sorted(tuple(group) for group in members.values()))


def component_of(count: int, tails: Sequence[int], heads: Sequence[int]) -> list[int]:
    """Return the number of each layer's strongly connected component; edges lead from `tails` to `heads`."""
    if not count:
        return []
    edges = coo_array((np.ones(len(tails)), (tails, heads)), shape=(count, count))
    _, label = connected_components(edges.tocsr(), directed=True, connection="strong")
    return [int(one) for one in label]


def lattice(graph: CostGraph, groups: Groups, limit: int) -> Lattice | None:
    """Return every down-set of the `groups` of `graph`, or None when there are more than `limit`."""
    found = down_set_bits(group_needs(graph, groups), limit)
    if found is None:
        return None
    by_group = unpacked(found, len(groups)).astype(np.bool_)
    of_layer = np.zeros(len(graph.layers), dtype=np.intp)
    for index, group in enumerate(groups):
        of_layer[list(group)] = index
    return Lattice(by_group[:, of_layer], _words(by_group))


def group_needs(graph: CostGraph, groups: Groups) -> list[int]:
    """Return, for each group, the other groups that feed it, as bits."""
    of_layer = {layer: index for index, group in enumerate(groups) for layer in group}
    inputs = layer_inputs(graph)
    return [
        bits_of({of_layer[one] for layer in group for one in inputs[layer]} - {index})
        for index, group in enumerate(groups)
    ]


def unpacked(bits: Sequence[int], count: int) -> npt.NDArray[np.uint8]:
    """Return bit sets of `count` members as rows of 0 and 1."""
    width = max((count + 7) // 8, 1)
    packed = np.frombuffer(b"".join(one.to_bytes(width, "little") for one in bits), dtype=np.uint8)
    return np.unpackbits(packed.reshape(len(bits), width), axis=1, count=count, bitorder="little")


def _words(by_group: Bools) -> npt.NDArray[np.uint64]:
    rows, groups = by_group.shape
    words = max((groups + WORD - 1) // WORD, 1)
    padded = np.zeros((rows, words * WORD), dtype=np.bool_)
    padded[:, :groups] = by_group
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)
