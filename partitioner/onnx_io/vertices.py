"""The composed graph as vertices: what each node reads, makes and weighs, bodies of control flow included.

Law: a plain picture of the protobuf for the rules that contract it; decides nothing. Pseudo-nodes are
vertices like all others; initializers are not tensors here but weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from partitioner.onnx_io import blob, scope
from partitioner.onnx_io.compose import Composition
from partitioner.onnx_io.infer import TensorType


@dataclass(frozen=True)
class Vertex:
    """One node. `reads` are tensors (no initializers), `weights` its initializers in the blob, by name."""

    index: int
    name: str
    operator: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    weights: tuple[str, ...] = ()
    pseudo: str = ""


@dataclass(frozen=True)
class Vertices:
    """All vertices in topological order, and what they read and make by tensor name."""

    all: tuple[Vertex, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: Mapping[str, TensorType] = field(repr=False)

    @cached_property
    def maker(self) -> dict[str, Vertex]:
        """The vertex that makes each tensor (graph inputs have none)."""
        return {name: vertex for vertex in self.all for name in vertex.makes}

    def size(self, name: str) -> int:
        """Bytes of a tensor in the bucket; 0 where its type is unknown."""
        return self.types[name].size if name in self.types else 0

    def can_cross(self, name: str) -> bool:
        """Return whether a cut may lie on the tensor: it is dense numbers of a known type."""
        return name in self.types and self.types[name].dtype != ""


def vertices(made: Composition) -> Vertices:
    """Return the vertices of a composition."""
    graph = made.model.graph
    initializers = {one.name for one in graph.initializer} | {
        one.values.name for one in graph.sparse_initializer
    }
    large = {one.name for one in graph.initializer if blob.is_external(one)}
    pseudo = [
        Vertex(index, name, "decode_picture", (encoded,), (picture,), pseudo="decode_picture")
        for index, (name, encoded, picture) in enumerate(made.pseudo.values())
    ]
    found = list(pseudo)
    for node in graph.node:
        read = scope.reads(node)
        tensors = tuple(name for name in read if name not in initializers)
        weights = tuple(name for name in read if name in large)
        operator = (
            node.op_type
            if node.domain in ("", "ai.onnx", "com.microsoft")
            else f"{node.domain}/{node.op_type}"
        )
        found.append(Vertex(len(found), node.name, operator, tensors, tuple(scope.made([node])), weights))
    decoded = {picture: encoded for _, encoded, picture in made.pseudo.values()}
    inputs = tuple(decoded.get(one.name, one.name) for one in graph.input)
    return Vertices(tuple(found), inputs, tuple(one.name for one in graph.output), made.types)
