"""Changes on their way: written before they are told, bounded, and never in the decider's way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from lepton_edge.coordinator import journal
from lepton_edge.coordinator.journal import Journal
from lepton_edge.core.changes import Change
from lepton_edge.core.errors import Overloaded, StorageFull
from lepton_edge.core.messages import ShowEvents


def change(serial: int, **about: Any) -> Change:
    return Change(serial, 1.0, about.pop("kind", "deploy"), "why", **about)


class Book:
    """Where changes are written."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.full = False
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, changes: Sequence[Change]) -> None:
        await self.open.wait()
        if self.full:
            raise StorageFull("full")
        self.batches.append([one.serial for one in changes])


@contextlib.asynccontextmanager
async def running(book: Book) -> AsyncIterator[Journal]:
    kept = Journal(book.write)
    task = asyncio.create_task(kept.run())
    try:
        yield kept
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_comes_while_one_batch_is_written_is_the_next_batch() -> None:
    book = Book()
    book.open.clear()
    async with running(book) as kept:
        kept.add(change(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for serial in (2, 3, 3):
            kept.add(change(serial))
        book.open.set()
        await kept.written()
    assert book.batches == [[1], [2, 3]]


async def test_a_follower_hears_only_what_it_asked_for_and_only_what_is_written() -> None:
    book = Book()
    async with running(book) as kept:
        with kept.following(ShowEvents(follow=True, model="net", kind="turn")) as follower:
            told = follower.changes()
            for one in (
                change(1),
                change(2, kind="turn", model="net"),
                change(3, kind="turn", model="other"),
            ):
                kept.add(one)
            assert (await anext(told)).serial == 2
            assert book.batches, "written first"


async def test_who_reads_too_slowly_is_let_go_and_told_where_to_go_on(monkeypatch: Any) -> None:
    monkeypatch.setattr(journal, "UNREAD", 3)
    async with running(Book()) as kept:
        with kept.following(ShowEvents(follow=True)) as follower:
            for serial in range(1, 9):
                kept.add(change(serial))
            await kept.written()
            told = follower.changes()
            assert [(await anext(told)).serial for _ in range(3)] == [1, 2, 3]
            with pytest.raises(Overloaded, match="faster") as raised:
                await anext(told)
    assert "--since 3" in raised.value.hint


async def test_a_full_disk_loses_changes_and_nothing_else() -> None:
    book = Book()
    book.full = True
    async with running(book) as kept:
        with kept.following(ShowEvents(follow=True)) as follower:
            kept.add(change(1))
            await kept.written()
            book.full = False
            kept.add(change(2))
            await kept.written()
            assert (await anext(follower.changes())).serial == 2, (
                "a serial that was told is never given again"
            )
    assert book.batches == [[2]]


async def test_what_waits_to_be_written_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(journal, "UNWRITTEN", 5)
    book = Book()
    kept = Journal(book.write)
    for serial in range(1, 20):
        kept.add(change(serial))
    await kept.flush()
    assert book.batches == [[15, 16, 17, 18, 19]]


async def test_followers_are_bounded_and_leave(monkeypatch: Any) -> None:
    monkeypatch.setattr(journal, "FOLLOWERS", 1)
    kept = Journal(Book().write)
    with kept.following(ShowEvents()), pytest.raises(Overloaded), kept.following(ShowEvents()):
        pass
    with kept.following(ShowEvents()):
        pass
