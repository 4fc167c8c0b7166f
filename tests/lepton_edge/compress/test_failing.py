"""What is said of code that fails."""

from __future__ import annotations

import pytest

from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.failing import STEP_ERRORS, sentence


def test_an_error_of_the_house_is_its_own_sentence() -> None:
    assert sentence(CompressionFailed("first: too wide", "leave it out")) == "first: too wide"


def test_of_any_other_the_place_is_said() -> None:
    def fails() -> None:
        raise ValueError("nine")

    with pytest.raises(STEP_ERRORS) as caught:
        fails()
    assert sentence(caught.value).startswith("ValueError: nine (test_failing.py:")
