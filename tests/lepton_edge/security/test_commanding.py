"""Nobody but who has the authority's key makes up a term."""

from __future__ import annotations

import dataclasses

from lepton_edge.core.messages import Leader
from lepton_edge.security import commanding

AUTHORITY = b"a private key"


def test_what_a_coordinator_with_the_same_key_began_is_believed_and_nothing_else() -> None:
    begun = Leader("state", 7, commanding.incarnation(AUTHORITY, "state", 7))
    assert commanding.is_proven(AUTHORITY, begun)
    assert not commanding.is_proven(b"another", begun)
    for changed in ({"term": 8}, {"identity": "other"}, {"incarnation": "0" * 48}, {"incarnation": "ü"}):
        assert not commanding.is_proven(AUTHORITY, dataclasses.replace(begun, **changed))  # type: ignore[arg-type]


def test_each_start_has_a_name_of_its_own() -> None:
    assert commanding.incarnation(AUTHORITY, "s", 1) != commanding.incarnation(AUTHORITY, "s", 1)
