"""What names something to be run is signed, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lepton_edge.coordinator.sealing import sealed
from lepton_edge.core import messages as m
from lepton_edge.security import seals
from lepton_edge.wire import convert
from tests.lepton_edge.coordinator.test_gate import Kept


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
