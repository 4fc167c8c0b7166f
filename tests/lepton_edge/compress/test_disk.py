"""All or nothing on disk."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.compress import disk
from lepton_edge.core.errors import InvalidInput, StorageFull


def full(*arguments: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    disk.write(path, b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="no space left to write"):
        disk.write(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["a"]


def test_a_line_is_appended_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    disk.append(path, b"one")
    write = os.write

    def half(descriptor: int, content: bytes) -> int:
        if len(content) > 2:
            return write(descriptor, content[:2])
        return int(full())

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StorageFull):
        disk.append(path, b"two")
    assert path.read_bytes() == b"one\n"
    monkeypatch.undo()
    disk.append(path, b"three")
    assert disk.whole_lines(path) == [b"one", b"three"]


def test_a_line_without_an_end_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\nthr")
    assert disk.whole_lines(path) == [b"one", b"two"]
    assert path.read_bytes() == b"one\ntwo\n"
    assert disk.whole_lines(tmp_path / "none") == []


def test_a_folder_that_is_not_there_is_the_callers_fault(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--out"):
        disk.write(tmp_path / "none" / "a", b"")


def test_a_full_temporary_folder_is_not_helped_by_resuming() -> None:
    error = disk.refusal(Path(tempfile.gettempdir()) / "model.onnx", OSError(errno.ENOSPC, "full"))
    assert isinstance(error, StorageFull)
    assert "TMPDIR" in error.hint
