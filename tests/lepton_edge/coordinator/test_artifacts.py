"""Files by their content: whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from lepton_edge.coordinator.artifacts import Artifacts, check_name
from lepton_edge.core.errors import InvalidInput, StorageFull


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    made = Artifacts(tmp_path)
    made.prepare()
    return made


def test_what_is_put_is_found_by_its_hash(artifacts: Artifacts) -> None:
    sha256 = artifacts.put(b"block")
    assert sha256 == hashlib.sha256(b"block").hexdigest()
    assert artifacts.put(b"block") == sha256
    found = artifacts.find(sha256)
    assert found is not None
    assert found.read_bytes() == b"block"


@pytest.mark.parametrize("sha256", ["", "../coordinator.db", "0" * 64, "A" * 64])
def test_what_is_not_there_is_not_found(artifacts: Artifacts, sha256: str) -> None:
    assert artifacts.find(sha256) is None  # type: ignore[arg-type]


def test_a_full_disk_leaves_nothing_half_written(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="no space"):
        artifacts.put(b"block")
    assert [path for path in artifacts.directory.rglob("*") if path.is_file()] == []


def test_a_sweep_leaves_only_what_is_wanted(artifacts: Artifacts) -> None:
    wanted, other = artifacts.put(b"wanted"), artifacts.put(b"other")
    assert artifacts.sweep({wanted}) == 1
    assert artifacts.find(wanted) is not None
    assert artifacts.find(other) is None


def test_a_compiled_model_is_adopted_whole_and_only_once(artifacts: Artifacts) -> None:
    for content in ("first", "again"):
        made = artifacts.new_folder("push")
        (made / "model.json").write_text(content)
        target = artifacts.adopt(made, "net", "v1")  # type: ignore[arg-type]
        assert (target / "model.json").read_text() == "first"
        assert not made.exists()
    assert artifacts.versions() == [("net", "v1")]
    artifacts.forget("net", "v1")  # type: ignore[arg-type]
    assert artifacts.versions() == []


def test_a_start_removes_unfinished_work(artifacts: Artifacts) -> None:
    left = artifacts.new_folder("push")
    artifacts.prepare()
    assert not left.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 65, "spaced name", "né"])
def test_names_that_cannot_be_folders_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot name a model"):
        check_name(name)


def test_usual_names_are_accepted() -> None:
    assert check_name("mobilenet-v2_1.0") == "mobilenet-v2_1.0"
