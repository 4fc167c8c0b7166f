"""The planted bugs can still be planted: each line is there, once; and what counts as caught."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.chaos.faults import STRIKES
from bench.planted import proofs
from bench.planted.bugs import BUGS, Bug, planted
from bench.planted.proofs import ROOT, Verdict, chaos_verdict, judged, run, verdict


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_fits_the_tree(bug: Bug) -> None:
    text = (ROOT / bug.file).read_text(encoding="utf-8")
    wrong = planted(bug, text)
    assert wrong != text
    compile(wrong, bug.file, "exec")


def test_there_are_enough_of_them() -> None:
    assert len(BUGS) >= 10
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_a_chaos_run_finds_enough_of_them_by_kinds_that_there_are() -> None:
    found = [bug for bug in BUGS if bug.faults]
    assert len(found) >= 10
    assert {kind for bug in found for kind in bug.faults.split(",")} <= set(STRIKES)


def test_a_line_that_is_gone_is_an_error() -> None:
    with pytest.raises(LookupError, match="0 times"):
        planted(BUGS[0], "another file")


FAILED = (
    "..F\n=== FAILURES ===\nFAILED tests/some/test_it.py::test_one - AssertionError\n1 failed, 2 passed\n"
)
ERROR = "E\n=== ERRORS ===\nERROR tests/some/test_it.py - ImportError\n1 error\n"


def test_a_test_that_fails_finds_a_bug_and_one_that_cannot_run_does_not() -> None:
    assert verdict(1, FAILED) == Verdict("failed", "tests/some/test_it.py::test_one after 2 that passed")
    assert verdict(0, "...\n3 passed\n").end == "passed"
    assert verdict(2, ERROR).end == "broken"
    assert verdict(1, ERROR).end == "broken"
    assert verdict(1, "ERROR tests/some/test_it.py::test_one - RuntimeError: fixture\n").end == "broken"
    assert verdict(5, "no tests ran\n").end == "broken"
    assert verdict(-9, "").end == "broken"


@pytest.mark.parametrize(
    ("control", "found", "caught"),
    [
        ("passed", "failed", True),
        ("passed", "passed", False),
        ("passed", "broken", False),
        ("failed", "failed", False),
        ("broken", "failed", False),
    ],
)
def test_caught_is_what_fails_with_the_bug_and_passes_without_it(
    control: str, found: str, caught: bool
) -> None:
    row = judged(BUGS[0], Verdict(control), lambda: Verdict(found), "a proof")
    assert (row.value, row.met) == (int(caught), caught)


def test_a_proof_that_does_not_end_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "ROOMS", ())

    def endless(copy: Path) -> Verdict:
        raise subprocess.TimeoutExpired("pytest", 600)

    assert run(endless).end == "broken"


RIGHT = '{"what": "2 faults: lost", "value": 0, "met": true}\n{"what": "2 faults: answered", "value": 9, "met": null}\n'
WRONG = '{"what": "2 faults: wrong", "value": 3, "met": false}\n'


def test_a_chaos_run_finds_a_bug_by_a_figure_that_is_not_as_it_must_be() -> None:
    assert chaos_verdict(0, RIGHT) == Verdict("passed")
    assert chaos_verdict(1, RIGHT + WRONG) == Verdict("failed", "wrong (3)")
    assert chaos_verdict(1, "", "Traceback\nStartFailed: north did not start") == Verdict(
        "broken", "StartFailed: north did not start"
    )
    assert chaos_verdict(1, RIGHT).end == "broken"
    assert chaos_verdict(0, "").end == "broken"
