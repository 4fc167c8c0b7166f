"""Weight-only quantization: matrices stored in 8 or 4 bits by blocks; what goes in and comes out is float.

Law: for models whose time goes into reading weights (decoders); the engine's MatMulNBits does the work, and may round
activations to 8 bits inside of it (accuracy_level 4), which the samples see. The block size is the largest whose
answers hold on samples: larger blocks are smaller files. No scale of an activation is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import layers, qdq, sensitivity, tables
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.layers import Graph
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.sensitivity import First, Noise
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import clean
from lepton_edge.core.results import Array
from partitioner.onnx_io import load

DOMAIN = "com.microsoft"
BLOCKS = (128, 64, 32)
"""Sizes that the engine's kernels know, the smallest file first."""
HOLDS: Mapping[int, float] = {8: 35.0, 4: 20.0}
"""Decibels of signal over error in the answers with which a block size will do, by bits."""
_SAMPLES = 4
_LEAST = 128
"""Rows of a matrix that is worth it: the activations are read anyway."""


class WeightOnly:
    """MatMulNBits: 8 or 4 bits; block 0 chooses the size by the answers on samples."""

    name = "weight_only"
    choices: Mapping[str, tuple[Value, ...]] = {
        "bits": (8, 4),
        "block": (0, *BLOCKS),
        "symmetric": (False, True),
        "tables": (True, False),
    }
    needs_data = False
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why no matrix of the model can be stored in few bits; "" where one can."""
        graph = Graph(model)
        if not _matrices(graph):
            return "it has no MatMul with a constant float32 matrix of at least 128 rows"
        return layers.broken_weight(graph)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return the model with its matrices in blocks of few bits.

        Without samples, block 0 is the smallest block.

        Raises:
            CompressionRefused: see `refuse`; or bits are neither 8 nor 4.
        """
        if reason := self.refuse(model, materials.target):
            raise layers.refusal(reason)
        bits, block = int(options["bits"]), int(options["block"])
        if bits not in HOLDS:
            raise CompressionRefused(f"weights of {bits} bits are not known", "use 8 or 4")
        plain = clean.plain(model)
        if options["tables"] and load.opset(plain) >= layers.MIN_OPSET:
            tables.store_small(plain)
        if block:
            return _blocked(plain, bits, block, bool(options["symmetric"]))
        return _largest_that_holds(plain, materials, bits, bool(options["symmetric"]))


def _matrices(graph: Graph) -> list[NodeProto]:
    return [
        node
        for node in graph.heavy
        if node.op_type == "MatMul" and graph.constants[node.input[1]].dims[0] >= _LEAST
    ]


def _largest_that_holds(plain: ModelProto, materials: Materials, bits: int, symmetric: bool) -> ModelProto:
    """Return the model with the largest block whose answers hold; with the smallest where none do."""
    few = First(materials.calibration, _SAMPLES)
    made = None
    wanted = sensitivity.answers(plain, few) if len(few) else []
    for block in BLOCKS if wanted else BLOCKS[-1:]:
        made = _blocked(plain, bits, block, symmetric)
        noise = Noise()
        for one, other in zip(wanted, sensitivity.answers(made, few), strict=True):
            sensitivity.compare(noise, one, other)
        if noise.sqnr >= HOLDS[bits]:
            break
    assert made is not None
    return made


def _blocked(plain: ModelProto, bits: int, block: int, symmetric: bool) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(plain)
    graph = Graph(made)
    new: dict[str, TensorProto] = {}
    for node in _matrices(graph):
        _rewrite(graph, node, Form(bits, block, symmetric), new)
    qdq.set_initializers(made, new)
    if all(one.domain != DOMAIN for one in made.opset_import):
        made.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return made


@dataclass(frozen=True)
class Form:
    """How a matrix is stored: bits of a weight, weights that share a scale, zero in the middle or where it is best."""

    bits: int
    block: int
    symmetric: bool = False


def _rewrite(graph: Graph, node: NodeProto, form: Form, new: dict[str, TensorProto]) -> None:
    """Make `node` a MatMulNBits, in place."""
    name = f"{node.input[1]}/{form.bits}x{form.block}"
    weight = graph.value(node.input[1])
    names = [f"{name}/values", f"{name}/scales", f"{name}/zeros"]
    if names[0] not in new:
        for one, content in zip(names, packed(weight, form), strict=True):
            new[one] = numpy_helper.from_array(content, one)
    rows, columns = weight.shape
    made = helper.make_node(
        "MatMulNBits", [node.input[0], *names], list(node.output), node.name, domain=DOMAIN,
        K=rows, N=columns, bits=form.bits, block_size=form.block, accuracy_level=4,
    )  # fmt: skip
    node.CopyFrom(made)


def packed(weight: Array, form: Form) -> tuple[Array, Array, Array]:
    """Return values uint8 [N, blocks, bytes], scales float32 [N, blocks] and zeros uint8 of a matrix [K, N].

    Two weights of 4 bits share a byte, the first in the low half; the last block is filled up with zeros.
    """
    rows, columns = weight.shape
    count = -(-rows // form.block)
    whole = np.zeros((columns, count * form.block), np.float32)
    whole[:, :rows] = weight.T
    blocks = whole.reshape(columns, count, form.block)
    scales, zeros = _affine(blocks, form)
    values = np.rint(blocks / scales[..., None]) + zeros[..., None]
    values = np.clip(values, 0, (1 << form.bits) - 1).astype(np.uint8)
    return _halved(values, form.bits), scales, _halved(zeros.astype(np.uint8), form.bits)


def _affine(blocks: Array, form: Form) -> tuple[Array, Array]:
    """Return scale float32 and zero of every block; zero is exactly representable."""
    top, middle = (1 << form.bits) - 1, 1 << (form.bits - 1)
    low, high = np.minimum(blocks.min(axis=2), 0.0), np.maximum(blocks.max(axis=2), 0.0)
    width = np.maximum(-low / middle, high / (middle - 1)) if form.symmetric else (high - low) / top
    scales = np.where(width > 0, width, 1.0).astype(np.float32)
    zeros = np.full(scales.shape, middle) if form.symmetric else np.clip(np.rint(-low / scales), 0, top)
    return scales, zeros


def _halved(values: Array, bits: int) -> Array:
    """Put two 4-bit values of the last axis into a byte each."""
    if bits == 8:
        return np.ascontiguousarray(values)
    if values.shape[-1] % 2:
        values = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)
    return np.ascontiguousarray(values[..., ::2] | (values[..., 1::2] << 4))


TECHNIQUE = WeightOnly()
