"""The models that benches push: MobileNetV2 as the demo has it, ResNet-50 of the onnx package.

Law: writes files into one folder; knows no agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

from examples.demo import pictures
from examples.demo.prepare import prepare
from examples.demo.zoo import reseeded

SAMPLES = 6
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class Subject:
    """A model and what to ask it: `given` is a file, a JPEG or an .npy."""

    name: str
    model: Path
    given: Path
    manifest: Path | None = None
    samples: Path | None = None


def mobilenetv2(directory: Path) -> Subject:
    """Return MobileNetV2 with a picture at its door, asked about a cup of coffee, 600x400 pixels."""
    made = prepare(directory)
    samples = directory / "few"
    samples.mkdir(exist_ok=True)
    for path in made.samples[:: len(made.samples) // SAMPLES]:
        (samples / path.name).write_bytes(path.read_bytes())
    given = next(path for path in made.pictures if path.stem == "coffee")
    return Subject("mobilenetv2", made.model, given, made.manifest, samples)


def resnet50(directory: Path) -> Subject:
    """Return ResNet-50 with seeded weights and an array at its door: float32 [1, 3, 224, 224]."""
    directory.mkdir(parents=True, exist_ok=True)
    model = reseeded("resnet50")
    onnx.save(model, directory / "resnet50.onnx")
    files = pictures.write_samples(directory / "pictures")
    arrays = [_normalised(path) for path in files[:: len(files) // SAMPLES]]
    named = {model.graph.input[0].name: np.stack(arrays)}
    np.savez(directory / "samples.npz", **named)  # type: ignore[arg-type]
    given = directory / "given.npy"
    np.save(given, _normalised(pictures.write_test_pictures(directory / "pictures")[0]))
    return Subject("resnet50", directory / "resnet50.onnx", given, samples=directory / "samples.npz")


SUBJECTS = {"mobilenetv2": mobilenetv2, "resnet50": resnet50}


def _normalised(path: Path) -> NDArray[np.float32]:
    """Return a picture as ImageNet models take it: float32 [1, 3, 224, 224]."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((224, 224)), np.float32) / 255
    normal = (pixels - MEAN) / STD
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], np.float32)
