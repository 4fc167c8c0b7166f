"""A photograph as the network wants it. Law: the usual ImageNet evaluation transform, and nothing else."""

from __future__ import annotations

import io
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float32]

SHORTER_SIDE: Final = 256
CROP: Final = 224
# Larger photographs are refused before they are decoded.
MAX_PIXELS: Final = 50_000_000
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)


class PictureError(ValueError):
    """The bytes are no picture that can be decoded, or a gigantic one; send another."""


def preprocess(encoded: bytes) -> Floats:
    """Return an encoded picture as float32 [1, 3, 224, 224]: resized, center-cropped, normalised.

    Raises:
        PictureError: not a picture, damaged, or above `MAX_PIXELS`.
    """
    scaled = np.asarray(_cropped(_resized(_decoded(encoded))), np.float32) / np.float32(255)
    return np.ascontiguousarray(((scaled - _MEAN) / _STD).transpose(2, 0, 1)[np.newaxis])


def shrink(encoded: bytes, quality: int = 90) -> bytes:
    """Return the picture as a smaller JPEG: the 224 x 224 pixels that the network will look at.

    Raises:
        PictureError: not a picture, damaged, or above `MAX_PIXELS`.
    """
    target = io.BytesIO()
    _cropped(_resized(_decoded(encoded))).save(target, "JPEG", quality=quality)
    return target.getvalue()


def _decoded(encoded: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(encoded))
        if picture.width * picture.height > MAX_PIXELS:
            raise PictureError(
                f"the picture has {picture.width} x {picture.height} pixels; send a smaller one"
            )
        # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for nearly nothing.
        picture.draft("RGB", (2 * SHORTER_SIDE, 2 * SHORTER_SIDE))
        rgb: Image.Image = picture.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f"this is no picture that can be decoded: {error}; send a JPEG") from error
    return rgb


def _resized(picture: Image.Image) -> Image.Image:
    scale = SHORTER_SIDE / min(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BILINEAR)


def _cropped(picture: Image.Image) -> Image.Image:
    left, top = (picture.width - CROP) // 2, (picture.height - CROP) // 2
    return picture.crop((left, top, left + CROP, top + CROP))
