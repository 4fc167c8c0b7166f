"""Kernel times of an optimised graph, given back to the nodes of the graph before.

Law: pure; names and tensors in, shares out. onnxruntime fuses, renames and inserts nodes. A kernel is given
to the node that, in this order: has its name; makes the tensor that its name is made of (NCHWc kernels are
called TENSOR_nchwc); makes one of its outputs; has a name that the kernel's name contains; else to where
the nearest attributed neighbour in the optimised graph went: what it feeds first (a layout change before a
convolution is the convolution's), then what it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from device_agents.profiling.graph_nodes import GraphNode
from partitioner.costs import LayerShare
from partitioner.units import NodeName

LAYOUT_SUFFIX = "_nchwc"


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
        made_by = _maker(kernel, outputs.get(kernel, ()), makers)
        place = kernel if kernel in names else made_by or _contained(kernel, longest_first)
        if place:
            found[kernel] = place
    return found


def _maker(kernel: str, outputs: Sequence[str], makers: Mapping[str, str]) -> str:
    tensors = [kernel.removesuffix(LAYOUT_SUFFIX), *outputs]
    return next((makers[tensor] for tensor in tensors if tensor in makers), "")


def _contained(kernel: str, longest_first: Sequence[str]) -> str:
    return next((name for name in longest_first if len(name) > 1 and name in kernel), "")


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
