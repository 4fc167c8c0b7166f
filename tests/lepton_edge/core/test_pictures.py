"""Which pictures are taken at all."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.pictures import check_size
from lepton_edge.wire.tensors import decode_picture


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (4000, 100), (100, 4000), (8000, 8000)])
def test_what_cameras_make_is_taken(size) -> None:
    check_size(*size)


@pytest.mark.parametrize(
    ("size", "says"),
    [((8001, 8000), "at most 64000000 pixels"), ((4100, 100), "40 times"), ((1, 41), "40 times")],
)
def test_what_would_cost_others_is_refused(size, says) -> None:
    with pytest.raises(InvalidInput, match=says):
        check_size(*size)


def test_a_thin_picture_in_a_file_is_refused_too() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((1, 4000, 3), np.uint8)).save(stream, "PNG")
    with pytest.raises(InvalidInput, match="4000 x 1"):
        decode_picture(stream.getvalue())
