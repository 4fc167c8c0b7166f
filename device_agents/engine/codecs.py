"""Tensors to wire tensors and back: the codecs' arithmetic here, their bytes in the wire.

Law: joins a codec's graph part (`graph_parts.py`; of a trained codec, `coders.py`) and byte part (the wire's); which
codec a tensor takes is the page's matter. A tensor that a codec cannot hold (another dtype, empty, NaN, infinity,
above 65504 in f16) travels raw, and the wire tensor says so.
"""

from __future__ import annotations

import numpy as np

from device_agents.engine.coders import Coders
from device_agents.engine.graph_parts import Coded, graph_parts
from device_agents.engine.runtime import Runtime
from lepton_edge.core.errors import CorruptFrame, StaleEpoch
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.results import Array
from lepton_edge.wire import tensors
from partitioner.codecs import CODE, CODE_PACKING, GRAPH_PARTS, LEAST_PACKED, RAW, Codec, codec_named
from partitioner.units import CodecName, TensorName

LARGEST_JPEG_SIDE = 65_500


class TensorCodec:
    """Encodes and decodes tensors; used in the engine's threads."""

    def __init__(self, runtime: Runtime) -> None:
        self._parts = graph_parts(runtime)
        self.coders = Coders(runtime)

    def encode(self, name: TensorName, array: Array, codec: CodecName) -> WireTensor:
        """Return `array` as it travels by `codec`, or raw where that codec cannot hold it."""
        declared = codec_named(codec) or RAW
        if not _fits(array, declared):
            return tensors.pack(name, array, RAW.name)
        if declared.byte_part == CODE:
            return self._coded(name, array, codec) or tensors.pack(name, array, RAW.name)
        if not declared.graph_part:
            return tensors.pack(name, array, declared.name)
        coded = self._parts[declared.graph_part].encode(array)
        if coded is None:
            return tensors.pack(name, array, RAW.name)
        payload = tensors.compress(coded.array, declared.byte_part)
        return WireTensor(
            name,
            tensors.dtype_name(array.dtype),
            array.shape,
            declared.name,
            payload,
            coded.scale,
            coded.zero_point,
        )

    def decode(self, tensor: WireTensor) -> Array:
        """Return the array of a wire tensor: C-contiguous, of its declared dtype and shape.

        Raises CorruptFrame for a codec that is not known here or a payload that does not fit, InvalidInput
        for a broken picture.
        """
        declared = codec_named(tensor.codec)
        if declared is None:
            raise CorruptFrame(f"tensor {tensor.name!r} came by codec {tensor.codec!r}", "update this device")
        if tensor.dtype not in declared.holds:
            raise CorruptFrame(f"codec {declared.name} holds no {tensor.dtype} ({tensor.name!r})")
        if declared.byte_part == CODE:
            return self._decoded(tensor)
        if not declared.graph_part:
            return tensors.unpack(tensor)
        dtype = np.dtype(GRAPH_PARTS[declared.graph_part])
        size = int(np.prod(tensor.shape, dtype=np.int64)) * dtype.itemsize
        payload = tensors.decompress(tensor.payload, declared.byte_part, size, dtype.itemsize)
        coded = np.frombuffer(payload, dtype).reshape(tensor.shape)
        return self._parts[declared.graph_part].decode(Coded(coded, tensor.scale, tensor.zero_point))

    def _coded(self, name: TensorName, array: Array, codec: CodecName) -> WireTensor | None:
        coder = self.coders.opened(codec)
        code = coder.encode(array) if coder is not None else None
        if code is None:
            return None
        payload = tensors.compress(np.ascontiguousarray(code), _packing(code.nbytes))
        return WireTensor(name, tensors.dtype_name(array.dtype), array.shape, codec, payload)

    def _decoded(self, tensor: WireTensor) -> Array:
        coder = self.coders.opened(tensor.codec)
        if coder is None:
            raise StaleEpoch(f"codec {tensor.codec} is not open here", "try again")
        size = coder.code_size(tuple(tensor.shape))
        code = tensors.decompress(tensor.payload, _packing(size), size, 1)
        array = coder.decode(code, tuple(tensor.shape))
        if array is None:
            raise CorruptFrame(
                f"{len(tensor.payload)} bytes are no code of {tensor.name!r} by {tensor.codec}"
            )
        return array


def _packing(size: int) -> str:
    """Return the byte part that a code of `size` bytes travels by; both sides know the size."""
    return CODE_PACKING if size >= LEAST_PACKED else ""


def _fits(array: Array, codec: Codec) -> bool:
    if not array.size or tensors.dtype_name(array.dtype) not in codec.holds:
        return False
    return not codec.pictures_only or _is_picture(array)


def _is_picture(array: Array) -> bool:
    return array.ndim == 3 and array.shape[2] == 3 and max(array.shape) <= LARGEST_JPEG_SIDE
