"""Devices that stand in for others."""

from __future__ import annotations

import dataclasses

from device_agents.machine.replicas import (
    beside,
    frontier_size,
    has_other_way,
    has_stand_in,
    played_by,
)
from partitioner.plan import Replica, Stage


def _book(world):
    return dataclasses.replace(world.book(), replicas=(Replica("cloud-2", "cloud"),))


def test_a_replica_plays_the_stages_of_the_other_one(world) -> None:
    book = _book(world)
    page = book.page("cut-4")
    assert [stage.device for stage in played_by(book, page, "cloud-2").stages] == ["board", "cloud-2"]
    assert played_by(book, page, "cloud") is page
    assert played_by(book, page, "a stranger") is page
    assert played_by(book, book.page("local"), "cloud-2").stages == book.page("local").stages


def test_links_are_kept_between_whoever_may_ask_and_whoever_may_be_asked(world) -> None:
    book = _book(world)
    assert beside(book, "board") == {"cloud", "cloud-2"}
    assert beside(book, "cloud-2") == {"board", "cloud"}
    assert beside(book, "cloud") == {"board", "cloud-2"}
    assert beside(book, "a stranger") == set()
    assert beside(world.book(), "board") == {"cloud"}


def test_who_stands_in_for_whom(world) -> None:
    book = _book(world)
    assert has_stand_in(book, "cloud")
    assert not has_stand_in(book, "board")
    assert not has_stand_in(world.book(), "cloud")


def test_another_way_is_a_page_to_a_device_that_this_one_does_not_lead_to(world) -> None:
    book = world.book()
    page = book.page("cut-4")
    assert not has_other_way(book, page), "cloud-jpeg leads to the same cloud"
    gate = dataclasses.replace(page, name="gate", stages=(Stage("board", 0, 4), Stage("gateway", 4, 5)))
    assert has_other_way(dataclasses.replace(book, pages=(*book.pages, gate)), page)


def test_a_frontiers_bytes_are_the_books(world) -> None:
    book = world.book()
    sized = dataclasses.replace(book.frontiers[4].tensors[0], size=32)
    frontiers = (
        *book.frontiers[:4],
        dataclasses.replace(book.frontiers[4], tensors=(sized,)),
        book.frontiers[5],
    )
    assert frontier_size(dataclasses.replace(book, frontiers=frontiers), 4) == 32
