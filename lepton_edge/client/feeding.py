"""A stream between two worlds: a plain iterable read in a thread, results stepped from another.

Law: threads and asyncio, nothing of clients. The source is stepped in one thread of its own, only when it is
asked for an item, so that one that waits (a camera) delays nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from lepton_edge.core.errors import RequestError

T = TypeVar("T")


class _Outcome:
    """A context that keeps the error that its body ends with, to be raised where somebody waits for it."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None and not isinstance(error, Exception):  # an event loop ends by these
            self.error = RequestError(f"the source of inputs ended with {error!r}", "")
        else:
            self.error = error
        return True


class ThreadedSource(Generic[T]):
    """The items of a plain iterable as an asynchronous iterator; its thread starts with the first one."""

    def __init__(self, source: Iterable[T]) -> None:
        self._source = source
        self._asked: queue.SimpleQueue[asyncio.Future[T] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __aiter__(self) -> ThreadedSource[T]:
        return self

    async def __anext__(self) -> T:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lepton-edge-source", daemon=True)
            self._thread.start()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.put(future)
        return await future

    def stop(self) -> None:
        """End the thread as soon as the source returns; the source is then left to be collected."""
        self._asked.put(None)

    def _run(self) -> None:
        items = self._items()
        while (future := self._asked.get()) is not None:
            item, outcome = None, _Outcome()
            with outcome:
                item = next(items, None)
            with contextlib.suppress(RuntimeError):  # the loop is over: nobody waits
                future.get_loop().call_soon_threadsafe(_settle, future, item, outcome.error)

    def _items(self) -> Iterator[tuple[T]]:
        for item in self._source:
            yield (item,)


def _settle(future: asyncio.Future[T], item: tuple[T] | None, error: Exception | None) -> None:
    if future.done():
        return
    if item is not None:
        future.set_result(item[0])
    else:
        future.set_exception(error or StopAsyncIteration())


class Steps(Generic[T]):
    """Steps an asynchronous generator from elsewhere: a step that was given up ends before the generator is closed."""

    def __init__(self, results: AsyncGenerator[T, None]) -> None:
        self._results = results
        self._turn = asyncio.Lock()

    async def next(self) -> T | None:
        """Return the next result, None at the end."""
        async with self._turn:
            return await anext(self._results, None)

    async def close(self) -> None:
        """Close the generator."""
        async with self._turn:
            await self._results.aclose()
