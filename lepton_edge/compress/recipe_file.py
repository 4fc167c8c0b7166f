"""A recipe as people write it: TOML, one `[[step]]` after the other.

Law: text to nouns; whether a step has such an option is known where techniques are. Unknown keys are options.

    [[step]]
    technique = "static_int8"
    ranges = "percentile"        # any option of the technique; what is left out has its first choice
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Recipe, Step

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HINT = 'write [[step]] and technique = "NAME", then its options'
MAX_STEPS = 32


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe in the file at `path`.

    Raises:
        CompressionRefused: it cannot be read, or is no recipe.
    """
    try:
        told = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CompressionRefused(f"the recipe {path} cannot be read: {error}", _HINT) from error
    steps = told.pop("step", None)
    if told or not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
        raise CompressionRefused(
            f"{path} is no recipe: it needs 1 to {MAX_STEPS} steps, and nothing else", _HINT
        )
    return Recipe(tuple(_step(one, path) for one in steps))


def _step(told: Any, path: str | Path) -> Step:
    name = told.get("technique") if isinstance(told, dict) else None
    if not isinstance(name, str) or not name:
        raise CompressionRefused(f"a step of {path} names no technique", _HINT)
    options = {key: value for key, value in told.items() if key != "technique"}
    for key, value in options.items():
        if not isinstance(value, (str, int, float, bool)):
            raise CompressionRefused(
                f"the option {key!r} of {name} is no plain value", "give a text or a number"
            )
    return Step(name, options)
