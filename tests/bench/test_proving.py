"""Whose key applications of a bench show: one's while it is said, and nobody's before and after."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.proving import IN_THE_OPEN, KEY, key_in, proving, shown
from lepton_edge.client.keys import in_the_open

ADMIN = key_in(Path("state"))


def test_who_shows_a_key_does_not_speak_in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_THE_OPEN, "1")
    monkeypatch.delenv(KEY, raising=False)
    assert shown(None) == dict(os.environ)
    assert shown(ADMIN)[KEY] == "state/coordinator/security/admin.pem"
    assert not in_the_open(None, None, shown(ADMIN))
    before = dict(os.environ)
    with proving(ADMIN):
        assert dict(os.environ) == shown(ADMIN)
    assert dict(os.environ) == before


def test_a_process_of_a_bench_leaves_that_as_it_is() -> None:
    script = f"import os, bench; print(os.environ[{IN_THE_OPEN!r}])"
    done = subprocess.run(
        [sys.executable, "-c", script], env=shown(ADMIN), check=True, capture_output=True, text=True
    )
    assert done.stdout == "0\n", "what every bench sets is set only where nobody has"
