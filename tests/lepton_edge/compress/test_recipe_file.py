"""Recipes as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Recipe, Step
from lepton_edge.compress.recipe_file import read_recipe


def read(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return read_recipe(path)


def test_steps_are_in_their_order_with_their_options(tmp_path: Path) -> None:
    text = '[[step]]\ntechnique = "clean"\n[[step]]\ntechnique = "static_int8"\nranges = "mse"\nequalize = true\n'
    assert read(tmp_path, text) == Recipe(
        (Step("clean"), Step("static_int8", {"ranges": "mse", "equalize": True}))
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1 to 32 steps"),
        ("[[step]]\nranges = 1\n", "names no technique"),
        ('[[step]]\ntechnique = "x"\nlayers = ["a"]\n', "no plain value"),
        ('title = "x"\n[[step]]\ntechnique = "x"\n', "nothing else"),
        ("step = 3\n", "1 to 32 steps"),
        ("[[step]\n", "cannot be read"),
        ("a = " + "[" * 5000, "cannot be read"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CompressionRefused, match=words):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompressionRefused, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
