"""Packages are found without being imported, and a missing one says how to get it."""

from __future__ import annotations

import sys

import pytest

from examples.demo.errors import MissingPackageError
from examples.demo.mobilenet import PACKAGE
from examples.demo.packages import MINILM_REQUIREMENTS, package_folder


def test_a_package_is_found_and_not_imported() -> None:
    assert (package_folder(PACKAGE) / "weights").is_dir()
    assert PACKAGE not in sys.modules


def test_a_missing_package_says_what_to_install() -> None:
    with pytest.raises(
        MissingPackageError, match="--require-hashes -r examples/demo/requirements-minilm.txt"
    ):
        package_folder("no_such_package_anywhere", MINILM_REQUIREMENTS)
