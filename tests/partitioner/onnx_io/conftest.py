"""Real models, built and compiled once for all tests of the room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

from examples.demo import mobilenet
from partitioner.compiled import CompiledModel
from partitioner.manifest import Manifest, read_manifest
from partitioner.onnx_io import compile_model

LABELS = {"imagenet_labels.txt": "\n".join(f"class {index}" for index in range(1000)).encode()}
MANIFEST = Path(mobilenet.__file__).with_name("mobilenetv2.toml")


@dataclass(frozen=True)
class Compiled:
    """A compiled model and where it lies."""

    directory: Path
    model: CompiledModel
    source: Path


Compile = Callable[..., Compiled]


@pytest.fixture
def compile_into(tmp_path: Path) -> Compile:
    """Save a model and compile it into a directory of this test."""

    def run(
        model: onnx.ModelProto,
        manifest: Manifest | None = None,
        shapes: dict[str, tuple[int, ...]] | None = None,
        labels: dict[str, bytes] | None = None,
    ) -> Compiled:
        source = tmp_path / "source.onnx"
        onnx.save(model, str(source))
        directory = tmp_path / "compiled"
        made = compile_model(
            source, "m", directory, manifest=manifest, shapes=shapes or {}, labels=labels or {}
        )
        return Compiled(directory, made, source)

    return run


@pytest.fixture(scope="session")
def mobilenet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileNetV2 with its real weights, as a user would push it."""
    path = tmp_path_factory.mktemp("mobilenet") / "mobilenetv2.onnx"
    onnx.save(mobilenet.build(), str(path))
    return path


@pytest.fixture(scope="session")
def mobilenetv2(mobilenet_file: Path) -> Compiled:
    """MobileNetV2 compiled with its manifest: pictures in, labels out."""
    directory = mobilenet_file.parent / "compiled"
    manifest = read_manifest(MANIFEST.read_text())
    made = compile_model(
        mobilenet_file, "mobilenetv2", directory, manifest=manifest, shapes={}, labels=LABELS
    )
    return Compiled(directory, made, mobilenet_file)
