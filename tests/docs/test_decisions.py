"""docs/decisions/README.md lists every decision, and no other; links between pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lepton_edge.coordinator.test_machine import ACTIONS

ROOT = Path(__file__).parents[2]
HOME = ROOT / "docs" / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "bench" / "README.md"])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_the_index_lists_every_decision_once() -> None:
    listed = re.findall(r"^\| \[([\w-]+)\]\(\1\.md\)", (HOME / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(page.stem for page in HOME.glob("*.md") if page.stem != "README")


def test_the_coordinator_is_proven_on_as_many_kinds_of_events_as_it_says() -> None:
    [told] = re.findall(r"any order of (\d+) kinds of events", (HOME / "coordinator.md").read_text("utf-8"))
    assert int(told) == len(set(ACTIONS))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [one for one in LINK.findall(text) if not (page.parent / one).exists()] == []
