"""Archives row by row."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.rows import Rows


def archive(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_are_those_of_the_arrays(tmp_path: Path, save: Any) -> None:
    x, ids = np.arange(24, dtype=np.float32).reshape(4, 2, 3), np.arange(4)
    save(tmp_path / "a.npz", x=x, ids=ids, labels=np.array([3, 1, 0, 2]))
    rows = Rows(tmp_path / "a.npz")
    found = list(rows.read([1, 3]))
    assert [one.source for one in found] == ["a.npz[1]", "a.npz[3]"]
    assert rows.labelled
    assert [int(one.label) for one in found if one.label is not None] == [1, 2]
    np.testing.assert_array_equal(found[1].feeds["x"], x[3])
    assert found[1].feeds["ids"] == 3


def test_each_pass_reads_anew(tmp_path: Path) -> None:
    rows = Rows(archive(tmp_path / "a.npz", x=np.eye(3, dtype=np.float32)))
    assert len(list(rows.read(range(3)))) == len(list(rows.read(range(3)))) == 3


def test_sources_are_as_named(tmp_path: Path) -> None:
    rows = Rows(archive(tmp_path / "a.npz", x=np.zeros((3, 2)), sources=np.array(["cat", "cat", "dog"])))
    assert rows.sources == ("cat", "cat", "dog")
    assert not rows.labelled


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((3, 2)), "labels": np.zeros(4, np.int64)}, "different numbers of samples"),
        ({"x": np.array([{}], dtype=object)}, "cannot read"),
        ({"x": np.float32(1)}, "single number"),
        ({"x": np.asfortranarray(np.zeros((3, 2)))}, "Fortran"),
    ],
)
def test_what_cannot_be_read_row_by_row_is_refused(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnusableData, match=words):
        Rows(archive(tmp_path / "a.npz", **arrays))


def test_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no zip")
    with pytest.raises(UnusableData, match="cannot read"):
        Rows(tmp_path / "a.npz")


def test_an_array_that_breaks_off_names_the_row(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", x=np.zeros((4, 8), np.float32))
    with zipfile.ZipFile(path) as whole:
        content = whole.read("x.npy")
    rows = Rows(path)
    with zipfile.ZipFile(path, "w") as cut:
        cut.writestr("x.npy", content[:-40])
    with pytest.raises(UnusableData, match="'x' claims"):
        Rows(path)  # it is seen at once; what follows is a file that is changed while it is used
    assert len(list(rows.read([0]))) == 1
    with pytest.raises(UnusableData, match="row 2"):
        list(rows.read(range(4)))


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    one = Rows(archive(tmp_path / "a.npz", x=np.zeros((2, 2)))).digest()
    other = Rows(archive(tmp_path / "b.npz", x=np.ones((2, 2)))).digest()
    assert len(one) == 64
    assert one != other
