"""Photographs to calibrate MobileNetV2 with and to judge it by: scikit-image's, and Debian's wallpapers.

Law: split by picture, before any view of it is taken: no view of a picture that calibrates is ever judged.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

from bench.compressing.fashion import CACHE, PATIENCE
from examples.demo import pictures
from examples.demo.packages import package_folder
from lepton_edge.compress.technique import Sample
from partitioner.onnx_io import runtime

WALLPAPERS = ("mate-backgrounds", "lomiri-wallpapers-16.04")
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
VIEWS = ((0.0, 0.0, 1.0, 1.0), (0.0, 0.1, 0.75, 0.9), (0.3, 0.0, 1.0, 0.8))
SIDE, SMALLEST = 224, 200


def split() -> tuple[list[Sample], list[Sample]]:
    """Return views to calibrate with and views to judge by; every second picture, by name, is for either."""
    found = _pictures()
    sides = [found[::2], found[1::2]]
    calibration, judged = ([view for path in side for view in _views(path)] for side in sides)
    return calibration, judged


def _pictures() -> list[Path]:
    """Return the pictures by name, each scene once: what differs after an underscore is a size or the other eye."""
    scenes: dict[str, Path] = {}
    for path in sorted([*_of_scikit(), *(one for package in WALLPAPERS for one in _wallpapers(package))]):
        scenes.setdefault(path.stem.split("_")[0].lower(), path)
    return [scenes[name] for name in sorted(scenes)]


def agreement(model: onnx.ModelProto, original: onnx.ModelProto, samples: list[Sample]) -> float:
    """Return the share of `samples` that both put into the same class."""
    both = [runtime.open_session(one, runtime.options(None, runtime.FULL)) for one in (model, original)]
    name = original.graph.output[0].name
    same = [
        len({int(runtime.run(session, sample.feeds, [name])[name].argmax()) for session in both}) == 1
        for sample in samples
    ]
    return float(np.mean(same))


def _views(path: Path) -> list[Sample]:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
        width, height = picture.size
        boxes = [(left * width, up * height, right * width, low * height) for left, up, right, low in VIEWS]
        return [
            Sample({"input": _normal(picture.resize((SIDE, SIDE), box=box))}, f"{path.name}[{index}]")
            for index, box in enumerate(boxes)
        ]


def _normal(picture: Image.Image) -> NDArray[np.float32]:
    pixels = (np.asarray(picture, np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)


def _of_scikit() -> list[Path]:
    folder = package_folder("skimage") / "data"
    names = [*pictures.TEST_PICTURES.values(), *pictures.SAMPLE_PICTURES.values()]
    return [folder / name for name in names if (folder / name).exists()]


def _wallpapers(package: str) -> list[Path]:
    unpacked = CACHE / package
    if not unpacked.is_dir():
        unpacked.mkdir(parents=True)
        subprocess.run(["apt-get", "-qq", "download", package], cwd=unpacked, check=True, timeout=PATIENCE)
        archive = next(unpacked.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", archive.name, "."], cwd=unpacked, check=True, timeout=PATIENCE)
        archive.unlink()
    return [path for path in unpacked.rglob("*.jpg") if not path.is_symlink() and _is_large(path)]


def _is_large(path: Path) -> bool:
    with Image.open(path) as picture:
        return bool(min(picture.size) >= SMALLEST)
