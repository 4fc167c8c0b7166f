"""What a call can be told."""

from __future__ import annotations

from dataclasses import fields

import pytest

import lepton_edge
from lepton_edge.compress.asking import Asked, Options


def test_keywords_are_those_that_type_checkers_know() -> None:
    assert [one.name for one in fields(Asked)][2:] == list(Options.__annotations__)


def test_a_misspelt_keyword_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(TypeError, match="max_dorp"):
        lepton_edge.compress("nowhere.onnx", [], max_dorp=0.1)
