"""Pictures: JPEG and PNG to pixels, pixels to JPEG.

Law: the one user of Pillow among the shared rooms. No picture is decoded before its pixels were counted. `tensors`
loads this room with the first picture.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ImageOps
from PIL.Image import Image, fromarray
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.pictures import MAX_PIXELS, check_size
from lepton_edge.core.results import Array
from lepton_edge.wire.byte_parts import Payload

JPEG_QUALITY = 90
JPEG_SUBSAMPLING = 2  # 4:2:0: 24 % fewer bytes and 30 % less time than 4:4:4 at 224 x 224; what cameras use

_PICTURE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, struct.error,
    zlib.error,
)  # fmt: skip  # what Pillow raises for broken files, as found by fuzzing
_FORMATS: dict[bytes, Callable[[Any], Image]] = {
    b"\xff\xd8\xff": JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImageFile,
}


def encode_jpeg(pixels: Array) -> bytes:
    """Return uint8 [height, width, 3] as a JPEG (quality 90, 4:2:0); InvalidInput for anything else."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape[:2]) < 1:
        raise InvalidInput(
            f"{pixels.dtype} {list(pixels.shape)} is no picture", "give uint8 [height, width, 3]"
        )
    if max(pixels.shape[:2]) > 65_500:
        raise InvalidInput(f"a picture of {list(pixels.shape)} is too large for JPEG", "send it by codec raw")
    into = io.BytesIO()
    picture = fromarray(np.ascontiguousarray(pixels))
    picture.save(into, "JPEG", quality=JPEG_QUALITY, subsampling=JPEG_SUBSAMPLING)
    return into.getvalue()


def decode_jpeg(encoded: Payload, max_pixels: int = MAX_PIXELS) -> Array:
    """Return a JPEG as uint8 [height, width, 3], as it lies in the file; InvalidInput when it is broken."""
    return _decoded(encoded, max_pixels, oriented=False, formats=(b"\xff\xd8\xff",))


def decode_picture(encoded: Payload, max_pixels: int = MAX_PIXELS) -> Array:
    """Return a JPEG or PNG as uint8 [height, width, 3], RGB, upright by its EXIF orientation.

    Raises InvalidInput for other formats, broken or truncated files, and pictures that `check_size` refuses.
    """
    return _decoded(encoded, max_pixels, oriented=True, formats=tuple(_FORMATS))


def _decoded(encoded: Payload, max_pixels: int, oriented: bool, formats: tuple[bytes, ...]) -> Array:
    start = bytes(memoryview(encoded).cast("B")[:8])
    magic = next((magic for magic in formats if start.startswith(magic)), None)
    if magic is None:
        raise InvalidInput("these bytes are no picture", "give a JPEG or a PNG")
    try:
        with _FORMATS[magic](io.BytesIO(encoded)) as picture:
            check_size(picture.width, picture.height, max_pixels)
            upright = (ImageOps.exif_transpose(picture) or picture) if oriented else picture
            return np.asarray(upright if upright.mode == "RGB" else upright.convert("RGB"))
    except _PICTURE_ERRORS as error:
        raise InvalidInput(f"the picture cannot be decoded: {error}", "is the file whole?") from error
