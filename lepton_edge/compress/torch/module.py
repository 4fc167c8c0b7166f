"""An ONNX graph as a torch module: the same nodes in the same order, with its weights as parameters.

Law: it runs and it writes back; it knows no data and no loss. The graph it was made of is never changed: `write_back`
returns a new one that differs in the trained tensors only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from lepton_edge.compress.errors import CompressionFailed, CompressionRefused
from lepton_edge.compress.torch.forms import Free, Gridded, form
from lepton_edge.compress.torch.operators import OPERATORS
from lepton_edge.compress.torch.operators.call import Call
from lepton_edge.compress.torch.operators.limits import limit

WEIGHTS: Mapping[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gather": (0,),
    "Gemm": (0, 1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
    "QuantizeLinear": (0,),
}
"""Inputs that are weights, by operator; an Add of an initializer to a product is a bias as well."""
STATISTICS = {"BatchNormalization": (3, 4)}
"""Inputs that are updated while training, but not by gradients."""
_NARROW_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Mul")


def unsupported(model: ModelProto) -> list[str]:
    """Return what stands in the way of training `model`, each with the node's name; empty where nothing does."""
    read = {name for node in model.graph.node for name in node.input} | {
        one.name for one in model.graph.output
    }
    halves = [one.name for one in model.graph.initializer if one.data_type in _NARROW_FLOATS]
    refused = [f"float16 ({name})" for name in halves]
    for node in model.graph.node:
        name = node.name or node.output[0]
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            refused.append(f"{node.op_type} ({name})")
        elif why := limit(_call(node, 0)):
            refused.append(f"{node.op_type} with {why} ({name})")
        elif node.op_type != "Split" and any(one in read for one in node.output[1:] if one):
            refused.append(f"{node.op_type} with a second output ({name})")
    return refused


class OnnxModule(nn.Module):
    """A graph that can be trained.

    Args:
        model: with every initializer embedded.
        frozen: initializers that are not to be trained.

    Raises:
        CompressionRefused: an operator that cannot be trained; the message names the node.
    """

    def __init__(self, model: ModelProto, frozen: Collection[str] = ()) -> None:
        super().__init__()
        if missing := unsupported(model):
            raise CompressionRefused(f"cannot be trained: {', '.join(missing[:3])}", "leave this step out")
        self._model = model
        self.outputs = tuple(one.name for one in model.graph.output)
        initial = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self.inputs = tuple(one.name for one in model.graph.input if one.name not in initial)
        opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
        self.calls = [_call(node, opset) for node in model.graph.node]
        self.forms = nn.ModuleDict()
        self.trained: dict[str, str] = {}
        self._homes: dict[str, str] = {}
        self._place(initial, set(frozen))
        self._last = _last_uses(self.calls)
        self.to(
            memory_format=torch.channels_last
        )  # convolutions train 15 % faster that way; numbers stay the same

    def _place(self, initial: Mapping[str, Any], frozen: set[str]) -> None:
        """Give every initializer a form (trained) or a buffer (not), and skip nodes that a form has taken over."""
        gridded = _gridded(self.calls, initial)
        for name in gridded.keys() - frozen:
            call = gridded[name]
            scale, zero = (
                torch.from_numpy(np.array(initial[one])) if one in initial else None
                for one in (call.inputs[1], call.inputs[2] if len(call.inputs) > 2 else "")
            )
            self._keep(call.outputs[0], Gridded(initial[name], scale, zero, call.get("axis", 1)), name)
            self.calls.remove(call)
        wanted = set(weights(self.calls, initial)) - frozen
        for name, value in initial.items():
            if name in wanted:
                self._keep(name, form(value), name)
            elif name not in gridded or name in frozen:
                self.register_buffer(f"held_{len(self._homes)}", torch.from_numpy(np.array(value)))
                self._homes[name] = f"held_{len(self._homes)}"

    def _keep(self, seen_as: str, how: Free, initializer: str) -> None:
        key = f"form_{len(self.forms)}"
        self.forms[key] = how
        self._homes[seen_as] = key
        self.trained[initializer] = key

    def forward(self, feeds: Mapping[str, Tensor], keep: Collection[str] = ()) -> dict[str, Tensor]:
        """Return the outputs, and the tensors named in `keep`, by name.

        Raises:
            CompressionFailed: a node cannot be computed; the message names it.
        """
        values: dict[str, Tensor] = {"": None, **self._weights(), **feeds}
        wanted = {*self.outputs, *keep}
        for position, call in enumerate(self.calls):
            call.training = self.training
            made = _run(call, [values[name] for name in call.inputs])
            values.update(zip(call.outputs, made, strict=False))
            for name in self._last[position]:
                if name not in wanted:
                    values.pop(name, None)  # an optional output that we did not make
        return {name: values[name] for name in wanted}

    def _weights(self) -> dict[str, Tensor]:
        return {
            name: self.forms[key]() if key in self.forms else getattr(self, key)
            for name, key in self._homes.items()
        }

    def write_back(self) -> ModelProto:
        """Return a new model with the trained tensors, and the statistics as they are now."""
        made = ModelProto()
        made.CopyFrom(self._model)
        statistics = {
            call.inputs[index] for call in self.calls for index in STATISTICS.get(call.op, ()) if call.inputs
        }
        for tensor in made.graph.initializer:
            if tensor.name in self.trained:
                value = self.forms[self.trained[tensor.name]].written()
            elif tensor.name in statistics:
                value = getattr(self, self._homes[tensor.name]).numpy()
            else:
                continue
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), tensor.name))
        return made


def weights(calls: Sequence[Call], initial: Mapping[str, Any]) -> Iterator[str]:
    """Yield the initializers that are weights: floats of more than one element, where an operator has its weights."""
    makers = {output: call.op for call in calls for output in call.outputs}
    for call in calls:
        for index, name in enumerate(call.inputs):
            value = initial.get(name)
            if value is None or value.size < 2 or value.dtype.kind != "f":
                continue
            others = [makers.get(other, "") for other in call.inputs if other != name]
            is_bias = call.op == "Add" and any(one in _PRODUCTS for one in others)
            if is_bias or index in WEIGHTS.get(call.op, ()):
                yield name


def _call(node: NodeProto, opset: int) -> Call:
    attributes = {one.name: _attribute(one) for one in node.attribute}
    name = node.name or node.output[0]
    return Call(node.op_type, name, tuple(node.input), tuple(node.output), attributes, opset)


def _attribute(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return torch.from_numpy(np.array(numpy_helper.to_array(value)))
    return value.decode() if isinstance(value, bytes) else value


def _gridded(calls: Sequence[Call], initial: Mapping[str, Any]) -> dict[str, Call]:
    """Return what makes a weight of each quantized tensor that has one reader; others are held as they are."""
    readers = Counter(name for call in calls for name in call.inputs)
    return {
        call.inputs[0]: call for call in calls if _unpacks(call, initial) and readers[call.inputs[0]] == 1
    }


def _unpacks(call: Call, initial: Mapping[str, Any]) -> bool:
    """Return whether this node makes a weight of quantized values that lie in the graph."""
    held = call.op == "DequantizeLinear" and call.inputs[0] in initial and call.inputs[1] in initial
    return held and str(initial[call.inputs[0]].dtype) in ("int8", "uint8", "int32")


def _last_uses(calls: Sequence[Call]) -> list[list[str]]:
    """Return, by position, the tensors that nobody reads after it."""
    last = {
        name: position
        for position, call in enumerate(calls)
        for name in (*call.inputs, *call.outputs)
        if name
    }
    ends: list[list[str]] = [[] for _ in calls]
    for name, position in last.items():
        ends[position].append(name)
    return ends


def _run(call: Call, values: list[Any]) -> tuple[Any, ...]:
    try:
        made = OPERATORS[call.op](call, values)
    except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
        raise CompressionFailed(
            f"{call.op} {call.name!r} does not run in torch: {error}", "leave this step out"
        ) from error
    return made if isinstance(made, tuple) else (made,)
