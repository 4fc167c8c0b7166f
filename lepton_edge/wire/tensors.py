"""Tensors to payloads and back: the byte part of every codec, and (by `pictures`) pictures.

Law: bytes only. A codec's arithmetic (its graph part) is the engine's; what is declared about codecs is in
`partitioner.codecs`, compression in `byte_parts`. Nothing is decompressed past the size that dtype and shape
declare. bfloat16, which numpy lacks, is seen as uint16.
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import numpy as np

from lepton_edge.core.errors import CorruptFrame, InvalidInput
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.pictures import MAX_PIXELS
from lepton_edge.core.results import Array
from lepton_edge.wire.byte_parts import PARTS, Payload, bytes_of
from partitioner.codecs import CODECS, DTYPE_BYTES, RAW
from partitioner.units import CodecName, TensorName

# --- whole tensors --------------------------------------------------------------------------------


def pack(name: TensorName, array: Array, codec: CodecName = RAW.name, *, dtype: str = "") -> WireTensor:
    """Return `array` as it travels by a codec without a graph part ("raw", "zstd", "sparse" or "jpeg").

    Raw payloads are views of a contiguous array, not copies. `dtype` overrides the array's own (bfloat16 held
    as uint16). Raises InvalidInput for a dtype that no codec holds and for pictures that are none.
    """
    declared = CODECS[codec]
    dtype = dtype or dtype_name(array.dtype)
    if dtype not in declared.holds or declared.graph_part:
        raise InvalidInput(f"tensor {name!r} of dtype {dtype} cannot travel by {codec}", "convert it first")
    return WireTensor(name, dtype, tuple(array.shape), codec, compress(array, declared.byte_part))


def unpack(tensor: WireTensor) -> Array:
    """Return the array of a tensor that came by a codec without a graph part, of its declared dtype and shape.

    A raw array is a read-only view of the frame's memory. Raises CorruptFrame when payload and shape
    disagree, InvalidInput when a picture is broken.
    """
    codec = CODECS.get(tensor.codec)
    if codec is None or codec.graph_part:
        raise CorruptFrame(f"tensor {tensor.name!r} by {tensor.codec!r} is not for the wire to decode")
    size = math.prod(tensor.shape) * DTYPE_BYTES[tensor.dtype]
    if size == 0:
        return np.empty(tensor.shape, numpy_dtype(tensor.dtype))
    if codec.byte_part == "jpeg":
        return _unpack_picture(tensor)
    payload = decompress(tensor.payload, codec.byte_part, size, DTYPE_BYTES[tensor.dtype])
    return np.frombuffer(payload, numpy_dtype(tensor.dtype)).reshape(tensor.shape)


@functools.lru_cache(maxsize=64)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return numpy's name of `dtype`, which numpy puts together anew each time, longer than packing takes."""
    return str(dtype.name)


@functools.lru_cache(maxsize=64)
def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Return numpy's dtype for a wire dtype, little-endian; bfloat16 is seen as uint16."""
    found: np.dtype[Any] = np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")
    return found


def _unpack_picture(tensor: WireTensor) -> Array:
    if len(tensor.shape) != 3 or tensor.shape[2] != 3:
        raise CorruptFrame(f"tensor {tensor.name!r} of shape {list(tensor.shape)} is no picture")
    pixels = decode_jpeg(tensor.payload, tensor.shape[0] * tensor.shape[1])
    if pixels.shape != tensor.shape:
        raise CorruptFrame(f"picture {tensor.name!r} is {list(pixels.shape)}, not {list(tensor.shape)}")
    return pixels


# --- byte parts -----------------------------------------------------------------------------------


def compress(array: Array, byte_part: str) -> Payload:
    """Return the bytes of `array` after a codec's byte part: "" (a view), "jpeg", or one of `byte_parts.PARTS`."""
    if byte_part == "jpeg":
        return encode_jpeg(array)
    return PARTS[byte_part].compress(array) if byte_part else bytes_of(array)


def decompress(payload: Payload, byte_part: str, size: int, item: int = 1) -> Payload:
    """Undo a byte part other than "jpeg"; exactly `size` bytes, of `item` each, must come out, else CorruptFrame."""
    if byte_part:
        payload = PARTS[byte_part].expand(payload, size, item)
    if memoryview(payload).nbytes != size:
        raise CorruptFrame(f"a tensor of {memoryview(payload).nbytes} bytes where {size} were declared")
    return payload


# --- pictures -------------------------------------------------------------------------------------


@functools.cache
def _pictures() -> Any:
    """Return the room of pictures. It is loaded with the first one: Pillow takes 2.7 of an idle agent's 85 MB."""
    return importlib.import_module("lepton_edge.wire.pictures")


def encode_jpeg(pixels: Array) -> bytes:
    """Return uint8 [height, width, 3] as a JPEG (quality 90, 4:2:0); InvalidInput for anything else."""
    encoded: bytes = _pictures().encode_jpeg(pixels)
    return encoded


def decode_jpeg(encoded: Payload, max_pixels: int = MAX_PIXELS) -> Array:
    """Return a JPEG as uint8 [height, width, 3], as it lies in the file; InvalidInput when it is broken."""
    pixels: Array = _pictures().decode_jpeg(encoded, max_pixels)
    return pixels


def decode_picture(encoded: Payload, max_pixels: int = MAX_PIXELS) -> Array:
    """Return a JPEG or PNG as uint8 [height, width, 3], RGB, upright by its EXIF orientation.

    Raises InvalidInput for other formats, broken or truncated files, and pictures that `check_size` refuses.
    """
    pixels: Array = _pictures().decode_picture(encoded, max_pixels)
    return pixels
