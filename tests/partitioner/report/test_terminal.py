"""The plan as a person reads it."""

from __future__ import annotations

import dataclasses
import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from partitioner.costs import DeviceProfile
from partitioner.report.quantities import sentence
from partitioner.report.terminal import render
from partitioner.units import Seconds

ROOT = Path(__file__).resolve().parents[3]


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
    assert "block by block, as pages of this book." in page
    assert "What would change the decision (each plan judged in one piece): Below" in page


def test_the_measured_column_is_there_only_when_something_was(document: dict[str, Any]) -> None:
    for row in document["candidates"]:
        row["measured"] = None
    assert "predicted  board" in text(document)


def test_a_queue_that_is_more_than_a_line_is_told(document: dict[str, Any]) -> None:
    assert "Queue" not in text(document)
    document["queue"] = {"policy": "newest", "limit": 0, "in_flight": 2}
    said = "Queue: newest: of one caller 1 waits at most, and the oldest gives way; 2 run at a time"
    assert said in text(document)
    document["queue"] = {"policy": "oldest", "limit": 3, "in_flight": 0}
    assert "of one caller 3 wait at most, and newer ones are refused" in text(document)
    document["queue"] = {"policy": "block", "limit": 0, "in_flight": 0}
    assert "Queue" not in text(document)


def test_names_with_brackets_are_no_markup(document: dict[str, Any]) -> None:
    document["candidates"][4]["label"] = "split behind block[0]/[bold]Conv"
    document["devices"][0]["device"] = "pi[red]"
    page = text(document)
    assert "block[0]/[bold]Conv" in page
    assert "pi[red]" in page


def test_the_note_of_devices_is_there_only_when_one_has_one(document: dict[str, Any]) -> None:
    assert "note" in text(document)
    for device in document["devices"]:
        device["simulated"] = False
    assert "note" not in text(document)


def test_a_terminal_needs_no_planner() -> None:
    """A client with the base dependencies (no scipy) renders what a coordinator explained."""
    script = "import sys, partitioner.report.terminal as t; assert 'scipy' not in sys.modules; t.render"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_what_a_solver_adds_takes_a_few_lines(full_document: dict[str, Any]) -> None:
    page = " ".join(text(full_document).split())
    assert "Do not split: cloud with the encoded picture is" in page
    assert "MB of 60.0 MB" in page
    assert (
        "Over 63 links and loads the devices' book is 0.4 % slower than a fresh plan on average, 3.1 %"
        in page
    )
    assert "proven to within 2.0 % only" in page
    assert "At 0.42 times the speed of cloud or less: board alone" in page
    assert "times the speed of board" not in page  # the slowdown says it already
    assert "The next-best plan (" in page
    assert "Pareto front (free of the book's cuts; energy as declared)" in page
    assert len(text(full_document).splitlines()) <= 46


def test_energy_of_the_front_is_as_declared_only_where_somebody_declared_it(
    full_document: dict[str, Any],
) -> None:
    full_document["pareto"] = [row | {"energy": 0.0} for row in full_document["pareto"]]
    page = " ".join(text(full_document).split())
    assert "Pareto front (free of the book's cuts) " in page
    assert "as declared" not in page


def test_a_noisy_profile_is_told_in_the_document_and_here(
    document: dict[str, Any], explained: Callable[..., dict[str, Any]], board: DeviceProfile
) -> None:
    assert document["notes"] == []
    assert "noisy" not in text(document)
    halves = [
        dataclasses.replace(one, time=dataclasses.replace(one.time, median=Seconds(one.time.median * times)))
        for one, times in zip(board.segments, itertools.cycle((0.1, 4.0)), strict=False)
    ]
    loaded = explained(board=dataclasses.replace(board, segments=tuple(halves)))
    (note,) = loaded["notes"]
    assert note.startswith("the profile of board is noisy (error ")
    assert note.endswith(" %): measure again on a quiet device: lepton-edge deploy mobile --refresh")
    assert sentence(note) in " ".join(text(loaded).split())


def test_of_a_long_front_some_plans_are_shown_and_the_chosen_one(full_document: dict[str, Any]) -> None:
    row = full_document["pareto"][0] | {"chosen": False}
    rows = [row | {"label": f"plan {number}"} for number in range(30)]
    rows[15] |= {"chosen": True}
    full_document["pareto"] = rows
    page = " ".join(text(full_document).split())
    assert "Pareto front, 7 of 30" in page
    assert all(f"plan {number} " in page for number in (0, 15, 29))
    assert "plan 1 " not in page


def test_energy_is_labelled_as_declared_and_who_declared_nothing_is_named(document: dict[str, Any]) -> None:
    assert "declared watts" not in text(document)  # nobody asked for energy
    document["objective"] = document["objective"] | {"name": "energy"}
    document["watts"] = {"board": 4.0, "cloud": None, "radio": None}
    page = " ".join(text(document).split())
    assert (
        "Energy is worked out from declared watts, not measured (board 4 W); "
        "nobody declared those of the cloud and the radio: counted as none" in page
    )


def test_a_document_of_an_older_coordinator_renders(document: dict[str, Any]) -> None:
    added = (
        "advice",
        "why_not",
        "wishes",
        "memory",
        "curve",
        "graph",
        "objective",
        "limits",
        "plan",
        "measured",
    )
    old = {key: value for key, value in document.items() if key not in added}
    old = {
        key: value for key, value in old.items() if key not in ("alternatives", "flips", "pareto", "regret")
    }
    assert "mobile: cloud-encoded" in text(old)


def test_who_runs_which_variant_is_told_with_the_other_ways(document: dict[str, Any]) -> None:
    assert "Variants" not in text(document)
    ways = [("int8 on both", 0.08), ("itself on both", 0.07), ("int8 on the board", 0.05)]
    document["variants"] = {
        "label": "int8 on the board",
        "ways": [{"label": label, "page": "cut-1", "seconds": seconds} for label, seconds in ways],
    }
    assert "Variants: int8 on the board; itself on both 70.0 ms, int8 on both 80.0 ms" in text(document)
    document["variants"]["precisions"] = {"board": "int8", "cloud": "float32"}
    assert "Variants: int8 on the board (int8 and float32); itself on both 70.0 ms" in text(document)
