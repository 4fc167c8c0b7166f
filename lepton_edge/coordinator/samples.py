"""Samples as they were pushed, brought into the form that a compiled model keeps: samples.npz.

Law: numpy and files only; runs in the worker process. A picture stays encoded (uint8 [bytes]); an array is
checked against the input's dtype and shape where it comes in. Array names are "INDEX/INPUT".
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.results import Array
from partitioner.plan import InputSpec

MAX_SAMPLES = 32
PICTURES = frozenset({".jpg", ".jpeg", ".png"})

Sample = dict[str, Array]


def read_samples(files: Sequence[tuple[str, Path]], inputs: Sequence[InputSpec]) -> list[Sample]:
    """Return at most 32 samples, each an array by input name; `files` are (pushed name, file).

    Raises InvalidInput for a file that is no sample of a model with these inputs.
    """
    found: list[Sample] = []
    for name, path in files:
        for sample in _read(name, path, inputs):
            found.append(sample)
            if len(found) == MAX_SAMPLES:
                return found
    return found


def write_samples(samples: Sequence[Sample], directory: Path) -> None:
    """Write samples.npz into a compiled model's directory."""
    arrays = {f"{index}/{name}": array for index, one in enumerate(samples) for name, array in one.items()}
    with (directory / "samples.npz").open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read(name: str, path: Path, inputs: Sequence[InputSpec]) -> Iterator[Sample]:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in PICTURES:
        yield _picture(name, path, inputs)
    elif suffix in (".npz", ".npy"):
        yield from _arrays(name, path, suffix, inputs)
    else:
        raise InvalidInput(f"{name!r} is no sample", "samples are .jpg, .png, .npz or .npy files")


def _picture(name: str, path: Path, inputs: Sequence[InputSpec]) -> Sample:
    if len(inputs) != 1 or not inputs[0].picture:
        raise InvalidInput(
            f"{name!r} is a picture, but the model does not take one picture",
            'declare it in a manifest (--manifest FILE.toml: [[input]] with its name and kind = "picture"), '
            "or push .npz samples",
        )
    return {inputs[0].tensor.name: np.frombuffer(path.read_bytes(), np.uint8)}


def _arrays(name: str, path: Path, suffix: str, inputs: Sequence[InputSpec]) -> Iterator[Sample]:
    given = _load(name, path)
    if not isinstance(given, dict):
        if len(inputs) != 1:
            raise InvalidInput(f"{name!r} has no input names", f"push an .npz: {_names(inputs)}")
        given = {inputs[0].tensor.name: given}
    stacks = {spec.tensor.name: _stack(name, given, spec) for spec in inputs}
    counts = {stack.shape[0] for stack in stacks.values()}
    if len(counts) != 1:
        raise InvalidInput(f"the arrays of {name!r} hold different numbers of samples: {sorted(counts)}")
    for index in range(min(counts.pop(), MAX_SAMPLES)):
        yield {tensor: stack[index] for tensor, stack in stacks.items()}


def _load(name: str, path: Path) -> dict[str, Array] | Array:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            return {key: loaded[key] for key in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{name!r} cannot be read: {error}", "write it with numpy.savez") from error


def _stack(name: str, given: dict[str, Array], declared: InputSpec) -> Array:
    """Return one input's samples with a leading sample axis; a missing batch axis of 1 is added.

    For a picture input, decoded pictures (uint8 [samples, height, width, 3]) will do as well.
    """
    spec = declared.tensor
    if spec.name not in given:
        raise InvalidInput(f"{name!r} lacks the input {spec.name!r}", f"it has: {', '.join(sorted(given))}")
    array = given[spec.name]
    if declared.picture and array.dtype == np.uint8 and array.ndim == 4 and array.shape[-1] == 3:
        return array
    if array.dtype.name != spec.dtype:
        raise InvalidInput(f"{spec.name!r} in {name!r} is {array.dtype.name}, not {spec.dtype}")
    stack = array[:, None] if array.ndim == len(spec.shape) and spec.shape[:1] != () else array
    wrong = stack.ndim != len(spec.shape) + 1 or any(
        isinstance(wanted, int) and wanted != actual
        for wanted, actual in zip(spec.shape, stack.shape[1:], strict=False)
    )
    if wrong:
        shape = ", ".join(str(dim or "?") for dim in spec.shape)
        raise InvalidInput(
            f"{spec.name!r} in {name!r} has the shape {list(array.shape)}, not [samples, {shape}]",
            "give every input with a leading sample axis",
        )
    return stack


def _names(inputs: Sequence[InputSpec]) -> str:
    return ", ".join(f"{spec.tensor.name}=..." for spec in inputs)
