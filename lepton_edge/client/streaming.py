"""Many inputs, a few in flight: from a source of inputs to their results, with back-pressure both ways.

Law: knows asyncio, and that an input becomes a `Result` by `ask`; nothing of models or networks. At most
`in_flight` inputs are taken from the source and not yet handed over, so a slow reader stops the source, and a
slow model too. Whatever ends the stream (its end, an error, a reader who leaves, cancellation) ends every task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
)
from typing import Any, Literal, TypeAlias

from lepton_edge.client.exchange import Input
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.results import Result

Inputs: TypeAlias = Mapping[str, Input]
Item: TypeAlias = "Inputs | tuple[Inputs, Mapping[str, str]]"
"""The inputs of one request, alone or with the metadata of this one."""
Source: TypeAlias = "AsyncIterable[Item] | Iterable[Item]"
OnError = Literal["raise", "yield"]
Ask = Callable[[int, Item], Coroutine[Any, Any, "Result | None"]]
"""Turns the input at an index into its result; None where there is nothing to hand over."""

IN_FLIGHT = 8
MOST_IN_FLIGHT = 1024


def check_wishes(in_flight: int, on_error: str) -> None:
    """Return where a stream can be had so.

    Raises:
        InvalidInput: it cannot.
    """
    if not 1 <= in_flight <= MOST_IN_FLIGHT:
        raise InvalidInput(f"in_flight is {in_flight}", f"give 1 to {MOST_IN_FLIGHT}")
    if on_error not in ("raise", "yield"):
        raise InvalidInput(f"on_error is {on_error!r}", 'give "raise" or "yield"')


def split(item: Item) -> tuple[Inputs, Mapping[str, str]]:
    """Return the inputs of `item` and its metadata, empty where it has none."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Mapping):
        return item
    return item, {}  # what is no mapping either is refused as `infer` refuses it


async def results(source: Source, ask: Ask, in_flight: int, ordered: bool) -> AsyncGenerator[Result, None]:
    """Yield what `ask` makes of each item of `source`, in their order or as they come.

    Raises:
        Whatever `ask` or the source raises, at its turn and at once respectively; the rest is cancelled.
    """
    flow = _Flow(iterator(source), ask, in_flight, ordered)
    try:
        while not await flow.is_over():
            result = flow.hand_over()
            if result is not None:
                yield result
    finally:
        await flow.close()


def iterator(source: Source) -> AsyncIterator[Item]:
    """Return `source` as an asynchronous iterator; a plain one is stepped where it is.

    Raises:
        InvalidInput: it is neither.
    """
    if isinstance(source, AsyncIterable):
        return aiter(source)
    check_source(source)
    return _stepped(source)


def check_source(source: Iterable[Item]) -> None:
    """Return where `source` can be iterated over, item by item.

    Raises:
        InvalidInput: it cannot, or it is the inputs of one request.
    """
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        raise InvalidInput(
            f"a {type(source).__name__} is no stream of inputs", "give an iterable of mappings, one a request"
        )


async def _stepped(source: Iterable[Item]) -> AsyncGenerator[Item, None]:
    for item in source:
        yield item


class _Flow:
    """The state of one stream: who waits to be handed over, who is being asked, whether there is room."""

    def __init__(self, source: AsyncIterator[Item], ask: Ask, in_flight: int, ordered: bool) -> None:
        self._source, self._ask, self._ordered = source, ask, ordered
        self._room = asyncio.Semaphore(in_flight)
        self._queue: deque[asyncio.Task[Result | None]] = deque()  # in_flight at most
        self._running: set[asyncio.Task[Result | None]] = set()
        self._news = asyncio.Event()
        self._pulling = asyncio.create_task(self._pull())
        self._pulling.add_done_callback(lambda _: self._news.set())

    async def _pull(self) -> None:
        """Take an item from the source whenever there is room, and ask it."""
        index = 0
        while True:
            await self._room.acquire()
            try:
                item = await anext(self._source)
            except StopAsyncIteration:
                return
            self._begin(index, item)
            index += 1

    def _begin(self, index: int, item: Item) -> None:
        task = asyncio.create_task(self._ask(index, item))
        self._running.add(task)
        task.add_done_callback(self._answered)
        if self._ordered:
            self._queue.append(task)

    def _answered(self, task: asyncio.Task[Result | None]) -> None:
        self._running.discard(task)
        if not self._ordered:
            self._queue.append(task)
        self._news.set()

    async def is_over(self) -> bool:
        """Wait until somebody can be handed over, and return False; True where nobody will come.

        Raises:
            What the source raised.
        """
        while True:
            if self._pulling.done() and (error := self._pulling.exception()) is not None:
                raise error
            if self._queue and self._queue[0].done():
                return False
            if self._pulling.done() and not self._running and not self._queue:
                return True
            self._news.clear()
            await self._news.wait()

    def hand_over(self) -> Result | None:
        """Return the result whose turn it is and make room for another, or raise its error."""
        task = self._queue.popleft()
        self._room.release()
        return task.result()

    async def close(self) -> None:
        """End whatever runs, and look at how it ended, so that nobody complains."""
        tasks: list[asyncio.Future[object]] = [self._pulling, *self._running, *self._queue]  # type: ignore[list-item]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
