"""What an older release left open is closed, and what is written later is never open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from lepton_edge.security import private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(directory: Path) -> set[str]:
    paths = (directory, *directory.rglob("*"))
    return {path.name for path in paths if path.lstat().st_mode & 0o077 and not path.is_symlink()}


def test_older_state_is_mended_once_and_said(tmp_path: Path) -> None:
    state, outside = tmp_path / "state", tmp_path / "outside"
    (state / "models" / "m").mkdir(parents=True)
    (state / "models" / "m" / "model.onnx").write_bytes(b"weights")
    outside.write_bytes(b"another's")
    (state / "models" / "link").symlink_to(outside)
    assert open_to_others(state) == {"state", "models", "m", "model.onnx"}
    with structlog.testing.capture_logs() as logs:
        private.keep(state)
        private.keep(state)
    assert open_to_others(state) == set()
    assert outside.stat().st_mode & 0o777 == 0o644
    assert [(one["log_level"], one["files"]) for one in logs] == [("warning", 4)]


def test_what_is_not_state_keeps_its_mode_wherever_somebody_put_the_state(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "security").mkdir(parents=True)
    (home / "security" / "agent.pem").write_text("a key")
    (home / "public").mkdir()
    (home / "public" / "page.html").write_text("for all")
    with structlog.testing.capture_logs() as logs:
        private.keep(home)
    assert open_to_others(home) == {"home", "public", "page.html"}
    assert [one.get("others") for one in logs] == [None, ["public"]]


def test_a_folder_that_is_still_to_be_made_is_nothing_to_mend(tmp_path: Path) -> None:
    private.keep(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_this_user_may_not_look_into_is_left_to_who_writes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may look everywhere
    tmp_path.chmod(0o755)
    private.keep(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_what_is_written_later_is_the_owners_alone(tmp_path: Path) -> None:
    private.mask()
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "file").write_text("x")
    assert open_to_others(tmp_path / "made") == set()
