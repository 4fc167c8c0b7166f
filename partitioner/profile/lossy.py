"""The codecs' arithmetic again, in numpy: what a tensor is after its journey, and how many bytes it was.

Law: the same results as devices compute (`codec_graphs` and the wire's byte parts), for measuring loss
where there is no device. A test holds both to each other. DynamicQuantizeLinear:
https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import lz4.block
import numpy as np
import zstandard
from PIL import Image

from partitioner.codecs import Codec
from partitioner.profile.samples import Array

ZSTD_LEVEL = 1
JPEG_QUALITY, JPEG_SUBSAMPLING = 90, 2  # 4:2:0
STEPS = np.float32(255)
LARGEST_BF16 = np.float32(3.3961775e38)  # from here on it rounds to infinity

Journey = tuple[Array, int]
"""The tensor as it arrives, and the bytes of its payload."""


def journey(codec: Codec, array: Array) -> Journey:
    """Return what arrives when `array` travels by `codec`; what the codec cannot hold travels raw."""
    return journeys([codec], array)[0]


def journeys(codecs: Sequence[Codec], array: Array) -> list[Journey]:
    """Return the journeys of `array` by codecs that share a graph part: all of them end with the same tensor."""
    first = codecs[0]
    if not array.size or array.dtype.name not in first.holds:
        return [(array, array.nbytes) for _ in codecs]
    if first.byte_part == "jpeg":
        return [_jpeg(array) or (array, array.nbytes) for _ in codecs]
    coded = _ARITHMETIC[first.graph_part](array)
    if coded is None:
        return [(array, array.nbytes) for _ in codecs]
    travelling, arrived = coded
    return [(arrived, _SIZES[codec.byte_part](np.ascontiguousarray(travelling))) for codec in codecs]


Coded = tuple[Array, Array]
"""What travels, and what it is again on the other side."""


def _as_it_is(array: Array) -> Coded:
    return array, array


def _f16(array: Array) -> Coded | None:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return (half, half.astype(np.float32)) if np.isfinite(half).all() else None


def _bf16(array: Array) -> Coded | None:
    if not np.abs(array).max() < LARGEST_BF16:
        return None
    upper = (array.reshape(-1).view(np.uint32) + np.uint32(0x8000)) >> np.uint32(16)
    return upper.astype(np.uint16), (upper << np.uint32(16)).view(np.float32).reshape(array.shape)


def _u8(array: Array) -> Coded | None:
    if not np.isfinite(array).all():
        return None
    low, high = min(np.float32(0), array.min()), max(np.float32(0), array.max())
    scale = np.float32(high - low) / STEPS or np.float32(1)
    zero_point = np.clip(np.rint(-low / scale), 0, 255)
    steps = np.clip(np.rint(array / scale) + zero_point, 0, 255).astype(np.uint8)
    return steps, ((steps.astype(np.float32) - np.float32(zero_point)) * scale).astype(np.float32)


def _sparse_size(array: Array) -> int:
    return -(-array.size // 8) + int(np.count_nonzero(array.view(f"u{array.itemsize}"))) * array.itemsize


def _jpeg(array: Array) -> Journey | None:
    if array.ndim != 3 or array.shape[2] != 3:
        return None
    stream = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(array))
    picture.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=JPEG_SUBSAMPLING)
    with Image.open(stream) as again:
        return np.asarray(again.convert("RGB")), stream.getbuffer().nbytes


_ARITHMETIC: dict[str, Callable[[Array], Coded | None]] = {
    "": _as_it_is,
    "cast_f16": _f16,
    "round_bf16": _bf16,
    "affine_u8": _u8,
}
_SIZES: dict[str, Callable[[Array], int]] = {
    "": lambda array: array.nbytes,
    "zstd": lambda array: len(zstandard.ZstdCompressor(ZSTD_LEVEL).compress(array.tobytes())),
    "lz4": lambda array: len(lz4.block.compress(array.tobytes(), store_size=False)),
    "sparse": _sparse_size,
}
