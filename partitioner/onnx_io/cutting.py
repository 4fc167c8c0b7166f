"""A compiled model cut into blocks: graph-only ONNX files over one weights blob.

Law: only takes apart what `contract` put together; it looks for no frontier and decides nothing. A block
holds its layers' nodes in their old order, its own copy of every duplicated chain it needs and of every small
constant, and refers to large weights in weights.bin. What the model declares of its inner tensors is kept: an
engine fuses by it. Equal input gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from partitioner.codecs import DTYPE_BYTES
from partitioner.compiled import CompiledModel
from partitioner.errors import InvalidProblem
from partitioner.graph import CostTensor, is_down_set
from partitioner.onnx_io import generate, scope
from partitioner.onnx_io.generate import Array
from partitioner.onnx_io.infer import TensorType, value_info
from partitioner.plan import Block, TensorSpec, WeightRef
from partitioner.units import BlockIndex, Sha256, TensorName

COMPOSED_FILE = "composed.onnx"
DUPLICATED_KEY = "lepton_edge.duplicated"


@dataclass(frozen=True)
class CutBlock:
    """A block and the bytes of its file (empty for a pseudo-node)."""

    block: Block
    file: bytes


def cut(directory: Path, compiled: CompiledModel, boundaries: Sequence[frozenset[int]]) -> list[CutBlock]:
    """Cut the model compiled in `directory` at `boundaries`: nested, increasing down-sets of its layers.

    The empty and the full set are implied. Raises InvalidProblem for boundaries that are no such chain, or
    that leave a pseudo-node in one block with anything else (see `graph.needed_boundaries`).
    """
    whole = frozenset(range(len(compiled.graph.layers)))
    fences = [frozenset(), *(one for one in boundaries if one and one != whole), whole]
    _check(compiled, fences)
    cutter = Cutter(directory, compiled)
    return [cutter.block(index, fences[index], fences[index + 1]) for index in range(len(fences) - 1)]


class Cutter:
    """Cuts one compiled model many times; opens its file once. It trusts its caller to pass down-sets."""

    def __init__(self, directory: Path, compiled: CompiledModel) -> None:
        self.compiled = compiled
        self._model = onnx.load(str(directory / COMPOSED_FILE), load_external_data=False)
        graph = self._model.graph
        self._position = {node.name: index for index, node in enumerate(graph.node)}
        self._initializers = {one.name: one for one in graph.initializer}
        self._sparse = {one.values.name: one for one in graph.sparse_initializer}
        self._declared = {one.name: one for one in graph.value_info}
        self._weights: dict[str, WeightRef] = {one.name: one for one in compiled.weights}
        self._tensors = {one.name: one for one in compiled.graph.tensors}
        duplicated = {one.key: one.value for one in self._model.metadata_props}.get(DUPLICATED_KEY, "[]")
        self._duplicated = frozenset(json.loads(duplicated))
        self._copied = {
            name: node for node in graph.node if node.name in self._duplicated for name in scope.made([node])
        }
        self._reads = {node.name: scope.reads(node) for node in graph.node}

    def block(self, index: int, inner: Set[int], outer: Set[int]) -> CutBlock:
        """Return block number `index`: the layers of `outer` that are not in `inner`."""
        layers = sorted(outer - inner)
        outputs = self._leaving(layers, outer)
        title = _title([self.compiled.graph.layers[one].name for one in layers])
        if any(self.compiled.graph.layers[one].pseudo for one in layers):
            return CutBlock(self._pseudo(index, layers, outputs), b"")
        nodes = self._nodes(layers)
        inputs = self._entering(nodes)
        file = self._file(nodes, inputs, outputs, f"{self.compiled.name}/{index}")
        weights = {
            name: self._weights[name]
            for node in nodes
            for name in self._reads[node.name]
            if name in self._weights
        }
        block = Block(
            BlockIndex(index), "onnx", _specs(inputs), _specs(outputs),
            Sha256(hashlib.sha256(file).hexdigest()), tuple(weights[name] for name in sorted(weights)), title,
        )  # fmt: skip
        return CutBlock(block, file)

    def between(self, given: Collection[TensorName], wanted: Sequence[TensorName]) -> CutBlock:
        """Return one block that makes the tensors `wanted` from the tensors `given`, for measuring.

        Only those of `given` that it reads become its inputs. A wanted tensor may lie inside of a layer; it
        is then an output of the file but not declared by the block. Raises InvalidProblem when more is
        needed.
        """
        makers = {name: node for node in self._model.graph.node for name in scope.made([node])}
        pending, nodes = [name for name in wanted if name not in given], set()
        while pending:
            name = pending.pop()
            node = makers.get(name)
            if node is None and name not in self._initializers and name not in self._sparse:
                raise InvalidProblem(f"the tensor {name!r} cannot be made from what is given", "give it")
            if node is not None and node.name not in nodes:
                nodes.add(node.name)
                pending += [TensorName(one) for one in self._reads[node.name] if one not in given]
        chosen = [self._model.graph.node[at] for at in sorted(self._position[name] for name in nodes)]
        inputs = [one for one in self._entering(chosen) if one.name in given]
        made = [name for name in wanted if name not in given]
        outputs = [self._tensors[name] for name in made if name in self._tensors]
        file = self._file(chosen, inputs, outputs, f"{self.compiled.name}/between")
        inner = [name for name in made if name not in self._tensors]  # inside of a layer: of no declared type
        block = Block(BlockIndex(0), "onnx", _specs(inputs), _specs(outputs), Sha256(""), (), "between")
        return CutBlock(block, _with_outputs(file, inner) if inner else file)

    def made_up_inputs(self, seed: int = 0) -> dict[TensorName, Array]:
        """Return an array of bucket size for every input of the composed graph that is no picture."""
        inputs = {one.name: self._tensors[TensorName(one.name)] for one in self._model.graph.input}
        types = {name: TensorType(one.dtype, one.shape, _bucket(one)) for name, one in inputs.items()}
        made = generate.feeds(self._model.graph, types, seed)
        return {TensorName(name): array for name, array in made.items() if not inputs[name].picture}

    def _pseudo(self, index: int, layers: Sequence[int], outputs: Sequence[CostTensor]) -> Block:
        if len(layers) > 1:
            raise InvalidProblem(
                "a pseudo-node shares a block", "add the boundaries that `needed_boundaries` names"
            )
        layer = self.compiled.graph.layers[layers[0]]
        inputs = [one for one in self.compiled.graph.tensors if layer.index in one.consumers]
        return Block(BlockIndex(index), layer.pseudo, _specs(inputs), _specs(outputs), name=layer.name)

    def _leaving(self, layers: Iterable[int], outer: Set[int]) -> list[CostTensor]:
        own = set(layers)
        return [
            one
            for one in self.compiled.graph.tensors
            if one.producer in own and (one.is_output or any(reader not in outer for reader in one.consumers))
        ]

    def _nodes(self, layers: Iterable[int]) -> list[NodeProto]:
        """Return the layers' own nodes and the duplicated chains they need, in topological order."""
        names = [str(name) for one in layers for name in self.compiled.graph.layers[one].nodes]
        pending = [name for name in names if name not in self._duplicated]
        wanted = set(pending)
        while pending:
            for name in self._reads[pending.pop()]:
                source = self._copied.get(name)
                if source is not None and source.name not in wanted:
                    wanted.add(source.name)
                    pending.append(source.name)
        return [self._model.graph.node[at] for at in sorted(self._position[name] for name in wanted)]

    def _entering(self, nodes: Sequence[NodeProto]) -> list[CostTensor]:
        made = set(scope.made(nodes))
        read = {name for node in nodes for name in self._reads[node.name]} - made
        return [one for one in self.compiled.graph.tensors if one.name in read]

    def _file(
        self,
        nodes: Sequence[NodeProto],
        inputs: Sequence[CostTensor],
        outputs: Sequence[CostTensor],
        name: str,
    ) -> bytes:
        read = sorted({one for node in nodes for one in self._reads[node.name]})
        graph = helper.make_graph(nodes, name, _infos(inputs), _infos(outputs))
        inner = sorted(set(scope.made(nodes)) - {str(one.name) for one in outputs})
        graph.value_info.extend(self._declared[one] for one in inner if one in self._declared)
        graph.initializer.extend(self._initializers[one] for one in read if one in self._initializers)
        graph.sparse_initializer.extend(self._sparse[one] for one in read if one in self._sparse)
        model = ModelProto(ir_version=self._model.ir_version, producer_name="lepton-edge", graph=graph)
        model.functions.extend(self._functions(graph))
        domains = _domains(graph) | {one.domain for one in model.functions}
        for function in model.functions:
            domains |= {node.domain for node in function.node}
        model.opset_import.extend(
            one for one in self._model.opset_import if one.domain in domains or not one.domain
        )
        file: bytes = model.SerializeToString(deterministic=True)
        return file

    def _functions(self, graph: GraphProto) -> Iterator[onnx.FunctionProto]:
        """Yield the model's local functions that `graph` calls, and those that they call."""
        if not self._model.functions:
            return
        called = {(node.domain, node.op_type) for one in scope.all_graphs(graph) for node in one.node}
        grown = True
        while grown:
            inner = {
                (node.domain, node.op_type)
                for one in self._model.functions
                if (one.domain, one.name) in called
                for node in one.node
            }
            grown = not inner <= called
            called |= inner
        yield from (one for one in self._model.functions if (one.domain, one.name) in called)


def _bucket(tensor: CostTensor) -> tuple[int, ...]:
    """Return a shape of the tensor's bytes: its last unknown dimension takes what the known ones leave."""
    known = prod(one for one in tensor.shape if isinstance(one, int)) or 1
    left = tensor.size // (known * DTYPE_BYTES[tensor.dtype])
    shape = [one if isinstance(one, int) else 1 for one in tensor.shape]
    unknown = [at for at, one in enumerate(tensor.shape) if not isinstance(one, int)]
    if unknown:
        shape[unknown[-1]] = left
    return tuple(shape)


def _with_outputs(file: bytes, names: Iterable[str]) -> bytes:
    model = ModelProto.FromString(file)
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    extended: bytes = model.SerializeToString(deterministic=True)
    return extended


def _check(compiled: CompiledModel, fences: Sequence[frozenset[int]]) -> None:
    for inner, outer in zip(fences, fences[1:], strict=False):
        if not inner < outer:
            raise InvalidProblem(
                "the boundaries are not nested and increasing", "order them by inclusion, each once"
            )
        if not is_down_set(compiled.graph, outer):
            raise InvalidProblem(
                "a boundary is no down-set of the layers", "take boundaries from `partitioner.graph`"
            )


def _domains(graph: GraphProto) -> set[str]:
    return {node.domain for one in scope.all_graphs(graph) for node in one.node}


def _title(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]}"


def _infos(tensors: Iterable[CostTensor]) -> list[ValueInfoProto]:
    return [value_info(one.name, TensorType(one.dtype, one.shape)) for one in tensors]


def _specs(tensors: Iterable[CostTensor]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(one.name, one.dtype, one.shape, one.size) for one in tensors)
