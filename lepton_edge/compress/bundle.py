"""The bundle of a platform: the files that go there, and what is known of them.

Law: what was verified was done here, and says how; everything else is listed as not verified, with what would verify
it. A bundle is a folder that appears whole or not at all.

    DIR/model.onnx     the model           DIR/model.ort    the engine's own format, where that serves
    DIR/model.lepton   the same, packed    DIR/bundle.json  the manifest (schema lepton-edge/bundle/1)
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_edge.compress import disk
from lepton_edge.compress.errors import FolderTaken
from lepton_edge.compress.manifest import versions
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.rows import file_digest
from partitioner.nouns_json import to_json
from partitioner.units import Bytes, Sha256

SCHEMA = "lepton-edge/bundle/1"
MANIFEST = "bundle.json"
_FILES = frozenset({MANIFEST, "model.onnx", "model.lepton", "model.ort"})


@dataclass(frozen=True)
class Fact:
    """One thing that is known or not known: `what`, and `how` it was seen or could be."""

    what: str
    how: str


@dataclass(frozen=True)
class Bundle:
    """A platform's bundle.

    Attributes:
        folder: where it is.
        platform, target: whom it is for.
        parent: sha256 of the model that it was made of.
        done: what was changed; `rejected`: what was tried, and why it is not in.
        verified, unverified: what is known of the files, and what is not.
    """

    folder: Path
    platform: str
    target: Target
    parent: Sha256
    done: tuple[Fact, ...]
    rejected: tuple[Fact, ...]
    verified: tuple[Fact, ...]
    unverified: tuple[Fact, ...]

    def document(self) -> dict[str, Any]:
        """Return the manifest."""
        told: dict[str, Any] = to_json(self)
        folder = told.pop("folder")
        files = [_file(one) for one in sorted(Path(folder).iterdir()) if one.name != MANIFEST]
        return {"schema": SCHEMA, "format": 1, **told, "files": files, "versions": versions()}


def _file(path: Path) -> dict[str, Any]:
    return {"name": path.name, "size": Bytes(path.stat().st_size), "sha256": file_digest(path)}


def write_manifest(bundle: Bundle) -> dict[str, Any]:
    """Write the manifest into the bundle's folder and return it."""
    told = bundle.document()
    disk.write(bundle.folder / MANIFEST, json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")
    return told


@contextmanager
def whole_folder(target: Path, source: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when all went well, and is removed otherwise.

    An earlier bundle at `target` is replaced, unless the model `source` is part of it; anything else is left alone.

    Raises:
        FolderTaken: something that is no bundle is there, or the model that the bundle is made of.
        StorageFull, InvalidInput: it cannot be written.
    """
    place = target.resolve()
    if source is not None and place in source.resolve().parents:
        raise FolderTaken(f"{target} is where {source} lies, which is never touched", "choose another --out")
    with disk.told(target):
        _check_replaceable(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir(mode=0o755)
            yield made
            _replace(place, made, Path(scratch) / "old")


def _check_replaceable(target: Path) -> None:
    """Return where nothing is lost when a bundle takes the place of `target`."""
    if not target.exists():
        return
    there = {one.name for one in target.iterdir()} if target.is_dir() else {""}
    if there and not _is_bundle(target):
        raise FolderTaken(f"{target} is there and is no bundle", "choose another --out")
    if strangers := sorted(there - _FILES):
        raise FolderTaken(
            f"{target} is a bundle that also holds {strangers[0]!r}", "move it away, or choose another --out"
        )


def _is_bundle(folder: Path) -> bool:
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and told.get("schema") == SCHEMA


def _replace(place: Path, made: Path, old: Path) -> None:
    """Give `made` the name `place`, and what had it the name `old`; back again where that fails."""
    if place.exists():
        os.replace(place, old)
    try:
        os.replace(made, place)
    except OSError:
        if old.exists():
            os.replace(old, place)
        raise
