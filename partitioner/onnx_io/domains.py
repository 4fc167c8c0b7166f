"""Whose operators a model may use: those of the engines that we know, and its own functions.

Law: reads node by node, bodies and functions included, and opens nothing. A model cannot carry the code of a custom
operator, only its name: the code is a library that a process loads. No process of ours loads one that a person did
not allow by name (`runtime.allow`), and a model that needs another one is refused here, before anything is run. Some
operators of the engine itself take code or files along: they are refused, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import ModelProto, NodeProto

from partitioner.errors import UnsupportedOperator
from partitioner.onnx_io import runtime, scope

KNOWN = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""ONNX's own, and the engine's additions that every build for a CPU has."""

CARRIES_CODE = frozenset({"EPContext"})
"""com.microsoft/EPContext holds, or names the file of, what an accelerator's compiler made: nobody can check it."""


def check_domains(model: ModelProto) -> None:
    """Refuse a model that needs a library of custom operators, or that takes compiled code along.

    Raises:
        UnsupportedOperator: names the first such operator.
    """
    own = {(one.domain, one.name) for one in model.functions}
    for node in nodes(model):
        if node.domain not in KNOWN | runtime.allowed() and (node.domain, node.op_type) not in own:
            raise UnsupportedOperator(
                f"{node.domain}/{node.op_type} is a custom operator, and no library of such is loaded here",
                "export the model with standard operators, write it as an ONNX function inside the model, or allow a "
                f"library by name: lepton-edge coordinator start --allow-custom-ops {node.domain}=LIBRARY",
            )
        if node.domain and node.op_type in CARRIES_CODE:
            raise UnsupportedOperator(
                f"{node.domain}/{node.op_type} carries what a compiler made for one accelerator",
                "push the model as it was before that compiler",
            )


def nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Yield every node of `model`: of its graph, of bodies, and of its functions."""
    for graph in scope.all_graphs(model.graph):
        yield from graph.node
    for function in model.functions:
        yield from _with_bodies(function.node)


def _with_bodies(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for body in scope.bodies(node):
            for graph in scope.all_graphs(body):
                yield from graph.node
