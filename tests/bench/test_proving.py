"""Whose key applications of a bench show: one's while it is said, and nobody's before and after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.proving import KEY, key_in, proving, shown

ADMIN = key_in(Path("state"))


def test_who_shows_a_key_does_not_speak_in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEPTON_EDGE_INSECURE", "1")
    monkeypatch.delenv(KEY, raising=False)
    assert shown(None) == dict(os.environ)
    assert shown(ADMIN)[KEY] == "state/coordinator/security/admin.pem"
    assert "LEPTON_EDGE_INSECURE" not in shown(ADMIN)
    before = dict(os.environ)
    with proving(ADMIN):
        assert dict(os.environ) == shown(ADMIN)
    assert dict(os.environ) == before
