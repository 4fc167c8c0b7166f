"""Every error has a status, no status is ambiguous, and the documentation says the same."""

from __future__ import annotations

from pathlib import Path

from lepton_edge.cli import exit_codes
from lepton_edge.core.errors import BY_CODE, LeptonError, PortInUse, StorageFull, Unavailable

DOCUMENTATION = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


def test_every_error_of_the_tree_has_a_status_of_its_own_kind() -> None:
    told = {code for _, _, codes in exit_codes.table() for code in codes}
    assert set(BY_CODE) - {"error"} <= told


def test_no_code_stands_twice() -> None:
    codes = [code for _, _, codes in exit_codes.table() for code in codes]
    assert len(codes) == len(set(codes))


def test_the_statuses_that_scripts_rely_on() -> None:
    assert [exit_codes.status_of(kind("")) for kind in (Unavailable, PortInUse, StorageFull)] == [3, 4, 5]


def test_an_unknown_code_is_the_services_failure() -> None:
    newer = type("Newer", (LeptonError,), {"code": "from_the_future"})
    assert exit_codes.status_of(newer("")) == 11


def test_the_documentation_has_the_same_table() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    for status, meaning, codes in exit_codes.table():
        row = next((line for line in text.splitlines() if line.startswith(f"| {status} |")), "")
        assert meaning in row, f"docs/cli.md lacks status {status}: {meaning}"
        assert all(f"`{code}`" in row for code in codes), row
