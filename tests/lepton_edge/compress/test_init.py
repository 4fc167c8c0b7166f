"""The room is its own face, and says what it needs where that is not installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

import lepton_edge
from lepton_edge import compress
from lepton_edge.cli import extras
from lepton_edge.compress.errors import CompressionRefused


def test_a_base_installation_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without_optuna(name: str, *rest: Any) -> Any:
        return None if name == "optuna" else find(name, *rest)

    monkeypatch.setattr(compress, "find_spec", without_optuna)
    with pytest.raises(CompressionRefused, match="needs optuna") as refused:
        lepton_edge.compress("net.onnx", "data.npz")
    assert refused.value.hint == "pip install 'lepton-edge[compress]'"
    with pytest.raises(CompressionRefused):
        _ = compress.adapt


def test_the_command_line_looks_for_the_same_packages() -> None:
    assert extras._MODULES["compress"] == compress._PACKAGES


def test_what_it_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_that"):
        _ = compress.nothing_of_that
