"""The demo's photographs, out of scikit-image's wheel: some to classify, others to calibrate with.

Law: what is classified is never among the samples, so that figures from the samples are honest. Everything is
written as JPEG, quality 90, RGB; pixels are deterministic for one version of Pillow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

from examples.demo.errors import MissingPictureError
from examples.demo.packages import package_folder

QUALITY: Final = 90
SIZE: Final = (320, 256)
"""Every picture is as one small camera takes it: what holds for the samples holds for others."""
TEST_PICTURES: Final = {
    "coffee": "coffee.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
}
SAMPLE_PICTURES: Final = {
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "brick": "brick.png",
    "cell": "cell.png",
    "clock": "clock_motion.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "tissue": "ihc.png",
    "moon": "moon.png",
    "retina": "retina.jpg",
    "astronaut": "astronaut.png",
    "rocket": "rocket.jpg",
}
_SCENES: Final = {"motorcycle_left": "motorcycle", "motorcycle_right": "motorcycle"}
"""Pictures of one scene, by another name than their own: the two eyes of a stereo camera."""

SOURCES: Final = "sources.txt"
"""Of which photograph each sample is a view: `compress` judges by others than it calibrates with."""

# Each as a fraction of width and height: left, top, right, bottom.
_CROPS: Final = {
    "whole": (0.0, 0.0, 1.0, 1.0),
    "left": (0.0, 0.1, 0.75, 0.9),
    "right": (0.3, 0.0, 1.0, 0.8),
}


def write_test_pictures(folder: Path) -> list[Path]:
    """Write the photographs to classify, as `<name>.jpg`; return their paths.

    Raises:
        MissingPackageError: scikit-image is not installed.
        MissingPictureError: this scikit-image ships without one of the pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_save(_open(file), folder / f"{name}.jpg") for name, file in TEST_PICTURES.items()]


def write_samples(folder: Path) -> list[Path]:
    """Write three views (one mirrored) of each sample picture, and the list of whose they are; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written, lines = [], []
    for name, file in SAMPLE_PICTURES.items():
        picture = _open(file)
        for crop, box in _CROPS.items():
            written.append(_save(_view(picture, crop, box), folder / f"{name}_{crop}.jpg"))
            lines.append(f"{written[-1].name} = {_SCENES.get(name, name)}\n")
    (folder / SOURCES).write_text("".join(lines), encoding="utf-8")
    return written


def _open(file: str) -> Image.Image:
    path = package_folder("skimage") / "data" / file
    if not path.exists():
        raise MissingPictureError(file)
    with Image.open(path) as picture:
        rgb: Image.Image = picture.convert("RGB")
    return rgb


def _view(picture: Image.Image, crop: str, box: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, bottom = box
    width, height = picture.size
    cut = picture.crop((int(left * width), int(top * height), int(right * width), int(bottom * height)))
    mirrored: Image.Image = ImageOps.mirror(cut)
    return mirrored if crop == "right" else cut


def _save(picture: Image.Image, path: Path) -> Path:
    ImageOps.fit(picture, SIZE).save(path, "JPEG", quality=QUALITY)
    return path
