"""A folder of compress says whose variant its model is, where only the precision differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.client.upload import Push, parts
from lepton_edge.compress.pushable import PRECISIONS, describe
from lepton_edge.compress.recipe import Budget, Candidate, Recipe, Step
from lepton_edge.compress.report import Report
from lepton_edge.compress.techniques import HOMES
from partitioner.manifest import read_manifest


def report(folder: Path, *techniques: str) -> Report:
    """A search whose best model was made by `techniques`."""
    best = Candidate(Recipe(tuple(Step(one) for one in techniques)))
    return Report("net", Budget(), Candidate(Recipe()), (best,), best, file=folder / "net.onnx")


@pytest.mark.parametrize("techniques", [("static_int8",), ("clean", "weight_only"), ("mixed_int8",)])
def test_another_precision_is_a_variant(tmp_path: Path, techniques: tuple[str, ...]) -> None:
    describe(report(tmp_path, *techniques), None)
    assert read_manifest((tmp_path / "net.toml").read_text()).variant_of == "net"


def test_what_the_model_came_with_is_kept_with_its_labels(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "net.toml").write_text('[model]\nname = "n"\n[[output]]\nname = "y"\nlabels = "names.txt"\n')
    (given / "names.txt").write_text("a\nb\n")
    describe(report(tmp_path, "static_int8"), given / "net.toml")
    told = read_manifest((tmp_path / "net.toml").read_text())
    assert (told.name, told.variant_of, told.outputs[0].labels) == ("n", "net", "names.txt")
    assert (tmp_path / "names.txt").read_text() == "a\nb\n"
    (tmp_path / "net.onnx").write_text("")
    (tmp_path / "net.json").write_text("")
    assert [one.name for one in parts(Push("net-int8", tmp_path))] == [
        "model",
        "manifest",
        "labels:names.txt",
    ]


@pytest.mark.parametrize("techniques", [("prune_channels", "static_int8"), ("qat",), ("distill",), ("mine",)])
def test_what_was_pruned_or_trained_or_made_by_a_step_of_ones_own_is_another_model(
    tmp_path: Path, techniques: tuple[str, ...]
) -> None:
    describe(report(tmp_path, *techniques), None)
    assert not (tmp_path / "net.toml").exists()


@pytest.mark.parametrize("text", [b'model = {name = "x"}\n', b"\xff\xfe"])
def test_a_manifest_that_no_line_can_be_added_to_stays_as_it_is(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "odd.toml").write_bytes(text)
    describe(report(tmp_path, "static_int8"), tmp_path / "odd.toml")
    assert (tmp_path / "net.toml").read_bytes() == text


def test_without_a_best_model_nothing_is_written(tmp_path: Path) -> None:
    describe(Report("net", Budget(), Candidate(Recipe()), ()), None)
    assert list(tmp_path.iterdir()) == []


def test_every_precision_is_a_technique() -> None:
    assert HOMES.keys() >= PRECISIONS
