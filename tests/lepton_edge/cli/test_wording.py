"""A person reads sentences, not a validator's jargon."""

from __future__ import annotations

import pytest

from lepton_edge.cli.wording import one_line, plain


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


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("a  name of 3 words", "a  name of 3 words"),
        ("first\nerror: all is well\r\n", "first error: all is well"),
        ("a\x1b[2Jb\x07", "a\\x1b[2Jb\\x07"),
        ("\u202egnp.x", "\\u202egnp.x"),
        ("photo-\udcff.npy", "photo-\\udcff.npy"),
        ("Grüße, 写真", "Grüße, 写真"),
    ],
)
def test_a_line_stays_a_line_and_steers_no_terminal(raw: str, said: str) -> None:
    assert one_line(raw) == said
