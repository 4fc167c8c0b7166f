"""Every kind of picture becomes RGB, upright; what is broken, or gigantic, costs one typed error."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lepton_edge.core.errors import InvalidInput
from lepton_edge.wire import pictures

RAMP = (
    np.stack(np.meshgrid(np.arange(64), np.arange(48))[:1] * 3, axis=-1).astype(np.uint8) * 3
)  # [48, 64, 3]


def encoded(array: np.ndarray, form: str = "PNG", **options: object) -> bytes:  # type: ignore[type-arg]
    into = io.BytesIO()
    Image.fromarray(array).save(into, form, **options)
    return into.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "RGBA", "LA", "CMYK"])
def test_pictures_of_every_mode_become_rgb(form: str, mode: str) -> None:
    if (form, mode) in {("PNG", "CMYK"), ("JPEG", "P"), ("JPEG", "RGBA"), ("JPEG", "LA")}:
        return
    into = io.BytesIO()
    Image.fromarray(RAMP).convert(mode).save(into, form)
    pixels = pictures.decode_picture(memoryview(np.frombuffer(into.getvalue(), np.uint8)))
    assert pixels.shape == RAMP.shape
    assert pixels.dtype == np.uint8


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise by 90 degrees
    turned = pictures.decode_picture(encoded(RAMP, "PNG", exif=exif))
    assert (turned == np.rot90(RAMP, -1)).all()


def gigantic_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    parts = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (9_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_a_gigantic_picture_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    with pytest.raises(InvalidInput, match="at most"):
        pictures.decode_picture(gigantic_png(width, height))


def test_a_gigantic_jpeg_is_refused_before_it_is_decoded() -> None:
    whole = bytearray(encoded(RAMP, "JPEG"))
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(InvalidInput, match="at most"):
        pictures.decode_picture(bytes(whole))


def test_what_is_no_picture_says_so() -> None:
    for junk in (b"", b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", encoded(RAMP, "BMP")):
        with pytest.raises(InvalidInput):
            pictures.decode_picture(junk)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_truncated_picture_is_refused(form: str) -> None:
    whole = encoded(RAMP, form)
    for keep in (10, 30, len(whole) // 2, len(whole) - 30):
        with pytest.raises(InvalidInput):
            pictures.decode_picture(whole[:keep])


@pytest.mark.filterwarnings("ignore::UserWarning")  # what Pillow says of broken EXIF
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["PNG", "JPEG"]), st.data())
def test_damaged_pictures_end_in_pixels_or_a_typed_error(form: str, data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    whole = bytearray(encoded(RAMP[:16, :16], form, exif=exif))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = pictures.decode_picture(bytes(whole), 10_000)
    except InvalidInput:
        return
    assert pixels.ndim == 3


def test_pillow_is_loaded_with_the_first_picture_and_not_before() -> None:
    said = (
        "import sys, lepton_edge.wire.tensors; sys.exit(any(name.startswith('PIL') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0
