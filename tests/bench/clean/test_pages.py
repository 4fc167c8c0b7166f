"""What is read out of a page to be typed."""

from __future__ import annotations

import pytest

from bench.clean.pages import typed
from bench.clean.services import is_apt
from bench.clean.wheels import ROOT

PAGE = "# A\n\n    one\n\ntext\n\n## Install\n\n    two\n    three\n\n## After\n\n    four\n"


def test_the_indented_lines_of_a_page_or_of_one_section_are_typed() -> None:
    assert typed(PAGE) == ["one", "two", "three", "four"]
    assert typed(PAGE, "## Install") == ["two", "three"]


def test_a_section_that_went_away_is_said() -> None:
    with pytest.raises(ValueError, match="nothing to type"):
        typed(PAGE, "## Elsewhere")


@pytest.mark.parametrize(("page", "section"), [("cloud-server.md", ""), ("raspberry-pi.md", "## Install")])
def test_the_pages_that_make_systemd_types_hold_what_it_needs(page: str, section: str) -> None:
    lines = [line for line in typed((ROOT / "docs" / page).read_text("utf-8"), section) if not is_apt(line)]
    assert lines[0].startswith("python3 -m venv ")
    assert sum("install-service" in line for line in lines) == (2 if page == "cloud-server.md" else 1)
