"""SECURITY.md says what is so: its limits are the code's, and what it points to is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\|[^|]+\| (\d+) \| `([\w.]+)` \| `(tests/[\w/]+\.py)` \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("figure", "where", "test"), ROWS, ids=[where for _, where, _ in ROWS])
def test_a_limit_is_as_it_is_told_and_a_test_shows_it(figure: str, where: str, test: str) -> None:
    module, _, name = where.rpartition(".")
    assert getattr(importlib.import_module(module), name) == int(figure)
    assert (ROOT / test).is_file()


def test_every_limit_of_the_table_was_read() -> None:
    table = TEXT.partition("## Limits")[2]
    assert len(ROWS) == len([line for line in table.splitlines() if line.startswith("|")]) - 2 > 20


def test_what_it_points_to_is_there() -> None:
    files = set(re.findall(r"`((?:tests|docs)/[\w/-]+\.\w+)`", TEXT)) | set(
        re.findall(r"\]\(([\w/.-]+)\)", TEXT)
    )
    assert [one for one in sorted(files) if not (ROOT / one).is_file()] == []


def test_it_travels_with_the_sources() -> None:
    assert '"SECURITY.md"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
