"""One folder holds everything that the demo pushes and classifies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from examples.demo import prepare as room
from examples.demo.prepare import Ingredients

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_the_labels_are_in_the_order_of_the_logits(ingredients: Ingredients) -> None:
    labels = ingredients.labels.read_text(encoding="utf-8").splitlines()

    assert len(labels) == 1000
    assert all(labels)
    assert (labels[0], labels[872], labels[967], labels[999]) == (
        "tench",
        "tripod",
        "espresso",
        "toilet tissue",
    )


def test_the_manifest_names_what_lies_beside_it(ingredients: Ingredients) -> None:
    manifest = tomllib.loads(ingredients.manifest.read_text(encoding="utf-8"))

    assert manifest["model"]["name"] == "mobilenetv2"
    assert (ingredients.manifest.parent / manifest["output"][0]["labels"]).samefile(ingredients.labels)
    assert manifest["input"][0]["crop"] == [224, 224]


def test_twice_gives_the_same_folder(ingredients: Ingredients, tmp_path: Path) -> None:
    again = room.prepare(tmp_path)

    assert again.model.read_bytes() == ingredients.model.read_bytes()
    assert [path.read_bytes() for path in again.samples] == [
        path.read_bytes() for path in ingredients.samples
    ]


def test_a_missing_package_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room.mobilenet, "PACKAGE", "no_such_package_anywhere")

    assert room.main([str(tmp_path)]) == 1

    assert capsys.readouterr().err.startswith(
        "error: the package 'no_such_package_anywhere' is not installed"
    )
