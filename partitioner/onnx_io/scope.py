"""What a node reads, bodies of control flow included.

Law: walks protobuf graphs and changes nothing. A value that the body of an If, Loop or Scan takes from
outside is as much an input of the node as those it lists; forgetting one is the classic way to cut a graph
wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs that `node` holds as attributes (branches of If, bodies of Loop and Scan)."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def all_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield `graph` and every graph nested in it, outermost first."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from all_graphs(body)


def all_initializers(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield the dense initializers of `graph` and of every graph nested in it."""
    for one in all_graphs(graph):
        yield from one.initializer


def reads(node: NodeProto) -> list[str]:
    """Return the names `node` needs: its inputs, then what its bodies capture, each once."""
    found = dict.fromkeys(name for name in node.input if name)
    for body in bodies(node):
        found.update(dict.fromkeys(_free_names(body)))
    return list(found)


def _free_names(body: GraphProto) -> list[str]:
    own = set(defined(body))
    wanted = dict.fromkeys(name for node in body.node for name in reads(node))
    wanted.update(dict.fromkeys(output.name for output in body.output))  # a branch may just pass a value on
    return [name for name in wanted if name not in own]


def defined(graph: GraphProto) -> Iterator[str]:
    """Yield the names that `graph` itself declares: inputs, initializers, what its nodes make."""
    yield from (one.name for one in graph.input)
    yield from (one.name for one in graph.initializer)
    yield from (one.values.name for one in graph.sparse_initializer)
    yield from made(graph.node)


def made(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """Yield the names of the tensors that `nodes` make."""
    for node in nodes:
        yield from (name for name in node.output if name)
