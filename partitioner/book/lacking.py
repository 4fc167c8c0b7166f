"""Operators that a device lacks: what their names stand for in a model.

Law: names and layers; it costs nothing and chooses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from partitioner.book.own import near_names
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph

STANDARD = ("ai.onnx/", "com.microsoft/")  # domains that a layer's operators leave out


def lacking(graph: CostGraph, operators: Iterable[str]) -> frozenset[int]:
    """Return the layers with one of `operators` ("Resize", "ai.onnx/Resize", "DOMAIN/OPERATOR").

    Raises:
        InvalidProblem: the model has no such operator, or was compiled before operators were noted.
    """
    known = {operator for layer in graph.layers for operator in layer.operators}
    wanted = {_plain(one) for one in operators}
    if wanted and not known:
        raise InvalidProblem(
            "the operators of this model were not noted", "remove the model, and push it again"
        )
    if strange := sorted(wanted - known):
        near = near_names(strange[0], sorted(known))
        raise InvalidProblem(
            f"the model has no operator {strange[0]}{near}", "see `lepton-edge model show NAME --format json`"
        )
    return frozenset(layer.index for layer in graph.layers if wanted.intersection(layer.operators))


def _plain(operator: str) -> str:
    domain = next((one for one in STANDARD if operator.startswith(one)), "")
    return operator.removeprefix(domain)
