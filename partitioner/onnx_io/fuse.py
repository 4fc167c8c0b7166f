"""Which nodes belong to one layer: between them no cut is legal, or none can ever be worth it.

Law: rules over vertices, each stating its reason; a rule only ever joins. Joining never loses a good plan: a
cut is given up only where it is impossible (a value that cannot cross), wrong (between the float sides of
quantization), or where a neighbouring cut sends no more bytes and keeps what an engine fuses in one piece.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator

from partitioner.onnx_io.duplicate import CHEAP, Duplication
from partitioner.onnx_io.vertices import Vertex, Vertices

UNARY = frozenset((
    "Abs", "Acos", "Asin", "Atan", "BatchNormalization", "BiasGelu", "Cast", "Ceil", "Celu", "Clip",
    "Cos", "Dropout", "Elu", "Erf", "Exp", "FastGelu", "Flatten", "Floor", "Gelu", "HardSigmoid",
    "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "Log", "Mish", "Neg", "PRelu",
    "QuickGelu", "Reciprocal", "Relu", "Reshape", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin",
    "SkipLayerNormalization", "Softmax", "Softplus", "Softsign", "Sqrt", "Squeeze", "Tan", "Tanh",
    "ThresholdedRelu", "Transpose", "Unsqueeze",
))  # fmt: skip
MERGING = frozenset((
    "Add", "And", "Concat", "Div", "Equal", "Max", "Mean", "Min", "Mul", "Or", "Pow", "Sub", "Sum",
    "Where",
))  # fmt: skip
REDUCING = frozenset((
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare", "ReduceL2",
))  # fmt: skip
POINTWISE = UNARY | MERGING | REDUCING
FEW_BYTES = 64  # eight dimensions
MAX_REGION = 24  # nodes of the longest decomposed activation or normalisation we know, and some more

Join = tuple[int, int]


class Rules:
    """The rules over one graph. `protected` tensors stay cuttable: the doors by which callers come in."""

    def __init__(self, all_of: Vertices, duplication: Duplication, protected: frozenset[str]) -> None:
        self.all = all_of
        self.reads = duplication.reads
        self.protected = protected
        self.consumers: dict[str, list[int]] = defaultdict(list)
        for index, names in self.reads.items():
            for name in names:
                self.consumers[name].append(index)

    def joins(self) -> Iterator[Join]:
        """Yield pairs of vertex indices that belong together."""
        yield from self.cannot_cross()
        for index in self.reads:
            vertex = self.all.all[index]
            yield from self.quantizes(vertex)
            yield from self.follows(vertex)
            yield from self.measures(vertex)
        for name in list(self.consumers):
            yield from self.reconverges(name)

    def cannot_cross(self) -> Iterator[Join]:
        """Sequences, optionals, strings and inner tensors of a preparation stay where they are made."""
        for name, readers in self.consumers.items():
            if not self.all.can_cross(name):
                first = self.all.maker[name].index if name in self.all.maker else readers[0]
                yield from ((first, reader) for reader in readers)

    def quantizes(self, vertex: Vertex) -> Iterator[Join]:
        """A float tensor is quantized where it is made: only the integers cross."""
        if vertex.operator == "QuantizeLinear" and (first := self.reads[vertex.index]):
            yield from self._with_maker(first[0], vertex)

    def follows(self, vertex: Vertex) -> Iterator[Join]:
        """An activation, a bias, a residual sum or a layout change belongs to what it follows.

        It must be the only reader of that, and make no more bytes than it takes away: the cut behind it then
        sends no more than the cut before it.
        """
        if vertex.operator not in POINTWISE or len(vertex.makes) != 1:
            return
        own = [name for name in self.reads[vertex.index] if self._only_reader(name)]
        if own and self.all.size(vertex.makes[0]) <= sum(map(self.all.size, own)):
            yield from self._with_maker(max(own, key=lambda name: self.all.maker[name].index), vertex)

    def measures(self, vertex: Vertex) -> Iterator[Join]:
        """A few numbers that one tensor tells (its shape) are taken where that is made, and travel."""
        first = self.reads[vertex.index]
        small = len(first) == 1 and all(self.all.can_cross(one) for one in vertex.makes)
        if small and vertex.operator in CHEAP and sum(map(self.all.size, vertex.makes)) <= FEW_BYTES:
            yield from self._with_maker(first[0], vertex)

    def reconverges(self, name: str) -> Iterator[Join]:
        """Pointwise paths that leave one tensor and meet again: Gelu, SiLU, a spelt-out LayerNorm."""
        if len(self.consumers[name]) < 2:
            return
        region = self._region(name)
        yield from ((region[0], other) for other in region[1:])
        if region and self._absorbed(name, region):
            yield from self._with_maker(name, self.all.all[region[0]])

    def _region(self, name: str) -> list[int]:
        ahead = [index for index in self.consumers[name] if self.all.all[index].operator in POINTWISE]
        heapq.heapify(ahead)
        seen, made = set(ahead), {name}
        inside: list[int] = []
        while ahead and len(inside) < MAX_REGION:
            vertex = self.all.all[heapq.heappop(ahead)]
            if vertex.operator not in POINTWISE or not made.issuperset(self.reads[vertex.index]):
                continue
            inside.append(vertex.index)
            made.update(vertex.makes)
            if self._closed(name, inside):
                return inside
            for reader in (one for output in vertex.makes for one in self.consumers[output]):
                if reader not in seen:
                    seen.add(reader)
                    heapq.heappush(ahead, reader)
        return []

    def _closed(self, name: str, inside: list[int]) -> bool:
        """Return whether at least two readers of `name` are inside and exactly one tensor leaves."""
        if sum(name in self.reads[index] for index in inside) < 2:
            return False
        leaving = [
            output for index in inside for output in self.all.all[index].makes if self._leaves(output, inside)
        ]
        return len(leaving) == 1

    def _absorbed(self, name: str, region: list[int]) -> bool:
        """Return whether `region` takes all of `name` and makes no more bytes than that."""
        made = (
            output for index in region for output in self.all.all[index].makes if self._leaves(output, region)
        )
        return not self._leaves(name, region) and sum(map(self.all.size, made)) <= self.all.size(name)

    def _leaves(self, name: str, inside: list[int]) -> bool:
        return name in self.all.outputs or not set(self.consumers[name]).issubset(inside)

    def _only_reader(self, name: str) -> bool:
        return (
            name in self.all.maker
            and len(self.consumers[name]) == 1
            and name not in self.protected
            and name not in self.all.outputs
        )

    def _with_maker(self, name: str, vertex: Vertex) -> Iterator[Join]:
        if name in self.all.maker and name not in self.protected:
            yield self.all.maker[name].index, vertex.index
