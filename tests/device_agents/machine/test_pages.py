"""Pages as one device runs them, and what is known of each."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agents.machine.pages import CHANGED, FELL, MAX_CHOICES, MOST_LOOKS, Choice, Turner, option, spread
from lepton_edge.core.messages import LinkReport
from partitioner.plan import TurnRule

DOOR = (0, ("y@scores", "y@indices"))


@pytest.fixture
def book(world):
    made = world.book()
    return dataclasses.replace(made, turning=TurnRule(tuple(page.name for page in made.pages)))


def test_an_option_names_what_runs_here_who_goes_on_and_what_moves(book) -> None:
    found = {page.name: option(book, page, "board", DOOR, book.pages) for page in book.pages}
    local, cut, encoded = found["local"], found["cut-4"], found["cloud-encoded"]
    assert (local.key, local.peer, local.up, local.way) == (("local", 0, 5), "", 0.0, 0.0)
    assert (cut.key, cut.peer, cut.direct, cut.passes) == (("cut-4", 0, 4), "cloud", True, False)
    assert (cut.own, cut.far, cut.up, cut.down) == (0.02, 0.01, 1000.0, 60.0)
    assert cut.way == pytest.approx(0.04 + 0.03)
    assert encoded.passes, "what came is sent on as it came"


def test_who_enters_later_does_not_pay_for_what_was_made_before(book) -> None:
    page = book.page("cut-4")
    later = option(book, page, "board", (3, DOOR[1]), book.pages)
    assert later.key == ("cut-4", 3, 4)
    assert later.own <= option(book, page, "board", DOOR, book.pages).own


def test_another_devices_pages_are_none_of_an_entry(book) -> None:
    assert [page.name for page in Turner(book, "board").pages] == list(book.turning.pages)
    assert Turner(book, "elsewhere").pages == ()
    assert not Turner(book, "elsewhere").turns


def test_choices_are_bounded_and_each_kind_of_request_has_its_own(book) -> None:
    turner = Turner(book, "board")
    assert turner.choice(0, DOOR[1]) is turner.choice(0, DOOR[1])
    for number in range(3 * MAX_CHOICES):
        turner.choice(0, (f"y{number}",))
    assert len(turner.choices) <= MAX_CHOICES


def _links(rate: float) -> dict[str, LinkReport]:
    return {"cloud": LinkReport("cloud", up=rate)}


@given(st.lists(st.floats(1e3, 1e8), min_size=1, max_size=40))
def test_a_rise_is_a_rate_beyond_all_that_were_seen_since_it_fell(rates: list[float]) -> None:
    choice, highest = Choice((), "local"), 0.0
    for rate in rates:
        rose = choice.rose(_links(rate))
        assert rose == (highest > 0 and rate >= highest * CHANGED)
        if rose or not highest:
            highest = rate
        elif rate <= highest / FELL:
            highest = rate * FELL


def test_noise_about_one_rate_is_no_rise() -> None:
    choice = Choice((), "local")
    choice.rose(_links(1.2e6))
    assert not any(choice.rose(_links(1e6 * (1.2 if number % 2 else 0.6))) for number in range(50)), (
        "of 1.2 MB/s"
    )
    assert choice.rose(_links(1.6e6))


def test_a_few_rises_in_a_while_may_be_looked_at() -> None:
    choice = Choice((), "local")
    assert sum(choice.may_look(0.1 * number, 5.0) for number in range(40)) == MOST_LOOKS
    assert choice.may_look(5.1, 5.0)


def test_what_the_way_took_beyond_its_figures_is_forgotten_with_them(book) -> None:
    turner = Turner(book, "board")
    turner.see(_links(1e6))
    for number in range(30):
        turner.way_to("cloud").note("cloud", 0.1, 0.2, 0.1 * number)
    slow = turner.way_to("cloud").seconds("cloud", 0.1, 3.0)
    turner.see(_links(1.1e6))
    assert turner.way_to("cloud").seconds("cloud", 0.1, 3.0) == slow > 0.15
    turner.see(_links(2e6))
    assert turner.way_to("cloud").seconds("cloud", 0.1, 3.0) < 0.12, "but for what has become usual"


@given(st.text(max_size=9), st.text(max_size=9))
def test_spread_is_a_part_of_one_and_the_same_for_the_same_names(one: str, other: str) -> None:
    assert 0.0 <= spread(one, other) <= 1.0
    assert spread(one, other) == spread(one, other)


def test_entries_are_spread_evenly() -> None:
    found = [spread("board", f"r{number}") for number in range(4000)]
    assert 0.22 < sum(one < 0.25 for one in found) / 4000 < 0.28
