"""Metrics of one's own on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.cli.metric_source import read_metric
from lepton_edge.core.errors import UsageError


def test_a_name_is_a_name() -> None:
    assert read_metric("cosine") == "cosine"
    assert read_metric("") is None


def test_a_function_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def closeness(answers, reference, label):\n    return 0.5\n")
    found = read_metric(f"{tmp_path / 'mine.py'}:closeness")
    assert callable(found)
    assert found({}, {}, None) == 0.5
    assert found.__name__ == "closeness"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "has no function"),
        ("import nowhere_at_all\n", "cannot be imported"),
        ("def (", "cannot be"),
        ("1 / 0", "ZeroDivisionError"),
        ("{}['x']", "KeyError"),
        ("import sys\nsys.exit(0)", "SystemExit"),
    ],
)
def test_what_is_no_function(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UsageError, match=words):
        read_metric(f"{tmp_path / 'mine.py'}:x")


def test_no_file() -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_metric("nowhere.py:f")
