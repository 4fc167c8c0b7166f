"""Tensors to wire tensors and back: the codecs' arithmetic here, their bytes in the wire.

Law: one piece a graph part (`cast_f16`, `affine_u8`); which codec a tensor takes is the page's matter. A
tensor that a codec cannot hold (another dtype, empty, NaN, infinity, above 65504 in f16) travels raw, and
the wire tensor says so.

The arithmetic runs in small onnxruntime sessions, made by `partitioner.onnx_io.codec_graphs`, because they
beat numpy (docs/decisions/codec-arithmetic.md has the figures). A session is opened when it is first
needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from device_agents.engine.runtime import Runtime
from device_agents.engine.sessions import open_session
from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.results import Array
from lepton_edge.wire import tensors
from partitioner.codecs import CODECS, RAW, Codec
from partitioner.units import CodecName, TensorName

GRAPHS = Path(__file__).with_name("graphs")  # importlib.resources would cost an idle agent 1.4 MB
LARGEST_JPEG_SIDE = 65_500


class TensorCodec:
    """Encodes and decodes tensors; used in the worker's thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def encode(self, name: TensorName, array: Array, codec: CodecName) -> WireTensor:
        """Return `array` as it travels by `codec`, or raw where that codec cannot hold it."""
        declared = CODECS.get(codec, RAW)
        if not declared.graph_part:
            return tensors.pack(name, array, declared.name if _fits(array, declared) else RAW.name)
        coded = self._arithmetic(array, declared) if _fits(array, declared) else None
        if coded is None:
            return tensors.pack(name, array, RAW.name)
        made, scale, zero_point = coded
        payload = tensors.compress(made, declared.byte_part)
        return WireTensor(name, array.dtype.name, array.shape, declared.name, payload, scale, zero_point)

    def decode(self, tensor: WireTensor) -> Array:
        """Return the array of a wire tensor: C-contiguous, of its declared dtype and shape.

        Raises CorruptFrame for a codec that is not known here or a payload that does not fit, InvalidInput
        for a broken picture.
        """
        declared = CODECS.get(tensor.codec)
        if declared is None:
            raise CorruptFrame(f"tensor {tensor.name!r} came by codec {tensor.codec!r}", "update this device")
        if not declared.graph_part:
            return tensors.unpack(tensor)
        if tensor.dtype not in declared.holds:
            raise CorruptFrame(f"codec {declared.name} holds no {tensor.dtype} ({tensor.name!r})")
        return self._inverse(tensor, declared)

    def _arithmetic(self, array: Array, codec: Codec) -> tuple[Array, float, int] | None:
        session = self._session(codec.graph_part, "encode")
        made: list[Any] = session.run(None, {"x": np.ascontiguousarray(array)})
        if not np.isfinite(made[-1]):  # `check`: NaN, infinity or overflow
            return None
        if codec.graph_part == "affine_u8":
            return made[0], float(made[1]), int(made[2])
        return made[0], 1.0, 0

    def _inverse(self, tensor: WireTensor, codec: Codec) -> Array:
        coded_dtype = np.dtype(np.uint8 if codec.graph_part == "affine_u8" else np.float16)
        size = int(np.prod(tensor.shape, dtype=np.int64)) * coded_dtype.itemsize
        payload = tensors.decompress(tensor.payload, codec.byte_part, size)
        coded = np.frombuffer(payload, coded_dtype).reshape(tensor.shape)
        feed = {"y": coded} if codec.graph_part == "cast_f16" else _affine_feed(coded, tensor)
        made: list[Any] = self._session(codec.graph_part, "decode").run(["x"], feed)
        array: Array = made[0]
        return array

    def _session(self, part: str, direction: str) -> onnxruntime.InferenceSession:
        file = f"{part}_{direction}.onnx"
        if file not in self._sessions:
            graph = (GRAPHS / file).read_bytes()
            self._sessions[file] = open_session(graph, self._runtime)
        return self._sessions[file]


def _fits(array: Array, codec: Codec) -> bool:
    picture = array.ndim == 3 and array.shape[2] == 3 and max(array.shape) <= LARGEST_JPEG_SIDE
    return array.size > 0 and array.dtype.name in codec.holds and (picture or not codec.pictures_only)


def _affine_feed(coded: Array, tensor: WireTensor) -> dict[str, Array]:
    scale, zero_point = np.asarray(tensor.scale, np.float32), np.asarray(tensor.zero_point, np.uint8)
    return {"q": coded, "scale": scale, "zero_point": zero_point}
