"""Pictures as the model wants them: decoded here, resized and normalised by the manifest's own nodes.

Law: the arithmetic is `onnx_io.compose`'s, run by the reference engine, so that a model is compressed on exactly what
devices will feed it. Knows no folder and no label.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper

from lepton_edge.compress.errors import UnusableData
from lepton_edge.core.results import Array
from partitioner.errors import InvalidModel
from partitioner.manifest import Manifest, PictureInput
from partitioner.onnx_io import compose, runtime
from partitioner.onnx_io.infer import TensorType
from partitioner.profile.samples import decode_picture

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


class Preparer:
    """Makes one input of a model from a picture."""

    def __init__(self, graph: GraphProto, rule: PictureInput) -> None:
        """Open the nodes that `rule` asks for; raise InvalidManifest where it does not fit `graph`'s input."""
        self._name = str(rule.name)
        shape = compose.picture_shapes(graph, Manifest(inputs=(rule,)))[self._name]
        declared = next(one for one in graph.input if one.name == self._name)
        element = declared.type.tensor_type.elem_type
        stub = _passing(self._name, element, shape)
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(element)).name
        types = {self._name: TensorType(dtype, shape, shape)}
        made = compose.compose(stub, types, Manifest(inputs=(rule,)))
        self._session = runtime.open_session(made.model, runtime.options(None, runtime.BASIC))

    def from_pixels(self, pixels: Array) -> Array:
        """Return the model's input for `pixels`, uint8 [height, width, 3], RGB."""
        made: Array = runtime.run(self._session, {f"{self._name}@picture": pixels})["prepared"]
        return made

    def from_file(self, encoded: bytes, source: str) -> Array:
        """Return the model's input for an encoded picture; raise UnusableData where it cannot be decoded."""
        try:
            return self.from_pixels(decode_picture(np.frombuffer(encoded, np.uint8)))
        except InvalidModel as error:
            raise UnusableData(f"{source}: {error.message}", "remove it, or save it again") from error


def preparers(model: ModelProto, manifest: Manifest | None) -> Mapping[str, Preparer]:
    """Return a preparer for every input of `model` that `manifest` declares to be a picture."""
    rules = manifest.inputs if manifest is not None else ()
    return {str(rule.name): Preparer(model.graph, rule) for rule in rules if isinstance(rule, PictureInput)}


def _passing(name: str, element: int, shape: tuple[int, ...]) -> ModelProto:
    """Return a model that only hands its input on, for `compose` to put the manifest's nodes in front of."""
    given = helper.make_tensor_value_info(name, element, shape)
    output = helper.make_tensor_value_info("prepared", element or TensorProto.FLOAT, shape)
    node = helper.make_node("Identity", [name], ["prepared"], "hand_on")
    graph = helper.make_graph([node], "picture", [given], [output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", compose.OPSET)], ir_version=8)
