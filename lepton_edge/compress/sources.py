"""The one door through which models come in: ONNX, torch, Keras, TensorFlow, TFLite; ONNX behind it.

Law: the original is read, never written. What comes out is in `onnx_io.load`'s plain form with every initializer
embedded, at most 2 GB, float, without NaN. Importers of other frameworks are extras, run only when they are asked for.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import re
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from lepton_edge.compress import disk, ends, layers
from lepton_edge.compress.errors import AlreadyCompressed, CompressionRefused
from lepton_edge.compress.evaluate import MAX_MODEL_BYTES
from lepton_edge.compress.rows import file_digest
from lepton_edge.compress.workspace import model_digest
from partitioner.errors import InvalidModel, ModelTooLarge
from partitioner.onnx_io import blob, load, scope
from partitioner.units import Sha256

TENSORFLOW = {".keras": "--keras", ".h5": "--keras", ".tflite": "--tflite"}
CONVERT_PATIENCE = 1800.0
_CONVERT = """\
import runpy, sys
sys.path[:] = [one for one in sys.path if one]
runpy.run_module("tf2onnx.convert", run_name="__main__", alter_sys=True)
"""
"""Without the working directory on the path: a random.py or numpy.py that lies there is not ours to run."""

MAX_NAME = 100


@dataclass(frozen=True)
class Source:
    """A model that came in.

    Attributes:
        model: in plain form, embedded.
        sha256: of the file that it came from, or of the model where there is none.
        size: bytes of that file with its external data.
        name: what to call it.
    """

    model: ModelProto
    sha256: Sha256
    size: int
    name: str


def open_model(given: Any, example: Sequence[Any] = ()) -> Source:
    """Return the model that `given` is.

    Args:
        given: a path (.onnx; .pt2 of `torch.export`; .keras, .h5, .tflite or a SavedModel folder with tf2onnx), an
            `onnx.ModelProto`, a `torch.nn.Module` (with `example` arguments) or a `torch.export.ExportedProgram`.
        example: positional arguments to export a torch module with.

    Raises:
        InvalidModel, UnsupportedOperator: it is none, or broken, or has NaN weights.
        AlreadyCompressed: it is quantized already.
        ModelTooLarge: it has over 2 GB.
        CompressionRefused: no importer for it is installed.
    """
    with tempfile.TemporaryDirectory(prefix="lepton-model-") as folder, disk.told(Path(folder)):
        file, name = _as_onnx(given, Path(folder), example)
        loaded = load.load(file, Path(folder), name)
        size = sum(one.stat().st_size for one in loaded.files)
        _check_size(size, name)
        digest = file_digest(loaded.files[0]) if len(loaded.files) == 1 else _digest(loaded.files)
        for tensor in scope.all_initializers(loaded.model.graph):
            if blob.is_external(tensor):
                blob.take_in(tensor, Path(folder))
    _check_fit(loaded.model, name)
    return Source(loaded.model, Sha256(digest), size, name)


def _digest(files: Sequence[Path]) -> str:
    return model_digest("".join(file_digest(one) for one in files).encode())


def _check_size(size: int, name: str) -> None:
    if size > MAX_MODEL_BYTES:
        raise ModelTooLarge(
            f"{name} has {size / 1e9:.1f} GB, and at most 2 are held at once", "compress it in parts"
        )


def _check_fit(model: ModelProto, name: str) -> None:
    if layers.has_integers(model):
        raise AlreadyCompressed(f"{name} is quantized already", "give the float model that it was made of")
    for tensor in scope.all_initializers(model.graph):
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE):
            values = numpy_helper.to_array(tensor)
            if np.isnan(values).any():
                raise InvalidModel(
                    f"the weights {tensor.name!r} of {name} hold NaN", "train or export it again"
                )


def _as_onnx(given: Any, folder: Path, example: Sequence[Any]) -> tuple[Path, str]:
    if isinstance(given, ModelProto):
        return _saved(given, folder / "given.onnx"), _called(given.graph.name)
    if isinstance(given, (str, Path)):
        return _from_path(Path(given), folder, example)
    return _from_torch(given, folder / "exported.onnx", example), type(given).__name__


def _called(name: str) -> str:
    """Return the name of a graph as one for files: it may be of anybody, with slashes, and of any length."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:MAX_NAME] or "model"


def _saved(model: ModelProto, path: Path) -> Path:
    if model.ByteSize() > MAX_MODEL_BYTES:
        raise ModelTooLarge("the model has over 2 GB with its weights", "compress it in parts")
    path.write_bytes(model.SerializeToString())
    return path


def _from_path(path: Path, folder: Path, example: Sequence[Any]) -> tuple[Path, str]:
    if path.suffix == ".onnx":
        return path, path.name
    if not path.exists():
        raise InvalidModel(f"there is no model {path}", "check the path")
    if path.suffix == ".pt2":
        return _from_torch(_exported(path), folder / "exported.onnx", example), path.name
    if path.suffix in TENSORFLOW or (path / "saved_model.pb").exists():
        return _from_tensorflow(path, folder / "converted.onnx"), path.name
    known = ", ".join([".onnx", ".pt2", *TENSORFLOW])
    raise InvalidModel(
        f"{path.name} is of no kind that is known here", f"known: {known}, a SavedModel folder"
    )


def _exported(path: Path) -> Any:
    _needs("torch", "torch")
    import torch  # the extra

    try:
        return torch.export.load(str(path))
    except (OSError, ValueError, LookupError, RuntimeError, AttributeError, zipfile.BadZipFile) as error:
        raise InvalidModel(
            f"{path.name} is no exported program: {error}", "save it with torch.export.save"
        ) from error


def _needs(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise CompressionRefused(
            f"this model needs {module} to be read", f"pip install 'lepton-edge[{extra}]'"
        )


def _from_torch(given: Any, path: Path, example: Sequence[Any]) -> Path:
    _needs("torch", "torch")
    import torch  # the extra

    held: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if isinstance(given, torch.export.ExportedProgram):
        example = example or tuple(given.example_inputs[0] if given.example_inputs else ())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = torch.jit.trace(
                given.module(), tuple(example)
            )  # its graph module refuses train() and eval()
    elif isinstance(given, torch.nn.Module):
        held = _as_in_use(given)
    else:
        raise InvalidModel(
            f"a {type(given).__name__} is no model", "give a path, an ONNX model or a torch module"
        )
    if not example:
        raise CompressionRefused(
            "a torch module is exported by running it", "give `example`, a tuple of its arguments"
        )
    with warnings.catch_warnings(), held:
        warnings.simplefilter("ignore")  # the exporter's own deprecations are no news for whoever compresses
        inputs = _arguments(given, example)
        with torch.no_grad():
            outputs = ends.of_answer(given(*example), inputs or ())
        names: dict[str, Any] = {"input_names": inputs, "output_names": outputs}
        torch.onnx.export(given, tuple(example), str(path), **names, dynamo=False)
    return path


@contextlib.contextmanager
def _as_in_use(module: Any) -> Iterator[None]:
    """Hold a torch module in the mode of inference, then give every part of it the mode back that it had."""
    modes = [(part, part.training) for part in module.modules()]
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _arguments(module: Any, example: Sequence[Any]) -> list[str] | None:
    """Return what `forward` calls its arguments, one name for each of `example`; None where that cannot be told."""
    if not all(hasattr(one, "dtype") for one in example):
        return None  # a tuple or a dict of tensors is several inputs
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return None
    names = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    return names[: len(example)] if len(names) >= len(example) else None


def _from_tensorflow(source: Path, path: Path) -> Path:
    _needs("tf2onnx", "tensorflow")
    option = TENSORFLOW.get(source.suffix, "--saved-model")
    asked = [option, str(source), "--output", str(path), "--opset", "17"]
    command = [sys.executable, "-c", _CONVERT, *asked]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CONVERT_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise InvalidModel(
            f"tf2onnx did not convert {source.name} within {CONVERT_PATIENCE / 60:.0f} minutes",
            "convert it by hand, then give the .onnx",
        ) from error
    if done.returncode or not path.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InvalidModel(
            f"tf2onnx cannot convert {source.name}: {last}", "convert it by hand, then give the .onnx"
        )
    return _saved(ends.plain(onnx.load(path)), path)
