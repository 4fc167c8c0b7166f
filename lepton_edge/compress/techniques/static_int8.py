"""Static quantization: layers compute with 8-bit integers whose scales were fixed by calibration.

Law: chooses ranges, equalises, corrects and writes, by the rooms that do each; it measures no accuracy and no speed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from onnx import ModelProto

from lepton_edge.compress import bias, calibrate, equalize, layers, qdq, ranges, tables
from lepton_edge.compress.bias import Quantized
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.layers import Graph
from lepton_edge.compress.qdq import Scheme
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import clean
from partitioner.errors import ModelError
from partitioner.onnx_io import load

SEPARATOR = "|"
"""Between layer names in the option `keep_float`."""


class StaticInt8:
    """QDQ: per-channel weights, activations in the target's type; embedding tables stored in int8."""

    name = "static_int8"
    choices: Mapping[str, tuple[Value, ...]] = {
        "ranges": (ranges.PERCENTILE, ranges.MSE, ranges.MINMAX),
        "equalize": (True, False),
        "correct_bias": (True, False),
        "clip_weights": (False, True),
        "tables": (True, False),
        "keep_float": ("",),
    }
    needs_data = True
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why nothing of the model can be computed with integers; "" where something can."""
        return layers.why_not(model)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return the quantized model; the layers named in `keep_float` (separated by "|") stay float.

        Raises:
            CompressionRefused: see `refuse`; or its operator set cannot be raised.
            TooLittleData, UnusableData: from the calibration samples.
        """
        if reason := self.refuse(model, materials.target):
            raise layers.refusal(reason)
        plain = prepared(model, materials)
        if options["equalize"]:
            plain = equalized(plain, materials)
        kept = [one for one in str(options["keep_float"]).split(SEPARATOR) if one]
        found = calibrated(plain, materials, options, kept)
        if options["correct_bias"]:
            plain = bias.correct(plain, found, materials.calibration, materials.progress)
        made = qdq.insert(plain, found.choice, found.seen, found.scheme)
        if options["tables"]:
            tables.store_small(made, kept)
        return made


def prepared(model: ModelProto, materials: Materials) -> ModelProto:
    """Return a folded copy of `model` in an operator set with per-channel scales.

    Raises:
        CompressionRefused: its operator set cannot be raised.
    """
    try:
        raised = load.raise_opset(clean.ready(model, materials), layers.MIN_OPSET)
    except ModelError as error:
        raise CompressionRefused(f"the model cannot be quantized: {error.message}", error.hint) from error
    return raised


def equalized(plain: ModelProto, materials: Materials) -> ModelProto:
    """Return `plain` with its channels equalised; itself where no two layers allow it."""
    tensors = {one.tensor: one.axis for one in equalize.pairs(Graph(plain))}
    if not tensors:
        return plain
    seen = calibrate.channels(plain, tensors, materials.calibration, materials.progress)
    return equalize.equalize(plain, seen)


def calibrated(
    plain: ModelProto, materials: Materials, options: Mapping[str, Value], kept: Collection[str] = ()
) -> Quantized:
    """Return what of `plain` becomes integer, over which ranges and how; the layers `kept` stay float.

    Raises:
        CompressionRefused: one of `kept` is no layer.
    """
    graph = Graph(plain)
    layers.require_named(graph, kept)
    choice = layers.choose(graph, kept)
    seen = calibrate.observe(
        plain, choice.tensors, materials.calibration, str(options["ranges"]), materials.progress
    )
    return Quantized(choice, seen, scheme(materials.target, options))


def scheme(target: Target, options: Mapping[str, Value]) -> Scheme:
    """Return how numbers become integers on `target`."""
    return Scheme(target.activation, 7 if target.saturates else 8, bool(options["clip_weights"]))


TECHNIQUE = StaticInt8()
