"""Whom an agent obeys."""

from __future__ import annotations

import pytest

from device_agents.machine.fencing import refusal
from lepton_edge.core.messages import Leader

OLD, NEW, COPY = Leader("a", 3, "x"), Leader("a", 4, "y"), Leader("a", 3, "z")
OTHER = Leader("b", 9, "x")


@pytest.mark.parametrize(
    ("known", "said"),
    [(None, OLD), (OLD, OLD), (OLD, NEW), (OLD, None)],
    ids=["first", "same", "newer", "1.0"],
)
def test_it_obeys(known, said):
    assert refusal(known, said, serves=True) is None


@pytest.mark.parametrize("said", [OLD, COPY, Leader("a", 1, "y")])
def test_it_does_not_obey_an_older_term_nor_a_copy_of_the_same(said):
    known = NEW if said == OLD else OLD
    error = refusal(known, said, serves=False, adopt=True)
    assert error is not None
    assert (error.code, error.retryable) == ("not_leader", True)


def test_it_serves_one_coordinator_until_a_person_says_otherwise():
    assert "--adopt" in refusal(OLD, OTHER, serves=True).hint
    assert refusal(OLD, OTHER, serves=True, adopt=True) is None
    assert refusal(OLD, OTHER, serves=False) is None
