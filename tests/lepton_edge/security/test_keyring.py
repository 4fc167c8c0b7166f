"""Secrets are their owner's alone, and never half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.core.errors import NotFound, StorageFull
from lepton_edge.security.keyring import Keyring


def test_files_are_private_whole_and_replaced(tmp_path: Path) -> None:
    keys = Keyring(tmp_path / "state")
    assert not keys.has("a.pem")
    keys.write("a.pem", b"one")
    path = keys.write("a.pem", b"two")
    assert keys.read("a.pem") == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.folder.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in keys.folder.iterdir()] == ["a.pem"]
    keys.remove("a.pem")
    keys.remove("a.pem")
    with pytest.raises(NotFound):
        keys.read("a.pem")


def test_a_secret_that_others_can_read_is_made_private(tmp_path: Path) -> None:
    keys = Keyring(tmp_path)
    keys.write("a.pem", b"one").chmod(0o644)
    assert keys.read("a.pem") == b"one"
    assert keys.path("a.pem").stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "security").write_text("a file is in the way")
    with pytest.raises(StorageFull):
        Keyring(tmp_path).write("a.pem", b"one")
