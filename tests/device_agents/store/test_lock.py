"""One process at a time has a state directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device_agents.store.lock import locked
from lepton_edge.core.errors import AlreadyExists, StorageFull


def test_it_is_made_and_held_and_let_go_of(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    with locked(directory):
        assert directory.is_dir()
        if os.name == "posix":
            with pytest.raises(AlreadyExists, match="another agent uses"), locked(directory):
                pass
    with locked(directory):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFull, match="cannot be written"), locked(tmp_path / "file" / "state"):
        pass
