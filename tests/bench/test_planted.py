"""The planted bugs can still be planted: each line is there, once; and what counts as caught."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import planted as bench
from bench.planted import BUGS, ROOT, Bug, Verdict, judged, planted, verdict


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_fits_the_tree(bug: Bug) -> None:
    text = (ROOT / bug.file).read_text(encoding="utf-8")
    wrong = planted(bug, text)
    assert wrong != text
    compile(wrong, bug.file, "exec")


def test_there_are_enough_of_them() -> None:
    assert len(BUGS) >= 10
    assert len({bug.name for bug in BUGS}) == len(BUGS)


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
    row = judged(BUGS[0], Verdict(control), lambda: Verdict(found))
    assert (row.value, row.met) == (int(caught), caught)


def test_a_proof_that_does_not_end_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ROOMS", ())

    def endless(copy: Path) -> Verdict:
        raise subprocess.TimeoutExpired("pytest", 600)

    assert bench._run(endless).end == "broken"
