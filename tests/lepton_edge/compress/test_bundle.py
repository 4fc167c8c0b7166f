"""A bundle takes the place of a bundle, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lepton_edge.compress.bundle import SCHEMA, whole_folder
from lepton_edge.core.errors import AlreadyExists, InvalidInput


def bundle(folder: Path, **files: str) -> Path:
    folder.mkdir()
    (folder / "bundle.json").write_text(json.dumps({"schema": SCHEMA}))
    (folder / "model.onnx").write_text("old")
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def make(target: Path, source: Path | None = None) -> None:
    with whole_folder(target, source) as made:
        (made / "model.onnx").write_text("new")


def test_a_bundle_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = bundle(tmp_path / "b")
    make(target)
    assert [one.name for one in target.iterdir()] == ["model.onnx"]
    assert (target / "model.onnx").read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("told", ['{"name": "somebody\'s web page"}', "[]", "no json"])
def test_a_folder_with_another_bundle_json_is_no_bundle(tmp_path: Path, told: str) -> None:
    target = bundle(tmp_path / "b")
    (target / "bundle.json").write_text(told)
    with pytest.raises(AlreadyExists, match="is no bundle"):
        make(target)
    assert (target / "model.onnx").read_text() == "old"


def test_a_bundle_that_holds_files_of_others_is_left_alone(tmp_path: Path) -> None:
    target = bundle(tmp_path / "b", notes="mine")
    with pytest.raises(AlreadyExists, match="also holds 'notes'"):
        make(target)
    assert (target / "notes").read_text() == "mine"


def test_the_model_that_a_bundle_is_made_of_is_never_replaced(tmp_path: Path) -> None:
    target = bundle(tmp_path / "b")
    (tmp_path / "link").symlink_to(target)
    for place in (target, tmp_path / "link", target / "." / "..", target / ".." / "b"):
        with pytest.raises(AlreadyExists, match="never touched"):
            make(place, target / "model.onnx")
    assert (target / "model.onnx").read_text() == "old"


def test_a_bundle_behind_a_link_is_replaced_where_it_lies(tmp_path: Path) -> None:
    target = bundle(tmp_path / "b")
    (tmp_path / "link").symlink_to(target)
    make(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (target / "model.onnx").read_text() == "new"


def test_what_fails_leaves_the_bundle_that_was_there(tmp_path: Path) -> None:
    target = bundle(tmp_path / "b")
    with pytest.raises(RuntimeError, match="on the way"), whole_folder(target):
        raise RuntimeError("on the way")
    assert (target / "model.onnx").read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["b"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be written"):
        make(Path("/proc/b"))
