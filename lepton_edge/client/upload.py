"""A push as the sequence of messages that carries it: the model, its manifest, labels, samples and trained codecs.

Law: reads the files that the caller names, in bounded pieces, and nothing else; no network. Every file is
looked for before the first message leaves, so that a wrong path costs nobody anything. Of the manifest it
reads one thing, the names of label files, and writes one, whose variant the model is; whether the manifest is right
is for the coordinator to say. A folder that `compress` wrote is pushed by its name.
"""

from __future__ import annotations

import asyncio
import mmap
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.manifest_text import as_variant
from lepton_edge.core.messages import AdminCall, PushModel, ShapeBinding, Upload
from partitioner.errors import InvalidManifest
from partitioner.units import ModelName

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PIECE = 1 << 20
"""Bytes of a file in one message; below gRPC's limit of 4 MiB."""

MAX_SAMPLES = 32
"""Sample files sent at most; of a larger directory, evenly spread ones."""

CODER_FILES = ("bottleneck.json", "encoder.onnx", "decoder.onnx")
"""What a folder of a trained codec holds."""

SAMPLE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".npz", ".npy"})


@dataclass(frozen=True)
class Part:
    """One file of a push: its part name on the wire ("model", "labels:names.txt", ...) and where it lies.

    `content` goes in place of what lies there, where it is given.
    """

    name: str
    path: Path
    content: bytes | None = None


@dataclass(frozen=True)
class Push:
    """What is pushed under which name.

    `samples` is a directory of pictures or arrays, or one .npz file; `bottlenecks` are folders of trained codecs.
    `model` may be a folder of `compress`. `variant_of` names the model that it is a variant of; "" leaves it to the
    manifest.
    """

    name: str
    model: Path
    manifest: Path | None = None
    samples: Path | None = None
    shapes: Mapping[str, tuple[int, ...]] | None = None
    bottlenecks: tuple[Path, ...] = ()
    variant_of: str = ""


def parts(push: Push) -> list[Part]:
    """Return the files of `push` in sending order.

    Raises:
        InvalidInput: a file or directory is not there, or holds no sample.
        InvalidManifest: the manifest is not TOML.
    """
    model = _in_folder(push.model) if push.model.is_dir() else push.model
    manifest = _beside(model) if push.manifest is None and push.model.is_dir() else push.manifest
    found = [Part("model", model), *_external_data(model), *_described(manifest, push.variant_of)]
    if push.samples is not None:
        found += [Part(f"sample:{path.name}", path) for path in _samples(push.samples)]
    for number, folder in enumerate(push.bottlenecks):
        found += [
            Part(f"coder:{number}-{folder.resolve().name}/{name}", folder / name) for name in CODER_FILES
        ]
    for part in found:
        if part.content is None and not part.path.is_file():
            raise InvalidInput(f"there is no file {part.path}", "check the path")
    return found


def _in_folder(folder: Path) -> Path:
    """Return the model that `compress` wrote into a folder: the one with a document beside it."""
    found = [path for path in sorted(folder.glob("*.onnx")) if path.with_suffix(".json").is_file()]
    if len(found) == 1:
        return found[0]
    what = "several models" if found else "no model"
    raise InvalidInput(f"{folder} holds {what} that `compress` wrote", "name the .onnx file itself")


def _beside(model: Path) -> Path | None:
    path = model.with_suffix(".toml")
    return path if path.is_file() else None


def _described(manifest: Path | None, variant_of: str) -> Iterator[Part]:
    """Yield the manifest, saying whose variant the model is where that is given, and the labels that it names."""
    if manifest is None:
        if variant_of:
            yield Part("manifest", Path("manifest.toml"), as_variant("", variant_of).encode())
        return
    labels = _labels(manifest)
    text = as_variant(manifest.read_text(encoding="utf-8"), variant_of).encode() if variant_of else None
    yield Part("manifest", manifest, text)
    yield from labels


_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")
"""Where a serialized ONNX file names a file of weights: the key "location", then the length of the name."""


def _external_data(model: Path) -> Iterator[Part]:
    """Yield the files of weights that lie beside `model`; found by their mark, without parsing ONNX.

    A mark that no file of that name lies beside is left out: the coordinator says what is missing.
    """
    for name in sorted(_locations(model)):
        path = model.parent / name
        if path.name == name and path.is_file() and path != model:
            yield Part(f"data:{name}", path)


def _locations(model: Path) -> set[str]:
    try:
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            ends = ((mark.end(), mark.group(1)[0]) for mark in _LOCATION.finditer(content))
            return {content[end : end + size].decode("utf-8", "replace") for end, size in ends}
    except (OSError, ValueError):  # not there, or empty: said elsewhere
        return set()


def _labels(manifest: Path) -> list[Part]:
    tables = [output for output in _output_tables(manifest) if isinstance(output, dict)]
    names = [one["labels"] for one in tables if isinstance(one.get("labels"), str) and one["labels"]]
    return [Part(f"labels:{name}", manifest.parent / name) for name in names]


def _output_tables(manifest: Path) -> list[Any]:
    try:
        document = tomllib.loads(manifest.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot read the manifest {manifest}: {error}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidManifest(f"{manifest} is not TOML: {error}", "correct the manifest") from error
    tables = document.get("output", [])
    return tables if isinstance(tables, list) else []


def _samples(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SAMPLE_SUFFIXES)
    if not files:
        known = ", ".join(sorted(SAMPLE_SUFFIXES))
        raise InvalidInput(f"{path} holds no sample", f"samples are files that end in {known}")
    step = max(1.0, len(files) / MAX_SAMPLES)
    return [files[int(index * step)] for index in range(min(len(files), MAX_SAMPLES))]


async def upload(push: Push, files: list[Part]) -> AsyncIterator[AdminCall]:
    """Yield the messages of `push`: PushModel, then each of `files` in pieces, each end marked by `last`.

    Raises:
        InvalidInput: a file cannot be read, or changed while it was read.
    """
    shapes = tuple(ShapeBinding(name, tuple(shape)) for name, shape in (push.shapes or {}).items())
    yield PushModel(ModelName(push.name), shapes)
    for part in files:
        async for piece in _pieces(part):
            yield piece


async def _pieces(part: Part) -> AsyncIterator[Upload]:
    try:
        offset, piece = 0, await asyncio.to_thread(_piece, part, 0)
        while True:
            offset += len(piece)
            following = await asyncio.to_thread(_piece, part, offset)
            yield Upload(part.name, piece, last=not following)
            if not following:
                return
            piece = following
    except OSError as error:
        raise InvalidInput(f"cannot read {part.path}: {error}", "check the file") from error


def _piece(part: Part, offset: int) -> bytes:
    """Return the bytes at `offset`; no file stays open while an upload waits, which may break off at any time."""
    if part.content is not None:
        return part.content[offset : offset + PIECE]
    with part.path.open("rb") as file:
        file.seek(offset)
        return file.read(PIECE)
