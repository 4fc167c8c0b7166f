"""How a request that is on its way may go on by another page."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine.onward import onward
from device_agents.machine.terms import KnownTerms
from partitioner.plan import Page, Prediction, Stage

QUICK = Prediction(0.05, 0.02, 0.01, 0.01, 0.01, 1000, 60)
ALL = (0, 1, 2, 3, 4)


@pytest.fixture
def book(world):
    """The picture model, where two more pages lead from the boundary before the last block to other clouds."""
    made = world.book()
    more = (
        Page(
            "by-2", (Stage("board", 0, 4), Stage("cloud-2", 4, 5)), dataclasses.replace(QUICK, latency=0.09)
        ),
        Page("by-3", (Stage("board", 0, 4), Stage("cloud-3", 4, 5)), QUICK),
        Page("early", (Stage("board", 0, 2), Stage("cloud-2", 2, 5)), QUICK),
    )
    return dataclasses.replace(made, pages=(*made.pages, *more))


def _begun(world, book, hold=ALL):
    return KnownTerms(book, hold).entry("board", world.request(page="cut-4"))


def test_pages_that_lead_on_from_here_come_quickest_first(world, book) -> None:
    found = list(onward(book, ALL, "board", _begun(world, book)))
    assert [one.page for one in found] == ["by-3", "early", "by-2", "cloud-encoded", "cloud-jpeg"], (
        "not the one that has failed, and none that leads nowhere else"
    )
    for terms in found:
        assert terms.route.first == terms.route.last == 4, "what was computed is not computed again"
        assert terms.route.peer
        assert terms.due


def test_they_keep_what_the_rest_needs_where_it_is_here(world, book) -> None:
    whole = next(onward(book, ALL, "board", _begun(world, book)))
    assert whole.keep == ("mid",)
    part = next(onward(book, (0, 1, 2, 3), "board", _begun(world, book, (0, 1, 2, 3))))
    assert (part.keep, part.kept) == ((), 0)


def test_nothing_leads_on_where_no_other_page_needs_anybody(world, book) -> None:
    alone = dataclasses.replace(
        book, pages=tuple(one for one in book.pages if one.name in ("local", "cut-4"))
    )
    assert list(onward(alone, ALL, "board", _begun(world, alone))) == []
