"""Durations as people write them."""

from __future__ import annotations

import pytest

from lepton_edge.cli.durations import read_duration
from lepton_edge.core.errors import UsageError


@pytest.mark.parametrize(("given", "seconds"), [("90s", 90), (" 10m", 600), ("2h", 7200), ("1.5d", 129600)])
def test_they_are_seconds(given: str, seconds: float) -> None:
    assert read_duration(given, "--ttl") == seconds


@pytest.mark.parametrize("given", ["", "10", "soon", "0s", "-1h", "1w", "1e9s", "nan s"])
def test_what_is_none_is_named(given: str) -> None:
    with pytest.raises(UsageError, match="--ttl"):
        read_duration(given, "--ttl")
