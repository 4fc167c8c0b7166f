"""A state is saved and restored by hand; who has the keys of then hears what they bring back."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.coordinator import backup
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.store import Store
from tests.lepton_edge.cli.conftest import CommandLine


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    Artifacts(directory).prepare()
    Store(directory).close()
    (directory / "security").mkdir()
    (directory / "security" / "authority.pem").write_text("a key")
    return directory


@pytest.mark.parametrize(
    ("secrets", "more", "warned"),
    [
        (True, [], True),
        (True, ["--revoked-from", "state"], False),
        (True, ["--without-secrets"], False),
        (False, [], False),
    ],
)
def test_who_restores_keys_of_then_is_warned_of_who_was_revoked_since(
    line: CommandLine, state: Path, tmp_path: Path, secrets: bool, more: list[str], warned: bool
) -> None:
    saved = line.run(
        "backup",
        str(tmp_path / "saved"),
        "--state-directory",
        str(state),
        *(["--include-secrets"] if secrets else []),
    )
    assert saved.code == 0, saved.err
    given = [str(state) if word == "state" else word for word in more]
    again = tmp_path / "again"
    said = line.run("restore", str(tmp_path / "saved"), "--state-directory", str(again), *given)
    assert said.code == 0, said.err
    assert ("WARNING: what was revoked after 20" in said.err) == warned
    assert ("Revoked stay: nobody" in said.err) == (again / "security").exists()
    assert (again / backup.ROWS).is_file()
    assert f"lepton-edge coordinator start --state-directory {again}" in said.err
    assert ("lepton-edge agent join" in said.err) == (not (again / "security").exists())
