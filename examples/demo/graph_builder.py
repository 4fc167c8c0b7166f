"""Builds an ONNX graph node by node.

Law: what every hand-built model shares (names, opset, IR version, checking) and nothing about any model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET: Final = 18
# The newest IR version that onnxruntime 1.23 (the newest for Python 3.10) reads with certainty.
IR_VERSION: Final = 10

# numpy dtype name and shape; a string is a symbolic dimension.
Signature: TypeAlias = tuple[str, Sequence[int | str]]


class GraphBuilder:
    """Collects nodes and weights of one graph; `model` checks the whole and returns it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def weight(self, name: str, value: NDArray[np.generic]) -> str:
        """Add `value` as the initializer `name`, once; return the name."""
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def node(
        self,
        operator: str,
        inputs: Sequence[str],
        name: str,
        *,
        output: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node with one output; return that output's name, by default `<name>_output_0`."""
        output = output or f"{name}_output_0"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=name, **attributes))
        return output

    def model(self, inputs: dict[str, Signature], outputs: dict[str, Signature]) -> onnx.ModelProto:
        """Return the checked model with the given inputs and outputs.

        Raises:
            onnx.checker.ValidationError: the graph is not valid ONNX; the caller built it wrongly.
            onnx.shape_inference.InferenceError: shapes contradict each other.
        """
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [_value(name, signature) for name, signature in inputs.items()],
            [_value(name, signature) for name, signature in outputs.items()],
            list(self._weights.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name = "lepton-edge-demo"
        onnx.checker.check_model(model)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        return model


def _value(name: str, signature: Signature) -> onnx.ValueInfoProto:
    dtype, shape = signature
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
