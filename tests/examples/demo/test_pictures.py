"""The pictures are photographs as a camera would send them, and samples are not what is classified."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from examples.demo import pictures
from examples.demo.errors import MissingPictureError
from examples.demo.prepare import Ingredients


def test_all_are_rgb_jpegs(ingredients: Ingredients) -> None:
    for path in (*ingredients.pictures, *ingredients.samples):
        with Image.open(path) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            assert min(picture.size) >= 100


def test_enough_samples_and_all_different(ingredients: Ingredients) -> None:
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in ingredients.samples}

    assert len(digests) == len(ingredients.samples) >= 32


def test_nothing_that_is_classified_is_a_sample() -> None:
    assert not set(pictures.TEST_PICTURES.values()) & set(pictures.SAMPLE_PICTURES.values())


def test_a_missing_picture_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pictures.TEST_PICTURES, "ghost", "ghost.png")

    with pytest.raises(MissingPictureError, match=r"ghost\.png.*\[demo\] extra"):
        pictures.write_test_pictures(tmp_path)


def test_the_list_says_of_which_scene_each_sample_is(ingredients: Ingredients) -> None:
    lines = (ingredients.samples[0].parent / pictures.SOURCES).read_text().splitlines()
    told = dict(line.split(" = ") for line in lines)
    assert set(told) == {path.name for path in ingredients.samples}
    assert told["motorcycle_left_whole.jpg"] == told["motorcycle_right_left.jpg"] == "motorcycle"
    assert len(set(told.values())) == len(pictures.SAMPLE_PICTURES) - 1
