"""The page of a search."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

from lepton_edge.compress.plots import page
from lepton_edge.compress.recipe import Candidate, Recipe, Step
from tests.lepton_edge.compress.test_report import FAST, ORIGINAL, SMALL, candidate, report

TIMED = dataclasses.replace(ORIGINAL, timings=FAST.originals, originals=FAST.originals)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


def test_each_candidate_is_a_point_of_every_chart_and_a_row() -> None:
    made = dataclasses.replace(report(FAST, SMALL, best=FAST), original=TIMED)
    tags = parsed(page(made.document()))
    assert tags.count["svg"] == 3  # bytes, and the time on two devices
    assert tags.count["circle"] == 9
    assert tags.count["tr"] == 1 + 3


def test_times_are_as_if_the_original_had_taken_the_same_each_time() -> None:
    slow_minutes = dataclasses.replace(
        FAST, timings=tuple(dataclasses.replace(one, median=one.median * 3) for one in FAST.timings),
        originals=tuple(dataclasses.replace(one, median=one.median * 3) for one in FAST.originals),
    )  # fmt: skip
    pages = [
        page(dataclasses.replace(report(one), original=TIMED).document()) for one in (FAST, slow_minutes)
    ]
    places = [re.findall(r'<circle cx="([\d.]+)"', one) for one in pages]
    assert places[0] == places[1]


def test_what_is_far_worse_is_only_in_the_table() -> None:
    made = dataclasses.replace(report(FAST, candidate(100, 0.1)), original=TIMED)
    html = page(made.document())
    assert "1 far worse are only in the table" in html
    assert parsed(html).count["tr"] == 1 + 3


def test_nothing_on_the_page_comes_from_elsewhere() -> None:
    made = dataclasses.replace(report(FAST, best=FAST), original=TIMED)
    assert not re.findall(r'(?:src|href)="(?!data:)[^"#]', page(made.document()))
    assert "default-src 'none'" in page(made.document()).replace("&#x27;", "'")


def test_every_word_is_escaped() -> None:
    bad = Candidate(Recipe((Step("<script>alert(1)</script>"),)), rejected="<img onerror=x>")
    html = page(dataclasses.replace(report(bad), name="<b>net").document())
    assert "<img" not in html
    assert "<script>alert" not in html
    assert "<b>net" not in html


def test_a_search_without_any_figure_still_has_a_page() -> None:
    assert (
        "svg" not in parsed(page(report(Candidate(Recipe((Step("x"),)), rejected="fails")).document())).count
    )
