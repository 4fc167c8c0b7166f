"""A time limit on an await, with the error that it means.

Law: knows asyncio and nothing else. Python 3.11 has `asyncio.timeout`; boards have 3.10.
"""

from __future__ import annotations

import asyncio
from typing import Any

from partitioner.errors import LeptonError


class Timeout:
    """Cancels the body after `seconds` (None: never) and raises `error` in its place."""

    def __init__(self, seconds: float | None, error: LeptonError) -> None:
        self._seconds, self._error = seconds, error
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if self._seconds is not None and task is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire, task)

    def _expire(self, task: asyncio.Task[Any]) -> None:
        self._expired = True
        task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, value: object, trace: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._expired and kind is not None and issubclass(kind, asyncio.CancelledError):
            task = asyncio.current_task()
            uncancel = getattr(task, "uncancel", None)
            if uncancel is not None:
                uncancel()
            raise self._error
