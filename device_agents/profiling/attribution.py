"""Kernel times of an optimised graph, given back to the nodes of the graph before.

Law: pure; names and tensors in, shares out. onnxruntime fuses, renames and inserts nodes. A kernel is given
to the node that, in this order: has its name; makes the tensor that its name is made of (NCHWc kernels are
called TENSOR_nchwc); has a name that the kernel's name contains as a word (NODE/MatMulScaleFusion is mostly
NODE's work); makes one of its outputs; else to where the nearest attributed neighbour in the optimised graph
went: what it feeds first (a layout change before a convolution is the convolution's), then what it reads.
A kernel that onnxruntime turned to another layout may be called NAME_token_5 (quantized convolutions are, as NHWC):
the number is left out before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from device_agents.profiling.graph_nodes import GraphNode
from partitioner.costs import LayerShare
from partitioner.units import NodeName

LAYOUT_SUFFIXES = ("_bn_nchwc", "_mul_nchwc", "_nchwc")
"""What onnxruntime appends to a tensor's name when it renames the kernel that makes it in NCHWc layout."""

_TOKEN = re.compile(r"_token_\d+$")


def attribute(
    kernels: Mapping[str, float], plain: Sequence[GraphNode], optimised: Sequence[GraphNode]
) -> tuple[tuple[LayerShare, ...], float]:
    """Return the share of each plain node, and the fraction of kernel time that could be attributed.

    `kernels` is seconds by name of the optimised node; `optimised` may be empty when that graph is not
    known. Shares sum to 1 (or there are none).
    """
    found = _direct(kernels, plain, optimised)
    _from_neighbours(found, optimised)
    seconds: dict[str, float] = {}
    for kernel, spent in kernels.items():
        if kernel in found:
            seconds[found[kernel]] = seconds.get(found[kernel], 0.0) + spent
    attributed, total = sum(seconds.values()), sum(kernels.values())
    if not attributed:
        return (), 0.0
    order = {node.name: position for position, node in enumerate(plain)}
    named = sorted(seconds, key=lambda name: order[name])
    return tuple(LayerShare(NodeName(name), seconds[name] / attributed) for name in named), attributed / total


def _direct(
    kernels: Iterable[str], plain: Sequence[GraphNode], optimised: Sequence[GraphNode]
) -> dict[str, str]:
    names = {node.name for node in plain if node.name}
    makers = {output: node.name for node in plain for output in node.outputs if output and node.name}
    outputs = {node.name: node.outputs for node in optimised}
    longest_first = sorted(names, key=len, reverse=True)
    found = {}
    for kernel in {*kernels, *outputs}:
        called = kernel if kernel in names else _TOKEN.sub("", kernel)
        place = (
            (called if called in names else "")
            or _maker([called.removesuffix(suffix) for suffix in LAYOUT_SUFFIXES], makers)
            or _contained(called, longest_first)
            or _maker(outputs.get(kernel, ()), makers)
        )
        if place:
            found[kernel] = place
    return found


def _maker(tensors: Sequence[str], makers: Mapping[str, str]) -> str:
    return next((makers[tensor] for tensor in tensors if tensor in makers), "")


def _contained(kernel: str, longest_first: Sequence[str]) -> str:
    """Return the longest node name that stands in the kernel's as a word or a path of its own."""
    for name in longest_first:
        before, found, after = kernel.partition(name)
        if found and not _continues(before[-1:]) and not _continues(after[:1]):
            return name
    return ""


def _continues(character: str) -> bool:
    return character.isalnum() or character == "_"


def _from_neighbours(found: dict[str, str], optimised: Sequence[GraphNode]) -> None:
    feeds: dict[str, list[GraphNode]] = {}
    for node in optimised:
        for tensor in node.inputs:
            feeds.setdefault(tensor, []).append(node)
    makers = {output: node for node in optimised for output in node.outputs}
    for node in reversed(optimised):  # from the end, so that a chain of unknown nodes takes the end's place
        after = [reader for output in node.outputs for reader in feeds.get(output, ())]
        _take(found, node, after)
    for node in optimised:
        before = [makers[tensor] for tensor in node.inputs if tensor in makers]
        _take(found, node, before)


def _take(found: dict[str, str], node: GraphNode, neighbours: Iterable[GraphNode]) -> None:
    if node.name and node.name not in found:
        place = next((found[one.name] for one in neighbours if one.name in found), None)
        if place is not None:
            found[node.name] = place
