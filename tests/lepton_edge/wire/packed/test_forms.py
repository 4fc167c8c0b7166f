"""Each form holds what it is for, says so where it does not hold, and never guesses."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_edge.wire.packed.forms import FORMS, PLANES


@pytest.mark.parametrize(("number", "entries"), [(2, 256), (3, 16), (4, 4), (5, 2)])
def test_a_codebook_holds_as_many_entries_as_its_indices_can_tell(number: int, entries: int) -> None:
    fits = np.arange(entries, dtype="<u2").repeat(3)
    parts = FORMS[number].parts(fits)
    assert parts is not None
    assert np.array_equal(FORMS[number].items(parts, 2, len(fits)), fits)
    assert FORMS[number].parts(np.arange(entries + 1, dtype="<u2")) is None


def test_a_codebook_looks_past_its_probe() -> None:
    late = np.concatenate([np.zeros(5000, "<u4"), np.arange(300, dtype="<u4")])
    assert FORMS[2].parts(late) is None


def test_planes_gain_nothing_on_single_bytes() -> None:
    assert PLANES.parts(np.zeros(4, np.uint8)) is None


def test_a_codebook_of_as_many_bits_as_its_items_gains_nothing() -> None:
    assert FORMS[2].parts(np.arange(200, dtype=np.uint8)) is None
    assert FORMS[3].parts(np.arange(16, dtype=np.uint8)) is not None
