"""The demo's folder, prepared once for all tests of the examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.demo.prepare import Ingredients, prepare


@pytest.fixture(scope="session")
def ingredients(tmp_path_factory: pytest.TempPathFactory) -> Ingredients:
    return prepare(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def demo_folder(ingredients: Ingredients) -> Path:
    return ingredients.model.parent
