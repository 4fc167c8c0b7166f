"""What names something to be run is signed, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from lepton_edge.coordinator.sealing import heard, sealed
from lepton_edge.core import messages as m
from lepton_edge.security import commanding, seals
from lepton_edge.wire import convert
from tests.lepton_edge.coordinator.test_gate import Kept, hello


def test_a_book_is_signed_as_it_is_sent(tmp_path: Path, make: Any) -> None:
    kept = Kept(tmp_path)
    said = m.Prepare("1.1", 1, make.book(), (0,))  # type: ignore[arg-type]
    told = sealed(kept.gate, said)
    assert isinstance(told, m.Prepare)
    assert told.seal is not None
    seals.check(kept.gate.authority.certificate, told.seal)
    assert convert.decode(m.Prepare, told.seal.statement) == said
    assert sealed(None, said) is said
    drain = m.Drain("1.2", "net", 1)  # type: ignore[arg-type]
    assert sealed(kept.gate, drain) is drain
    kept.close()


def test_a_devices_word_ends_no_term_that_no_coordinator_began(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    said = dataclasses.replace(hello(), leader=m.Leader("state", 2**62, "made up"))
    assert heard(kept.gate, said, "state").leader is None
    assert heard(kept.gate, said, "another state") == said  # whose device it is: that one's matter
    assert heard(None, said, "state") == said
    begun = m.Leader("state", 9, commanding.incarnation(kept.gate.authority.pem, "state", 9))
    copied = dataclasses.replace(said, leader=begun)
    assert heard(kept.gate, copied, "state") == copied
    kept.close()
