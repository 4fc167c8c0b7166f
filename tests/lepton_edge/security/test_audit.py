"""The audit log is added to, private, and bounded."""

from __future__ import annotations

import json
from pathlib import Path

from lepton_edge.security.audit import MOST_FILES, Audit, Deed


def test_lines_are_added(tmp_path: Path) -> None:
    audit = Audit(tmp_path)
    audit.note(Deed(1.0, "admin", "admin", "deploy", "net"))
    audit.note(Deed(2.0, "", "", "join", "pi", "unauthenticated", "10.0.0.9:1", "x" * 9999))
    first, second = map(json.loads, audit.path.read_text().splitlines())
    assert first == {
        "at": 1.0,
        "who": "admin",
        "role": "admin",
        "what": "deploy",
        "whom": "net",
        "outcome": "ok",
    }
    assert second["peer"] == "10.0.0.9:1"
    assert len(second["message"]) < 999
    assert audit.path.stat().st_mode & 0o777 == 0o600


def test_it_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    audit = Audit(tmp_path, most_bytes=500)
    for number in range(100):
        audit.note(Deed(float(number), "admin", "admin", "deploy", f"net-{number}"))
    files = list(tmp_path.iterdir())
    assert len(files) == MOST_FILES
    assert sum(file.stat().st_size for file in files) <= 500 * MOST_FILES
    assert "net-99" in audit.path.read_text()


def test_a_folder_that_is_not_there_stops_nobody(tmp_path: Path) -> None:
    Audit(tmp_path / "gone").note(Deed(1.0, "admin", "admin", "deploy"))
