"""Numbers in a person's units."""

from __future__ import annotations

from partitioner.report.quantities import joules, megabits, milliseconds, per_second, percent, sentence, size


def test_numbers_for_people() -> None:
    assert size(999) == "999 B"
    assert size(14_800) == "14.8 kB"
    assert size(12_582_912) == "12.6 MB"
    assert size(2_500_000_000) == "2.50 GB"
    assert megabits(731_250.0) == "5.85 Mbit/s"
    assert megabits(1_234.0) == "0.009872 Mbit/s"
    assert megabits(124_999_000.0) == "1000 Mbit/s"
    assert megabits(1_176_543_210.0) == "9.412 Gbit/s"
    assert megabits(1_250_000_000_000.0) == "10000 Gbit/s"
    assert milliseconds(0.061) == "61.0 ms"
    assert milliseconds(12.0) == "12 s"
    assert per_second(9.62) == "9.62/s"
    assert per_second(None) == "–"
    assert joules(0.0) == "–"
    assert joules(0.4123) == "0.412 J"
    assert percent(0.031) == "3.1 %"


def test_a_sentence_has_one_stop() -> None:
    assert sentence("no split. Really.") == "No split. Really."
    assert sentence("split") == "Split."
    assert sentence("") == ""
