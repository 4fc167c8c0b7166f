"""Which nodes are computed again in every block that needs them, rather than sent.

Law: decides by name, dtype and size only. Three kinds qualify: chains over shapes, chains over small integer
inputs (attention masks, positions), and DequantizeLinear, whose integer input is what should travel. A chain
is duplicated when what it starts from is read by its consumer anyway, or is an input of the graph that is
about as cheap to send as the result; otherwise its last node is an ordinary one and its result travels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from partitioner.onnx_io.vertices import Vertex, Vertices

MAX_CHEAP = 64 * 1024  # bytes of a result that is cheap to compute again
SLACK = (
    1024  # bytes by which the starting tensors may exceed the result: about what naming one more tensor costs
)
MAX_ROOTS = 4

CHEAP = frozenset((
    "Add", "And", "Cast", "CastLike", "Ceil", "Clip", "Concat", "ConstantOfShape", "CumSum", "Div",
    "Equal", "Expand", "Flatten", "Floor", "Gather", "GatherND", "Greater", "GreaterOrEqual", "Identity",
    "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "OneHot", "Or", "Pad", "Pow",
    "Range", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "ScatterND", "Shape",
    "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Trilu", "Unsqueeze",
    "Where", "Xor",
))  # fmt: skip
ASKS_SHAPE_ONLY = frozenset(("Shape", "Size"))


@dataclass(frozen=True)
class Duplication:
    """What `decide` found.

    `duplicated` are the indices of vertices that every block computes for itself. `reads` gives, for each
    other vertex, the tensors it needs from ordinary vertices or from outside, those of its duplicated chains
    included.
    """

    duplicated: frozenset[int]
    reads: dict[int, tuple[str, ...]]


def decide(all_of: Vertices) -> Duplication:
    """Decide what is duplicated; time is linear in the graph."""
    roots = _roots(all_of)
    consumers = _consumers(all_of)
    candidates = {all_of.maker[name].index for name in roots}
    kept = {
        all_of.maker[name].index
        for name, from_what in roots.items()
        if not _worth(
            all_of, name, from_what, [one for one in consumers[name] if one.index not in candidates]
        )
    }
    duplicated = frozenset(candidates - kept)
    return Duplication(duplicated, _effective_reads(all_of, duplicated))


def _consumers(all_of: Vertices) -> dict[str, list[Vertex]]:
    found: dict[str, list[Vertex]] = defaultdict(list)
    for vertex in all_of.all:
        for name in vertex.reads:
            found[name].append(vertex)
    return found


def _roots(all_of: Vertices) -> dict[str, frozenset[str]]:
    """Return, for each result that may be duplicated, the ordinary tensors its chain starts from."""
    found: dict[str, frozenset[str]] = {}
    inputs = {name for name in all_of.inputs if all_of.types[name].dtype.startswith(("int", "uint", "bool"))}
    for vertex in all_of.all:
        start = _start(vertex, all_of, inputs, found)
        if start is not None and len(start) <= MAX_ROOTS:
            found[vertex.makes[0]] = start
    return found


def _start(
    vertex: Vertex, all_of: Vertices, inputs: set[str], found: dict[str, frozenset[str]]
) -> frozenset[str] | None:
    if len(vertex.makes) != 1 or vertex.pseudo or not all_of.can_cross(vertex.makes[0]):
        return None
    if vertex.operator == "DequantizeLinear":
        return _union(found.get(name, frozenset((name,))) for name in vertex.reads)
    if vertex.operator not in CHEAP or vertex.weights or all_of.size(vertex.makes[0]) > MAX_CHEAP:
        return None
    asks_shape = vertex.operator in ASKS_SHAPE_ONLY
    if not all(name in found or name in inputs or asks_shape for name in vertex.reads):
        return None
    return _union(found.get(name, frozenset((name,))) for name in vertex.reads)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _worth(all_of: Vertices, name: str, start: frozenset[str], consumers: list[Vertex]) -> bool:
    if name in all_of.outputs:
        return False
    if all_of.maker[name].operator == "DequantizeLinear":
        return True
    cheap = start.issubset(all_of.inputs) and sum(map(all_of.size, start)) <= all_of.size(name) + SLACK
    return cheap or all(start.issubset(one.reads) for one in consumers)


def _effective_reads(all_of: Vertices, duplicated: frozenset[int]) -> dict[int, tuple[str, ...]]:
    through: dict[str, tuple[str, ...]] = {}
    reads = {}
    for vertex in all_of.all:
        wanted = tuple(dict.fromkeys(one for name in vertex.reads for one in through.get(name, (name,))))
        if vertex.index in duplicated:
            through[vertex.makes[0]] = wanted
        else:
            reads[vertex.index] = wanted
    return reads
