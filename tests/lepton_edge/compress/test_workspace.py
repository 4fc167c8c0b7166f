"""What is kept of a search, and who may go on with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Candidate, Recipe, Score, Step, Timing
from lepton_edge.compress.workspace import Subject, Workspace, candidate_from_json, model_digest, recipe_key
from lepton_edge.core.errors import AlreadyExists
from partitioner.nouns_json import to_json
from partitioner.units import Sha256
from tests.lepton_edge.compress import small

MODEL = small.classifier()
SUBJECT = Subject("a" * 64, "b" * 64, "top1", 0.01, "latency", "x86", devices=("board",))


def candidate(bits: int = 8, rejected: str = "") -> Candidate:
    recipe = Recipe((Step("clean"), Step("rounds", {"bits": bits, "how": "up", "exact": True, "share": 0.5})))
    timing = Timing("board", 0.002, 0.0001, 9, 100)
    sha256 = Sha256(f"{bits:064x}") if rejected else model_digest(MODEL.SerializeToString())
    return Candidate(recipe, sha256, 10, 9, Score("top1", 0.9, 0.0, 30), (timing,), 9, rejected, (timing,))


def test_a_candidate_survives_json() -> None:
    assert candidate_from_json(json.loads(json.dumps(to_json(candidate())))) == candidate()


def test_a_candidate_of_a_newer_writer_is_read() -> None:
    told = {**to_json(candidate()), "from_the_future": 1}
    assert candidate_from_json(told) == candidate()


def test_recipes_are_equal_by_content_not_by_order_of_options() -> None:
    one, other = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert recipe_key(Recipe((Step("x", one),))) == recipe_key(Recipe((Step("x", other),)))
    assert recipe_key(Recipe((Step("x"), Step("y")))) != recipe_key(Recipe((Step("y"), Step("x"))))


def begun(folder: Path, resume: bool = False, **changes: object) -> Workspace:
    workspace = Workspace(folder)
    with workspace:
        workspace.begin(dataclasses.replace(SUBJECT, **changes), MODEL, resume)  # type: ignore[arg-type]
    return workspace


def test_what_was_finished_is_there_again(tmp_path: Path) -> None:
    workspace = begun(tmp_path)
    workspace.keep(candidate(8), MODEL)
    workspace.keep(candidate(4, rejected="loses all"), MODEL)
    again = begun(tmp_path, resume=True)
    assert again.candidates == [candidate(8), candidate(4, rejected="loses all")]
    assert again.model_of(candidate(8)).exists()
    assert not again.model_of(candidate(4, rejected="loses all")).exists()


def test_a_line_that_was_cut_by_a_crash_is_forgotten(tmp_path: Path) -> None:
    begun(tmp_path).keep(candidate(8), MODEL)
    with (tmp_path / "candidates.jsonl").open("ab") as file:
        file.write(b'{"format": 1, "candi')
    again = begun(tmp_path, resume=True)
    again.keep(candidate(4), MODEL)
    assert begun(tmp_path, resume=True).candidates == [candidate(8), candidate(4)]


def test_a_search_is_not_overwritten(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(AlreadyExists, match="holds a search already"):
        begun(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"parent": "c" * 64}, {"samples": "c" * 64}, {"max_drop": 0.02}, {"seed": 1}, {"devices": ("shed",)}],
)
def test_another_search_is_not_gone_on_with(tmp_path: Path, changes: dict[str, object]) -> None:
    begun(tmp_path)
    with pytest.raises(CompressionRefused, match=f"another {next(iter(changes))}"):
        begun(tmp_path, resume=True, **changes)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "candidates.jsonl").write_text('{"format": 1}\n')
    with pytest.raises(CompressionRefused, match="line 1"):
        begun(tmp_path, resume=True)


def test_one_search_at_a_time(tmp_path: Path) -> None:
    with Workspace(tmp_path), pytest.raises(AlreadyExists, match="at work"), Workspace(tmp_path):
        pass
    with Workspace(tmp_path):
        pass


@pytest.mark.parametrize("name", ["original.onnx", "thesis.txt", "scratch"])
def test_a_folder_with_the_files_of_others_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("years of work")
    with pytest.raises(AlreadyExists, match=f"holds '{name}', which is of no search"):
        begun(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_search_that_was_killed_before_it_was_begun_is_begun_again(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "search.json").unlink()
    (tmp_path / ".search.json.7.part").write_text("{")
    assert begun(tmp_path).candidates == []
    assert (tmp_path / "search.json").is_file()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"cut")])
def test_a_candidate_whose_model_is_damaged_is_not_finished(tmp_path: Path, damage: Any) -> None:
    workspace = begun(tmp_path)
    workspace.keep(candidate(8), MODEL)
    workspace.keep(candidate(4, rejected="loses all"), None)
    damage(workspace.model_of(candidate(8)))
    again = begun(tmp_path, resume=True)
    assert again.candidates == [candidate(4, rejected="loses all")]
    again.keep(candidate(8), MODEL)
    found = begun(tmp_path, resume=True).candidates  # its line stands there twice now
    assert sorted(one.rejected for one in found) == ["", "loses all"]


def test_an_original_that_was_damaged_is_put_back(tmp_path: Path) -> None:
    workspace = begun(tmp_path)
    workspace.original.write_bytes(b"cut")
    begun(tmp_path, resume=True)
    assert workspace.original.read_bytes() == MODEL.SerializeToString()


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    begun(tmp_path)
    parts = [tmp_path / ".net.onnx.7.part", tmp_path / "models" / ".aa.onnx.7.part"]
    for one in parts:
        one.write_bytes(b"half")
    begun(tmp_path, resume=True)
    assert not any(one.exists() for one in parts)
