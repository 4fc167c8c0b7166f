"""Which blocks run where."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine.route import Route, entry_page, made_in, route, shortened, wanted_outputs
from partitioner.plan import CodecChoice, OutputSpec


@pytest.mark.parametrize(
    ("page", "boundary", "expected"),
    [
        ("local", 0, Route(0, 5)),
        ("local", 3, Route(3, 5)),
        ("cut-4", 0, Route(0, 4, "cloud", (CodecChoice("mid", "u8+zstd"),))),
        ("cut-4", 3, Route(3, 4, "cloud", (CodecChoice("mid", "u8+zstd"),))),
        ("cloud-encoded", 0, Route(0, 0, "cloud", (CodecChoice("x@encoded", "raw"),))),
        ("cloud-jpeg", 0, Route(0, 2, "cloud", (CodecChoice("x@resized", "jpeg"),))),
        # the cut moves to where the request enters, and what was given travels as it is
        ("cloud-jpeg", 3, Route(3, 3, "cloud", (CodecChoice("x", "raw"),))),
        ("cloud-encoded", 1, Route(1, 1, "cloud", (CodecChoice("x@picture", "raw"),))),
    ],
)
def test_the_board_runs_its_part_and_sends_the_frontier_on(world, page, boundary, expected) -> None:
    book = world.book()
    assert route(book, book.page(page), "board", boundary) == expected


def test_the_cloud_ends_what_it_gets(world) -> None:
    book = world.book()
    assert route(book, book.page("cut-4"), "cloud", 4) == Route(4, 5)
    assert route(book, book.page("cloud-jpeg"), "cloud", 3) == Route(3, 5)


def test_nothing_is_sent_on_when_all_that_is_wanted_is_made_here(world) -> None:
    book = world.book()
    whole = route(book, book.page("cut-4"), "board", 0)
    assert shortened(whole, book, ("mid",)) == Route(0, 4)
    assert shortened(whole, book, ("y@scores",)) == whole


def test_outputs_by_any_of_their_names() -> None:
    specs = [OutputSpec("y", "y@s", "y@i", keep=False), OutputSpec("z")]
    assert wanted_outputs(specs, ()) == ("y@s", "y@i", "z")
    assert wanted_outputs(specs, ("y",)) == ("y@s", "y@i")
    assert wanted_outputs(specs, ("z",)) == ("z",)


def test_outputs_belong_to_the_stage_that_makes_them(world) -> None:
    book = world.book()
    assert made_in(book, ("y@scores", "mid"), 0, 4) == ("mid",)
    assert made_in(book, ("y@scores", "mid"), 4, 5) == ("y@scores",)


def test_an_entry_outside_the_active_page_takes_one_that_it_begins(world) -> None:
    book = world.book()
    assert entry_page(book, "", "board").name == "cut-4"
    assert entry_page(book, "", "cloud").name == "cloud-encoded"
    assert entry_page(book, "cut-4", "cloud").name == "cut-4"
    with pytest.raises(KeyError):
        entry_page(book, "cut-9", "board")


def test_codecs_are_for_the_cut_they_were_chosen_for(world) -> None:
    book = world.book()
    page = book.page("cloud-jpeg")
    both = (*page.stages[0].codecs, CodecChoice("x", "f16"))
    page = dataclasses.replace(
        page, stages=(dataclasses.replace(page.stages[0], codecs=both), page.stages[1])
    )
    assert route(book, page, "board", 3).forward == (CodecChoice("x", "raw"),)
