"""Each form holds what it is for, says so where it does not hold, and never guesses."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_edge.wire.packed.forms import FORMS, PLANES, SCALED


def items(*values: float) -> np.ndarray:
    return np.array(values, np.float32).view(np.uint32)


@pytest.mark.parametrize(("number", "entries"), [(2, 256), (3, 16), (4, 4), (5, 2)])
def test_a_codebook_holds_as_many_entries_as_its_indices_can_tell(number: int, entries: int) -> None:
    fits = np.arange(entries, dtype="<u2").repeat(3)
    parts = FORMS[number].parts(fits, 0)
    assert parts is not None
    assert np.array_equal(FORMS[number].items(parts, 2, len(fits)), fits)
    assert FORMS[number].parts(np.arange(entries + 1, dtype="<u2"), 0) is None


def test_a_codebook_looks_past_its_probe() -> None:
    late = np.concatenate([np.zeros(5000, "<u4"), np.arange(300, dtype="<u4")])
    assert FORMS[2].parts(late, 0) is None


def test_scaled_rows_are_refused_where_one_bit_would_be_lost() -> None:
    row = np.float32(0.013) * np.array([127, -3, 0, 64], np.float32)
    assert SCALED.parts(row.view(np.uint32), 4) is not None
    row[1] = np.nextafter(row[1], np.float32(1))
    assert SCALED.parts(row.view(np.uint32), 4) is None


@pytest.mark.parametrize("values", [items(1, -0.0), items(np.nan, 1), items(1, np.inf), items(1e-45, 0)])
def test_scaled_rows_do_not_hold_odd_values(values: np.ndarray) -> None:
    assert SCALED.parts(values, 2) is None


def test_planes_gain_nothing_on_single_bytes() -> None:
    assert PLANES.parts(np.zeros(4, np.uint8), 0) is None
