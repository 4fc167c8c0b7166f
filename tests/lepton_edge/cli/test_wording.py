"""A person reads sentences, not a validator's jargon."""

from __future__ import annotations

import pytest

from lepton_edge.cli.wording import plain


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            "Input should be a valid integer, unable to parse string as an integer",
            "it must be a whole number",
        ),
        ("Input should be a valid number, unable to parse string as a number", "it must be a number"),
        ("Input should be a valid boolean, unable to interpret input", "it must be true or false"),
        ("Input should be greater than or equal to 1", "it must be greater than or equal to 1"),
        ("Value error, no such thing", "no such thing"),
        ("'x' is not a valid integer.", "'x' is not a whole number."),
    ],
)
def test_it_is_said_plainly(raw: str, said: str) -> None:
    assert plain(raw) == said
