"""Peers to keep, epochs to save: what follows from the epochs that are held."""

from __future__ import annotations

import dataclasses

from device_agents.machine.draining import keep_peers, persist
from device_agents.machine.state import DRAINING


def test_both_keep_the_link_between_two_that_share_a_page(world) -> None:
    assert [peer.device for peer in keep_peers(world.agent()).peers] == ["cloud"]
    assert [peer.device for peer in keep_peers(world.agent("cloud")).peers] == ["board"]


def test_a_book_without_a_far_side_needs_no_links(world) -> None:
    book = world.book("local")
    alone = dataclasses.replace(book, pages=book.pages[:1])
    assert keep_peers(world.agent(book=alone)).peers == ()


def test_only_active_epochs_are_saved(world) -> None:
    state = world.agent()
    assert [(saved.epoch, saved.hold) for saved in persist(state).epochs] == [(1, (0, 1, 2, 3, 4))]
    state.epochs[("net", 1)].state = DRAINING
    assert persist(state).epochs == ()
