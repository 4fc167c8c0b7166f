"""docs/compression.md knows every step that is searched, and its examples are real."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from lepton_edge.cli.compress import app
from lepton_edge.compress.asking import Asked
from lepton_edge.compress.recipe_file import read_recipe
from lepton_edge.compress.space import STAGES
from lepton_edge.compress.techniques import HOMES

PAGE = (Path(__file__).parents[2] / "docs" / "compression.md").read_text("utf-8")
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in STAGES if name in HOMES])
def test_every_searched_step_is_in_the_table(name: str) -> None:
    assert re.search(rf"^\| .*`{name}`", PAGE, re.MULTILINE)


def test_the_searched_steps_are_steps() -> None:
    assert set(STAGES) - HOMES.keys() == set()


def test_options_that_are_named_exist() -> None:
    words = app.registered_commands[0].callback
    assert words is not None
    known = {name.replace("_", "-") for name in inspect.signature(words).parameters} | {"format"}
    section = PAGE[: PAGE.index("## What is left")]
    assert {found for found in re.findall(r"--([a-z][a-z-]+)", section)} - {"platform"} <= known


@pytest.mark.parametrize("text", [PAGE, README], ids=["page", "readme"])
def test_the_call_in_the_example_can_be_made(text: str) -> None:
    call = re.search(r"lepton_edge\.compress\((.*?)\)$", text, re.MULTILINE)
    assert call is not None
    named = set(re.findall(r"(\w+)=", call[1]))
    assert named <= {one.name for one in fields(Asked)}


def test_the_recipe_in_the_example_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(PAGE.split("```toml")[1].split("```")[0])
    recipe = read_recipe(tmp_path / "recipe.toml")
    assert [one.technique for one in recipe.steps] == ["clean", "static_int8"]
