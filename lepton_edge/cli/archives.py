"""Arrays in .npz files, by name.

Law: reads and writes files that a person named; no pickle, ever.
"""

from __future__ import annotations

import errno
import lzma
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np

from lepton_edge.core.errors import InvalidInput, StorageFull, UsageError
from lepton_edge.core.results import Array

_READ_ERRORS = (
    OSError, ValueError, EOFError, KeyError, OverflowError, TokenError, MemoryError, zipfile.BadZipFile, zlib.error,
    lzma.LZMAError, RuntimeError,  # of an encrypted archive; NotImplementedError of an unknown compression
)  # fmt: skip
"""What zipfile and numpy raise for files that are damaged or hostile."""


def read_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of the .npz at `path`, by name.

    Raises:
        InvalidInput: it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except _READ_ERRORS as error:
        raise InvalidInput(f"cannot read {path}: {error}", "give an .npz as numpy.savez writes it") from error


def check_place(path: Path) -> None:
    """Return when an .npz can be made at `path`, before anything is computed for it.

    Raises:
        UsageError: its folder does not exist, or it is a folder itself.
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"--output {path}: there is no folder {path.parent}", "make the folder, or choose another"
        )
    if path.is_dir():
        raise UsageError(f"--output {path}: this is a folder", "name a file, such as out.npz")


def save_arrays(path: Path, outputs: dict[str, Array]) -> None:
    """Write `outputs` to an .npz at `path` (by hand: numpy.savez cannot hold an array named "file").

    Raises:
        StorageFull: the disk is full.
        UsageError: it cannot be written there.
    """
    try:
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in outputs.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        kind = StorageFull if full else UsageError
        raise kind(f"--output {path} cannot be written: {error}", "choose another place") from error
