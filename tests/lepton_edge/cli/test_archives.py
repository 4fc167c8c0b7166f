"""Archives that a person names: read, or refused in a sentence."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.cli.archives import read_arrays, save_arrays
from lepton_edge.core.errors import InvalidInput


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", {"file": np.arange(3)})
    np.testing.assert_array_equal(read_arrays(tmp_path / "a.npz")["file"], np.arange(3))


@pytest.mark.parametrize("place", [6, 8])
def test_an_archive_that_cannot_be_expanded_is_refused(tmp_path: Path, place: int) -> None:
    """Encrypted (a flag at byte 6), or of an unknown compression (byte 8)."""
    path = tmp_path / "a.npz"
    save_arrays(path, {"x": np.arange(3)})
    content = bytearray(path.read_bytes())
    central = content.find(b"PK\x01\x02")
    content[place] = content[central + place + 2] = 99
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="cannot read"):
        read_arrays(path)


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(" * 99])
def test_a_header_that_lies_is_refused(tmp_path: Path, shape: str) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(InvalidInput, match="cannot read"):
        read_arrays(tmp_path / "a.npz")
