"""Amounts as a person would say them."""

from __future__ import annotations

import math

import pytest

from partitioner.solve.words import in_words


@pytest.mark.parametrize(
    ("unit", "amounts", "words"),
    [
        ("s", (0.0156602, 0.005), ["15.66 ms", "5 ms"]),
        ("s", (2.25, 0.5), ["2.25 s", "0.5 s"]),
        ("s", (0.00004, 0.0), ["40 µs", "0 µs"]),
        ("bytes", (150_528, 20_000), ["150.5 kB", "20 kB"]),
        ("bytes", (3_400_000, 20), ["3.4 MB", "0.00002 MB"]),
        ("bytes", (0, 0), ["0 bytes", "0 bytes"]),
        ("J", (0.2, 0.0125), ["200 mJ", "12.5 mJ"]),
        ("", (0.004, 0.0), ["0.4 %", "0 %"]),
        ("s", (0.01000001, 0.01), ["10.00001 ms", "10 ms"]),
        ("s", (12345.6,), ["12350 s"]),
        ("s", (math.inf, 1.0), ["inf s", "1 s"]),
    ],
)
def test_amounts_share_a_unit_and_differ_where_they_do(
    unit: str, amounts: tuple[float, ...], words: list[str]
) -> None:
    assert in_words(unit, *amounts) == words
