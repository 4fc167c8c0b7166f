"""The codecs' arithmetic again, in numpy: what a tensor is after its journey, and how many bytes it was.

Law: the same results as devices compute (`codec_graphs` and the wire's byte parts), for measuring loss
where there is no device. A test holds both to each other. DynamicQuantizeLinear:
https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import zstandard
from PIL import Image

from partitioner.codecs import Codec
from partitioner.profile.samples import Array

ZSTD_LEVEL = 1
JPEG_QUALITY, JPEG_SUBSAMPLING = 90, 2  # 4:2:0
STEPS = np.float32(255)

Journey = tuple[Array, int]
"""The tensor as it arrives, and the bytes of its payload."""


def journey(codec: Codec, array: Array) -> Journey:
    """Return what arrives when `array` travels by `codec`; what the codec cannot hold travels raw."""
    travel = _TRAVELS.get(codec.graph_part or codec.byte_part)
    arrived = travel(array) if travel and array.size and array.dtype.name in codec.holds else None
    return (array, array.nbytes) if arrived is None else arrived


def _f16(array: Array) -> Journey | None:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return (half.astype(np.float32), half.nbytes) if np.isfinite(half).all() else None


def _u8(array: Array) -> Journey | None:
    if not np.isfinite(array).all():
        return None
    low, high = min(np.float32(0), array.min()), max(np.float32(0), array.max())
    scale = np.float32(high - low) / STEPS or np.float32(1)
    zero_point = np.clip(np.rint(-low / scale), 0, 255)
    steps = np.clip(np.rint(array / scale) + zero_point, 0, 255).astype(np.uint8)
    payload = zstandard.ZstdCompressor(ZSTD_LEVEL).compress(np.ascontiguousarray(steps).tobytes())
    return ((steps.astype(np.float32) - np.float32(zero_point)) * scale).astype(np.float32), len(payload)


def _jpeg(array: Array) -> Journey | None:
    if array.ndim != 3 or array.shape[2] != 3:
        return None
    stream = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(array))
    picture.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=JPEG_SUBSAMPLING)
    with Image.open(stream) as again:
        return np.asarray(again.convert("RGB")), stream.getbuffer().nbytes


_TRAVELS: dict[str, Callable[[Array], Journey | None]] = {"cast_f16": _f16, "affine_u8": _u8, "jpeg": _jpeg}
