"""The models that benches push: MobileNetV2 and MiniLM as the demo has them, ResNet-50 of the onnx package.

Law: writes files into one folder; knows no agent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

import lepton_edge
from examples.demo import minilm, pictures
from examples.demo.prepare import prepare
from examples.demo.wordpiece import WordPiece
from examples.demo.zoo import reseeded
from lepton_edge.compress.recipe import Recipe, Step

SAMPLES = 6
TOKENS = 64
TEXT = """A board in a field looks at a conveyor belt and has to tell good apples from bad ones. Its link is a radio
that somebody else pays for, and its processor is what was left over from a telephone. Far away stands a machine
that would do the work in a tenth of the time, if only the picture were there already. What should cross the
radio, and when is it better to wait for the slow processor? That depends on the radio, on the processor, on
the model, and on what else both machines have to do at this very moment."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class Subject:
    """A model and what to ask it: `given` is a file: a JPEG, an .npy, or an .npz with every input by name."""

    name: str
    model: Path
    given: Path
    manifest: Path | None = None
    samples: Path | None = None
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    bottlenecks: tuple[Path, ...] = ()


def mobilenetv2(directory: Path) -> Subject:
    """Return MobileNetV2 with a picture at its door, asked about a cup of coffee, 320x256 pixels."""
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


def minilm_l6(directory: Path) -> Subject:
    """Return MiniLM asked for the embedding of 64 tokens: three int64 [1, 64] in, float32 [1, 384] out."""
    directory.mkdir(parents=True, exist_ok=True)
    model = minilm.build()
    states = next(one for one in model.graph.output if one.name == "last_hidden_state")
    model.graph.output.remove(states)  # nobody who wants an embedding has 98 kB of states sent home
    onnx.save(model, directory / "minilm.onnx")
    encode = WordPiece(minilm.model_folder() / "vocab.txt").encode
    texts = [" ".join(TEXT.split()[start:]) for start in range(SAMPLES)]
    encoded = [{name: _tokens(array) for name, array in encode([text]).items()} for text in texts]
    names = list(encoded[0])
    stacked = {name: np.stack([one[name] for one in encoded]) for name in names}
    np.savez(directory / "samples.npz", **stacked)  # type: ignore[arg-type]
    np.savez(directory / "given.npz", **encoded[0])  # type: ignore[arg-type]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(names, (1, TOKENS))
    return Subject(
        "minilm",
        directory / "minilm.onnx",
        directory / "given.npz",
        samples=directory / "samples.npz",
        shapes=shapes,
    )


def int8_of(subject: Subject, name: str, directory: Path) -> Subject:
    """Return the int8 variant that `compress` makes of a subject of pictures, calibrated on its photographs."""
    report = lepton_edge.compress(
        subject.model, subject.model.parent / "samples", recipe=Recipe((Step("static_int8"),)), out=directory,
        max_drop=0.1, metric="cosine", description=subject.manifest,
    )  # fmt: skip
    if report.file is None:
        raise RuntimeError("no int8 variant came of it")
    manifest = report.file.with_suffix(".toml")
    return replace(subject, name=name, model=report.file, manifest=manifest)


OF_PICTURES = {"mobilenetv2": mobilenetv2, "resnet50": resnet50}
SUBJECTS = {**OF_PICTURES, "minilm": minilm_l6}


def _tokens(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first TOKENS of a sentence that has more; the last one ends it."""
    return np.concatenate([ids[:, : TOKENS - 1], ids[:, -1:]], axis=1)


def _normalised(path: Path) -> NDArray[np.float32]:
    """Return a picture as ImageNet models take it: float32 [1, 3, 224, 224]."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((224, 224)), np.float32) / 255
    normal = (pixels - MEAN) / STD
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], np.float32)
