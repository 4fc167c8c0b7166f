"""Samples come back as tensors of the composed graph, few of them spread over all."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from partitioner.errors import InvalidModel
from partitioner.profile.samples import decode_picture, read_samples
from tests.partitioner.profile.conftest import PICTURE_MANIFEST, compiled_at, picture


def test_few_samples_stand_for_all_of_them(tmp_path):
    samples = [np.full((1, 3, 32, 32), index, np.float32) for index in range(12)]
    found = list(read_samples(*compiled_at(tmp_path, "", samples), limit=4))
    assert [int(one["x"].flat[0]) for one in found] == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("sample", "names"),
    [(picture(0), {"x@encoded", "x@picture"}), (np.zeros((40, 30, 3), np.uint8), {"x@picture"}),
     (np.zeros((1, 3, 32, 32), np.float32), {"x"})],
    ids=["encoded", "pixels", "array"],
)  # fmt: skip
def test_a_sample_is_what_it_looks_like(tmp_path, sample, names):
    assert set(next(read_samples(*compiled_at(tmp_path, PICTURE_MANIFEST, [sample]), limit=1))) == names


def test_a_picture_is_turned_upright():
    pixels = np.zeros((20, 40, 3), np.uint8)
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(pixels).save(stream, "JPEG", exif=exif)
    assert decode_picture(np.frombuffer(stream.getvalue(), np.uint8)).shape == (40, 20, 3)


def test_rubbish_is_no_picture():
    with pytest.raises(InvalidModel):
        decode_picture(np.frombuffer(b"rubbish", np.uint8))
