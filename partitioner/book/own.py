"""A person's own split: what the name that they gave stands for.

Law: names and down-sets; it costs nothing and chooses nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, layer_inputs
from partitioner.units import TensorName

MOST_NEAR = 3
LEAST_LIKENESS = 0.5


def own_cut(graph: CostGraph, name: str) -> frozenset[int]:
    """Return what runs on the board when it is split behind `name`: that layer or tensor, and all it needs.

    Raises:
        InvalidProblem: nothing is called so (the nearest names are told), it is an input, or nothing or everything
            would be left for the other device.
    """
    layer = _layer(graph, name)
    found = ancestors(graph, [layer])
    if len(found) == len(graph.layers):
        raise InvalidProblem(
            f"behind {name} nothing is left for another device",
            "split earlier, or pin the page of the board alone",
        )
    return found


def ancestors(graph: CostGraph, layers: Iterable[int]) -> frozenset[int]:
    """Return `layers` and every layer that they need: the least down-set that holds them."""
    needs = layer_inputs(graph)
    waiting, found = list(layers), set[int]()
    while waiting:
        layer = waiting.pop()
        if layer not in found:
            found.add(layer)
            waiting.extend(needs[layer])
    return frozenset(found)


def makers(graph: CostGraph, names: Iterable[TensorName]) -> list[int]:
    """Return the layers that make the tensors called `names`; inputs have none."""
    wanted = set(names)
    return [tensor.producer for tensor in graph.tensors if tensor.name in wanted and tensor.producer >= 0]


def near_names(name: str, known: Sequence[str]) -> str:
    """Return " (near: ...)" with the names most like `name`, or nothing."""
    near = difflib.get_close_matches(name, known, MOST_NEAR, LEAST_LIKENESS)
    return f" (near: {', '.join(near)})" if near else ""


def _layer(graph: CostGraph, name: str) -> int:
    """Return the layer called `name`, or that holds the node, or makes the tensor, of that name."""
    for layer in graph.layers:
        if layer.name == name:
            return layer.index
    for layer in graph.layers:
        if name in layer.nodes:
            return layer.index
    for tensor in graph.tensors:
        if tensor.name == name:
            return _maker(name, tensor.producer)
    known = [str(layer.name) for layer in graph.layers]
    known += [str(tensor.name) for tensor in graph.tensors if tensor.producer >= 0]
    raise InvalidProblem(
        f"no layer or tensor of the model is called {name}{near_names(name, known)}",
        "`plan explain NAME --format json` lists them",
    )


def _maker(name: str, producer: int) -> int:
    if producer < 0:
        raise InvalidProblem(
            f"{name} is an input: nothing would run before the split",
            "pin a page that sends the input instead",
        )
    return producer
