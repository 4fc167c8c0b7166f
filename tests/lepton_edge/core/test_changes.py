"""A change is a noun that the store and people keep: what it says of itself stays readable."""

from __future__ import annotations

import dataclasses

import pytest

from lepton_edge.core.changes import KEPT, KINDS, PENDING, REFUSED, ROLLED_BACK, VERDICTS, Change
from partitioner.nouns_json import from_json, to_json


def test_a_change_is_read_as_it_was_written() -> None:
    change = Change(
        7, 12.5, "replan", "pi is slower", "told", "pi", "net", 3, "page a", "page b", 0.1, 0.05, 0.11, 0.06, KEPT  # type: ignore[arg-type]
    )  # fmt: skip
    assert from_json(Change, to_json(change)) == change


def test_of_an_older_or_newer_release_what_is_known_is_read() -> None:
    found = from_json(Change, {"serial": 1, "at": 2.0, "kind": "turn", "cause": "x", "colour": "blue"})
    assert found == Change(1, 2.0, "turn", "x")
    assert found.verdict == ""


def test_what_is_over_or_open_has_one_word_each() -> None:
    assert set(VERDICTS) == {"", PENDING, KEPT, ROLLED_BACK, REFUSED}
    assert len(KINDS) == len(set(KINDS))


def test_it_is_told_anew_but_never_changed() -> None:
    change = Change(1, 2.0, "turn", "x", verdict=PENDING)
    with pytest.raises(dataclasses.FrozenInstanceError):
        change.verdict = KEPT  # type: ignore[misc]
    assert dataclasses.replace(change, verdict=KEPT).serial == change.serial
