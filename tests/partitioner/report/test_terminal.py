"""The plan as a person reads it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from partitioner.book import make_book
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.report import explain
from partitioner.report.terminal import megabits, render, size
from partitioner.units import PageName, Seconds

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def document(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> dict[str, Any]:
    draft = make_book(compiled, board, cloud, lte)
    return explain(compiled, draft, board, cloud, lte, measured={PageName("local"): Seconds(0.2693)})


def text(document: dict[str, Any]) -> str:
    stream = io.StringIO()
    render(document, Console(file=stream, width=130, no_color=True))
    return stream.getvalue()


def test_a_person_reads_the_decision_its_reason_and_what_would_change_it(document: dict[str, Any]) -> None:
    page = " ".join(text(document).split())
    assert "mobile: cloud-encoded (cloud with the encoded picture)" in page
    assert "No split: the best cut (" in page
    assert "SIMULATED 8x slower" in page
    assert "Link (measured): 5.85 Mbit/s up" in page
    assert "No plan can be faster than" in page
    assert "minimum cut, exact" in page
    assert "Board alone is best while the board's slowdown is below" in page
    assert "269.3" in page  # measured


def test_the_measured_column_is_there_only_when_something_was(document: dict[str, Any]) -> None:
    for row in document["candidates"]:
        row["measured"] = None
    assert "measured ┃" not in text(document)


def test_names_with_brackets_are_no_markup(document: dict[str, Any]) -> None:
    document["candidates"][4]["label"] = "split behind block[0]/[bold]Conv"
    document["devices"][0]["device"] = "pi[red]"
    page = text(document)
    assert "block[0]/[bold]Conv" in page
    assert "pi[red]" in page


def test_numbers_for_people() -> None:
    assert size(999) == "999 B"
    assert size(14_800) == "14.8 kB"
    assert size(12_582_912) == "12.6 MB"
    assert megabits(731_250.0) == "5.85 Mbit/s"
    assert megabits(1_234.0) == "0.009872 Mbit/s"
    assert megabits(124_999_000.0) == "1000 Mbit/s"
    assert megabits(1_176_543_210.0) == "9.412 Gbit/s"
    assert megabits(1_250_000_000_000.0) == "10000 Gbit/s"


def test_the_note_of_devices_is_there_only_when_one_has_one(document: dict[str, Any]) -> None:
    assert "note" in text(document)
    for device in document["devices"]:
        device["simulated"] = False
    assert "note" not in text(document)


def test_a_terminal_needs_no_planner() -> None:
    """A client with the base dependencies (no scipy) renders what a coordinator explained."""
    script = "import sys, partitioner.report.terminal as t; assert 'scipy' not in sys.modules; t.render"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
