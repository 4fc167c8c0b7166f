"""Half precision: weights stored in float16, and computed with where the target gains by it.

Law: inputs and outputs keep their dtype. Where float16 is no faster (x86), weights are only stored in it and become
float32 when the model is opened: half the bytes, the same speed. A weight that float16 cannot hold stays float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import layers, qdq
from lepton_edge.compress.errors import CompressionFailed, CompressionRefused
from lepton_edge.compress.layers import Graph
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import clean
from partitioner.errors import ModelError
from partitioner.onnx_io import runtime
from partitioner.onnx_io.hoist import replace_nodes

LEAST = 1024
"""Elements of a weight that is worth a conversion."""
LARGEST = float(np.finfo(np.float16).max)
_KEPT_FLOAT = ("Range", "Resize", "Upsample", "NonMaxSuppression", "TopK", "RoiAlign", "CumSum", "Min", "Max")


class Half:
    """float16 weights; float16 arithmetic where the target has it ("auto")."""

    name = "half"
    choices: Mapping[str, tuple[Value, ...]] = {"compute": ("auto", "float32", "float16")}
    needs_data = False
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why no weight of the model can be halved; "" where one can."""
        graph = Graph(model)
        return layers.broken_weight(graph) if _large(graph) else "it has no large float32 weight"

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return the model with float16 weights.

        Raises:
            CompressionRefused: see `refuse`.
            CompressionFailed: the engine does not run the model in float16.
        """
        if reason := self.refuse(model, materials.target):
            raise CompressionRefused(f"the model cannot be halved: {reason}", "leave out this step")
        wanted = str(options["compute"])
        if wanted == "float16" or (wanted == "auto" and materials.target.half):
            return _computed(clean.plain(model))
        return _stored(clean.plain(model))


def _large(graph: Graph) -> list[str]:
    return [
        name
        for name, one in graph.constants.items()
        if graph.is_float(name)
        and int(np.prod(one.dims)) >= LEAST
        and name in graph.readers
        and name not in graph.outputs
    ]


def _stored(model: ModelProto) -> ModelProto:
    """Store large weights in float16, each with a Cast that the engine folds when it opens the model."""
    graph = Graph(model)
    new: dict[str, TensorProto] = {}
    casts: list[NodeProto] = []
    for name in _large(graph):
        value = graph.value(name)
        if np.abs(value).max() > LARGEST:
            continue
        new[f"{name}/half"] = numpy_helper.from_array(value.astype(np.float16), f"{name}/half")
        casts.append(helper.make_node("Cast", [f"{name}/half"], [name], f"{name}/Cast", to=TensorProto.FLOAT))
    made = {one.output[0] for one in casts}
    kept = [one for one in model.graph.initializer if one.name not in made]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    replace_nodes(model.graph, [*casts, *model.graph.node])
    qdq.set_initializers(model, new)
    return model


def _computed(model: ModelProto) -> ModelProto:
    """Compute in float16, inputs and outputs apart."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of every weight that it rounds to its smallest number
        made: ModelProto = convert_float_to_float16(
            model, keep_io_types=True, op_block_list=list(_KEPT_FLOAT)
        )
    try:
        runtime.open_session(made, runtime.options(None, runtime.FULL))
    except ModelError as error:
        raise CompressionFailed(
            f"float16: {error.message}", "store the weights only: compute = float32"
        ) from error
    return made


TECHNIQUE = Half()
