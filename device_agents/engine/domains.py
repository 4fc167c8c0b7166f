"""Whose operators a graph may use here: those of the engine, and the graph's own functions.

Law: reads the bytes that came, before the engine does; believes no coordinator. A graph names the operators of a
library, it cannot bring one, and this process loads none but those that a person allowed by name on this machine: a
graph that needs another one is refused. The same rule holds where models are pushed (`partitioner/onnx_io/domains.py`).
Field numbers are those of onnx.proto: ModelProto.graph = 7, functions = 25; GraphProto.node = 1; FunctionProto.name =
1, node = 7, domain = 10; NodeProto.op_type = 4, attribute = 5, domain = 7; AttributeProto.g = 6, graphs = 11.
"""

from __future__ import annotations

from collections.abc import Iterator

from device_agents.engine.protobuf_fields import fields
from partitioner.errors import InvalidModel, UnsupportedOperator

KNOWN = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"}
)
"""ONNX's own and the engine's; the last two are layouts that the engine itself writes."""

CARRIES_CODE = frozenset({"EPContext"})
"""Holds, or names the file of, what an accelerator's compiler made."""

DEEPEST = 16
"""Graphs within graphs: Ifs and Loops of real models nest two or three deep."""

_GRAPH, _FUNCTION, _NODE = 7, 25, 1
_FUNCTION_NAME, _FUNCTION_NODE, _FUNCTION_DOMAIN = 1, 7, 10
_OPERATOR, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_BODIES = (6, 11)
_LONGEST = 80  # letters of a foreign name in a message

Operator = tuple[str, str]
"""(domain, name)."""


def check_domains(model: bytes, allowed: frozenset[str] = frozenset()) -> None:
    """Refuse a graph with custom operators of other domains than `allowed`, or that takes compiled code along.

    Raises:
        UnsupportedOperator: names the first such operator.
        InvalidModel: the bytes are no ONNX graph, or one that nests too deep.
    """
    parts = list(fields(memoryview(model)))
    functions = [body for number, body in parts if number == _FUNCTION]
    own = {_function(body) for body in functions}
    graphs = [(body, _NODE) for number, body in parts if number == _GRAPH]
    for body, nodes in [*graphs, *((one, _FUNCTION_NODE) for one in functions)]:
        for domain, name in _operators(body, nodes, 0):
            if (domain, name) not in own:
                _check(domain, name, allowed)


def _check(domain: str, name: str, allowed: frozenset[str]) -> None:
    told = f"{domain[:_LONGEST]}/{name[:_LONGEST]}"
    if domain not in KNOWN and domain not in allowed:
        raise UnsupportedOperator(
            f"{told} is a custom operator, and no library of such is loaded on this device",
            "export the model with standard operators, or allow a library that lies there, by name: "
            f"lepton-edge agent start --allow-custom-ops {domain[:_LONGEST]}=LIBRARY",
        )
    if domain and name in CARRIES_CODE:
        raise UnsupportedOperator(
            f"{told} carries what a compiler made for one accelerator",
            "push the model as it was before that compiler",
        )


def _operators(graph: memoryview, nodes: int, depth: int) -> Iterator[Operator]:
    if depth > DEEPEST:
        raise InvalidModel(f"graphs nest more than {DEEPEST} deep", "export the model without such bodies")
    for number, node in fields(graph):
        if number != nodes:
            continue
        yield _named(node, _DOMAIN, _OPERATOR)
        for part, attribute in fields(node):
            if part == _ATTRIBUTE:
                for kind, body in fields(attribute):
                    if kind in _BODIES:
                        yield from _operators(body, _NODE, depth + 1)


def _function(body: memoryview) -> Operator:
    return _named(body, _FUNCTION_DOMAIN, _FUNCTION_NAME)


def _named(message: memoryview, domain: int, name: int) -> Operator:
    found = {domain: "", name: ""}
    for number, value in fields(message):
        if number in found:
            found[number] = bytes(value).decode("utf-8", "replace")
    return found[domain], found[name]
