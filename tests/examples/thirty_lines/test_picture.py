"""The usual ImageNet transform, and a typed refusal of everything that is no picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from examples.thirty_lines import picture
from examples.thirty_lines.picture import PictureError, preprocess, shrink


def encoded(size: tuple[int, int], color: tuple[int, int, int] = (255, 0, 0), kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, color).save(target, kind)
    return target.getvalue()


@pytest.mark.parametrize("size", [(300, 400), (1000, 260), (224, 224), (3, 5)])
def test_a_red_picture_is_normalised_red(size: tuple[int, int]) -> None:
    pixels = preprocess(encoded(size))

    assert (pixels.shape, pixels.dtype) == ((1, 3, 224, 224), np.float32)
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(pixels[0].mean(axis=(1, 2)), expected, rtol=1e-5)


def test_the_middle_is_looked_at() -> None:
    target = io.BytesIO()
    canvas = Image.new("RGB", (512, 256), (0, 0, 0))
    canvas.paste((255, 255, 255), (128, 0, 384, 256))
    canvas.save(target, "PNG")

    assert preprocess(target.getvalue()).min() > 2


def test_a_shrunk_picture_is_small_and_the_same() -> None:
    small = shrink(encoded((2000, 1000), (10, 200, 30)))

    assert len(small) < 3000
    assert abs(preprocess(small) - preprocess(encoded((224, 224), (10, 200, 30)))).max() < 0.05


@pytest.mark.parametrize("broken", [b"", b"no picture", encoded((64, 64), kind="JPEG")[:300]])
def test_what_is_no_picture_is_refused(broken: bytes) -> None:
    with pytest.raises(PictureError, match="send a JPEG"):
        preprocess(broken)


def test_a_gigantic_picture_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MAX_PIXELS", 99)

    with pytest.raises(PictureError, match="10 x 10 pixels; send a smaller one"):
        preprocess(encoded((10, 10)))
