"""The description of a model: its TOML manifest, given or lying beside it.

Law: finds and reads that one file; what is in it is for `partitioner.manifest` to check.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from partitioner.errors import InvalidManifest
from partitioner.manifest import Manifest, read_manifest


def described(given: str | Path | Manifest | None, model: Any) -> Manifest | None:
    """Return the manifest that was given, else the one in the `.toml` beside the file `model`; None of neither.

    Raises:
        InvalidManifest: it cannot be read, or is none.
    """
    if isinstance(given, Manifest):
        return given
    path = found(given, model)
    if path is None:
        return None
    try:
        return read_manifest(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidManifest(f"the manifest {path} cannot be read: {error}", "check the path") from error


def found(given: str | Path | Manifest | None, model: Any) -> Path | None:
    """Return the file that the manifest is in: the one that was given, else the one beside `model`; None of neither."""
    if isinstance(given, Manifest):
        return None
    path = Path(given) if given is not None else _beside(model)
    return None if path is None or (given is None and not path.is_file()) else path


def _beside(model: Any) -> Path | None:
    path = Path(model) if isinstance(model, (str, Path)) else Path()
    return path.with_suffix(".toml") if path.name else None
