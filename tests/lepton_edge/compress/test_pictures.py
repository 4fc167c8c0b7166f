"""Pictures become inputs by the manifest's own nodes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.pictures import preparers
from partitioner.errors import InvalidManifest
from partitioner.manifest import Manifest, PictureInput, Resize
from tests.lepton_edge.compress.test_folder import MANIFEST, pictures_model


def test_pixels_and_files_give_the_same() -> None:
    preparer = preparers(pictures_model(), MANIFEST)["image"]
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    made = preparer.from_pixels(pixels)
    assert made.shape == (1, 3, 8, 8)
    np.testing.assert_array_equal(made, preparer.from_file(encoded.getvalue(), "a"))


def test_a_manifest_that_does_not_fit_is_refused() -> None:
    other = Manifest(inputs=(PictureInput("image", Resize(size=(9, 9))),))
    with pytest.raises(InvalidManifest, match="9 x 9"):
        preparers(pictures_model(), other)


def test_no_manifest_prepares_nothing() -> None:
    assert preparers(pictures_model(), None) == {}


def test_what_is_no_picture_names_its_source() -> None:
    with pytest.raises(UnusableData, match="photo 3"):
        preparers(pictures_model(), MANIFEST)["image"].from_file(b"nothing", "photo 3")
