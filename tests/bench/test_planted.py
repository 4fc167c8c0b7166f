"""The planted bugs can still be planted: each line is there, once."""

from __future__ import annotations

import pytest

from bench.planted import BUGS, ROOT, Bug, planted


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
