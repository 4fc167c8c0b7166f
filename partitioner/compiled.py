"""A model after compilation: what the coordinator keeps of it, and the planner plans on.

Law: frozen nouns without I/O. A compiled model is a directory that `onnx_io` writes and reads:

    model.json      this noun, as JSON
    composed.onnx   graph only (pseudo-nodes left out), over weights.bin by external data
    weights.bin     the weights blob: every initializer once, aligned to 4096 bytes where 64 KiB or more, else to 64
    samples.npz     up to 32 samples: arrays "INDEX/INPUT"; encoded pictures are uint8 [bytes]
    labels/FILE     label files
    coders/SHA.onnx the graphs of its trained codecs
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from partitioner.codecs import codec_named
from partitioner.graph import CostGraph
from partitioner.plan import Coder, InputSpec, OutputSpec, QueueRule, WeightRef
from partitioner.units import Bytes, CodecName, ModelName, ModelVersion, Sha256, TensorName


@dataclass(frozen=True)
class CodecSample:
    """What a codec does to one tensor, over the samples given at push.

    `wire_bytes` is the mean size; `loss` the largest, over samples, of max|out - out'| / max|out| at the model's
    outputs; `top1_kept` the fraction of samples whose top-1 is unchanged (1.0 where there is no class axis);
    `allowed` whether the accuracy rule of the manifest accepts it. `samples` is how many were measured.
    """

    tensor: TensorName
    codec: CodecName
    wire_bytes: Bytes
    loss: float
    top1_kept: float
    allowed: bool
    samples: int


@dataclass(frozen=True)
class IntegerSide:
    """A tensor of integers, and the float tensor that it is the quantized form of.

    `source` is about (`tensor` - `zero`) x `scale`, one scale for all of it (float32 held exactly): what was quantized,
    or what the integers are turned back to, each of them a side of its own.
    """

    tensor: TensorName
    source: TensorName
    scale: float
    zero: int


READ_OPSET, READ_IR = 23, 11
"""Newest operator set and file format that onnxruntime 1.23 reads (tried): the oldest engine that an agent may have,
and the newest for Python 3.10."""


@dataclass(frozen=True)
class CompiledModel:
    """One variant of a model, ready to be planned and cut.

    `unmeasured` names the tensors that a lossy codec could hold but whose loss the push had no time to measure.
    `smaller` names the model that may answer in its place, marked degraded. `integers` are the tensors that cross
    quantized, by which a variant meets others of its model, which `variant_of` names ("" for a model of its own).
    `coders` are the trained codecs that were pushed with it, each for one of its tensors. `opset` is that of its
    standard operators, 0 where it was compiled before that was noted.
    """

    name: ModelName
    version: ModelVersion
    graph: CostGraph
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    weights: tuple[WeightRef, ...]
    blob: Sha256
    blob_size: Bytes
    operators: tuple[str, ...] = ()  # "ai.onnx/Conv", "com.microsoft/QLinearAdd", ...: sorted, distinct
    codecs: tuple[CodecSample, ...] = ()
    sample_count: int = 0
    source_bytes: Bytes = Bytes(0)
    description: str = ""
    format: int = 1
    unmeasured: tuple[TensorName, ...] = ()
    queue: QueueRule = QueueRule()
    smaller: ModelName = ModelName("")
    integers: tuple[IntegerSide, ...] = ()
    variant_of: ModelName = ModelName("")
    coders: tuple[Coder, ...] = ()
    opset: int = 0

    def as_known_by(self, minor: int) -> CompiledModel:
        """Return the model without the codecs that a peer of the protocol's minor version `minor` does not know."""
        return dataclasses.replace(
            self,
            codecs=tuple(one for one in self.codecs if _is_known(one.codec, minor)),
            coders=tuple(one for one in self.coders if _is_known(one.codec, minor)),
        )


def _is_known(name: CodecName, minor: int) -> bool:
    codec = codec_named(name)
    return codec is not None and codec.since <= minor
