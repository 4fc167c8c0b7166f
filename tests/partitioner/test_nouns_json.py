"""Nouns as JSON: what leaves the house is JSON to the letter."""

from __future__ import annotations

import json

from partitioner.nouns_json import finite


def test_numbers_that_json_has_no_words_for_become_null_at_any_depth() -> None:
    nan, inf = float("nan"), float("inf")
    found = finite({"a": [nan, (1.5, -inf)], "b": {"c": inf}, "d": True, "e": "NaN", "f": None, "g": 7})
    assert found == {"a": [None, [1.5, None]], "b": {"c": None}, "d": True, "e": "NaN", "f": None, "g": 7}
    json.dumps(found, allow_nan=False)
