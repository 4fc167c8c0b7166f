"""Finds files inside installed packages without importing them.

Law: a package that carries weights may import torch, or worse, when imported; only its place is asked for.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from examples.demo.errors import MissingPackageError

REQUIREMENTS: Final = "examples/demo/requirements.txt"
MINILM_REQUIREMENTS: Final = "examples/demo/requirements-minilm.txt"


def package_folder(package: str, requirements: str = REQUIREMENTS) -> Path:
    """Return the folder of an installed top-level `package`.

    Raises:
        MissingPackageError: not installed; the message names the `requirements` file that brings it.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(package, requirements)
    return Path(spec.submodule_search_locations[0])
