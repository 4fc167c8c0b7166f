"""Dynamic quantization: matrix products compute with 8-bit integers whose scales are found at every request.

Law: writes the operators that every engine fuses (DynamicQuantizeLinear, MatMulInteger, Cast, Mul); weights have a
scale for each output channel, an input that several products read is converted once. Embedding tables become int8
with a scale for each row. LSTM and fused Attention are rewritten by the engine's own quantizer, which knows their
operators. No data is needed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import layers, qdq, tables
from lepton_edge.compress.errors import CompressionFailed, CompressionRefused
from lepton_edge.compress.layers import Graph
from lepton_edge.compress.qdq import Scheme
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import clean
from lepton_edge.core.results import Array
from partitioner.errors import ModelError
from partitioner.onnx_io import load
from partitioner.onnx_io.hoist import replace_nodes

_BY_THE_ENGINE = ("LSTM", "Attention")


class DynamicInt8:
    """MatMul, Gemm, LSTM and Attention in integers; embedding tables stored in integers."""

    name = "dynamic_int8"
    choices: Mapping[str, tuple[Value, ...]] = {
        "tables": (True, False),
        "clip_weights": (False, True),
        "keep_float": ("",),
    }
    needs_data = False
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why no matrix product of the model can become integer; "" where one can."""
        if layers.has_integers(model):
            return layers.ALREADY
        graph = Graph(model)
        if not _products(graph) and not _for_the_engine(model):
            return "it has no matrix product, LSTM or Attention with constant float32 weights"
        return layers.broken_weight(graph)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return the quantized model; products named in `keep_float` (separated by "|") stay float.

        Raises:
            CompressionRefused: see `refuse`; or no product is called so.
            CompressionFailed: the engine's quantizer gave up on an LSTM or Attention.
        """
        if reason := self.refuse(model, materials.target):
            raise layers.refusal(reason)
        made = _raised(clean.plain(model))
        scheme = Scheme(
            weight_bits=7 if materials.target.saturates else 8, clip_weights=bool(options["clip_weights"])
        )
        kept = set(str(options["keep_float"]).split("|"))
        layers.require_named(Graph(made), kept)
        _Writer(made, scheme, kept).write()
        if options["tables"]:
            tables.store_small(made, kept)
        names = [node.name for node in _for_the_engine(made) if node.name not in kept]
        return _by_the_engine(made, names, materials.target) if names else made


def _raised(model: ModelProto) -> ModelProto:
    try:
        return load.raise_opset(model, layers.MIN_OPSET)
    except ModelError as error:
        raise CompressionRefused(f"the model cannot be quantized: {error.message}", error.hint) from error


def _products(graph: Graph) -> list[NodeProto]:
    return [node for node in graph.heavy if node.op_type != "Conv"]


def _for_the_engine(model: ModelProto) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type in _BY_THE_ENGINE]


class _Writer:
    def __init__(self, model: ModelProto, scheme: Scheme, kept: set[str]) -> None:
        self._model = model
        self._graph = Graph(model)
        self._scheme = scheme
        self._kept = kept
        self._nodes: list[NodeProto] = []
        self._new: dict[str, TensorProto] = {}
        self._inputs: set[str] = set()

    def write(self) -> None:
        products = {node.name for node in _products(self._graph)} - self._kept
        for node in list(self._model.graph.node):
            if node.name in products:
                self._product(node)
            else:
                self._nodes.append(node)
        replace_nodes(self._model.graph, self._nodes)
        qdq.set_initializers(self._model, self._new)

    def _product(self, node: NodeProto) -> None:
        """Write y = cast(x' @ w') * (scale of x * scales of w) [+ bias]."""
        data, name = self._converted(node.input[0]), node.name
        made = f"{name}/MatMulInteger"  # a node may be called as its weight or its input is
        weight = self._weight(node)
        has_bias = len(node.input) > 2 and bool(node.input[2])
        result = f"{made}_product" if has_bias else node.output[0]
        self._nodes += [
            helper.make_node(
                "MatMulInteger",
                [f"{data}/int8", f"{weight}/int8", f"{data}/zero_point", f"{weight}/zero_point"],
                [f"{made}_sums"],
                made,
            ),
            helper.make_node(
                "Cast", [f"{made}_sums"], [f"{made}_cast"], f"{name}/Cast", to=TensorProto.FLOAT
            ),
            helper.make_node("Mul", [f"{data}/scale", f"{weight}/scale"], [f"{made}_scale"], f"{name}/Scale"),
            helper.make_node("Mul", [f"{made}_cast", f"{made}_scale"], [result], f"{name}/Mul"),
        ]
        if has_bias:
            self._nodes.append(
                helper.make_node("Add", [result, node.input[2]], [node.output[0]], f"{name}/Add")
            )

    def _converted(self, name: str) -> str:
        if name not in self._inputs:
            self._inputs.add(name)
            made = [f"{name}/int8", f"{name}/scale", f"{name}/zero_point"]
            self._nodes.append(helper.make_node("DynamicQuantizeLinear", [name], made, f"{name}/Quantize"))
        return name

    def _weight(self, node: NodeProto) -> str:
        """Return the name of the layer's integer weight, [in, out], made once for all that share it."""
        axis = layers.channel_axis(node)
        name = node.input[1] if axis == 1 else f"{node.input[1]}/transposed"
        if f"{name}/int8" not in self._new:
            value = self._graph.value(node.input[1])
            values, steps = qdq.quantize_weight(value if axis == 1 else value.T, 1, self._scheme)
            self._add(f"{name}/int8", np.ascontiguousarray(values))
            self._add(f"{name}/scale", steps)
            self._add(f"{name}/zero_point", np.zeros(steps.shape, np.int8))
        return name

    def _add(self, name: str, values: Array) -> None:
        self._new[name] = numpy_helper.from_array(values, name)


def _by_the_engine(model: ModelProto, names: list[str], target: Target) -> ModelProto:
    """Rewrite the LSTM and Attention nodes `names` by onnxruntime's quantizer.

    Raises:
        CompressionFailed: it gave up.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer

    try:
        quantizer = ONNXQuantizer(
            model, True, target.saturates, quantization.quant_utils.QuantizationMode.IntegerOps, False,
            quantization.QuantType.QInt8, quantization.QuantType.QUInt8, None, names, [], list(_BY_THE_ENGINE),
            {"MatMulConstBOnly": True},
        )  # fmt: skip
        quantizer.quantize_model()
    except (ValueError, RuntimeError, LookupError, AttributeError, TypeError, AssertionError) as error:
        raise CompressionFailed(
            f"layer {', '.join(names[:3])}: the engine's quantizer gave up: {error}", "leave out dynamic_int8"
        ) from error
    made: ModelProto = quantizer.model.model
    return made


TECHNIQUE = DynamicInt8()
