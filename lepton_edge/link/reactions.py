"""Who waits on a link without a task: a function that is called in the very step that brings the outcome.

Law: stands where a future may stand, and knows nothing of links. A task and a future cost an agent two turns of
its event loop for every frame; whoever has nothing else to await need not pay them.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from partitioner.errors import LeptonError

T = TypeVar("T")


class Reaction(Generic[T]):
    """Calls `told(result)` or `failed(error)`, one of them, once; neither after `cancel`. First, `over()` always."""

    def __init__(
        self, told: Callable[[T], None], failed: Callable[[LeptonError], None], over: Callable[[], None]
    ) -> None:
        self._told, self._failed, self._over = told, failed, over
        self._done = False

    def done(self) -> bool:
        """Whether the outcome is known, or nobody wants to."""
        return self._done

    def cancel(self) -> bool:
        """Want no outcome any more; say whether there was none yet."""
        if self._done:
            return False
        self._done = True
        self._over()
        return True

    def set_result(self, result: T) -> None:
        """Tell the result."""
        if self.cancel():
            self._told(result)

    def set_exception(self, error: LeptonError) -> None:
        """Tell why there is none."""
        if self.cancel():
            self._failed(error)


class Held(enum.Enum):
    """What a link's handler returns for a request that still waits: the handler itself calls `Link.release` for it."""

    HELD = enum.auto()


HELD = Held.HELD
Waits = asyncio.Future[T] | Reaction[T]


def tell(waiting: Waits[Any] | None, result: object) -> None:
    """Tell `result` to whoever waits, where somebody does."""
    if waiting is not None and not waiting.done():
        waiting.set_result(result)


def fail(waiting: Waits[Any] | None, error: LeptonError) -> None:
    """Tell `error` to whoever waits, where somebody does."""
    if waiting is not None and not waiting.done():
        waiting.set_exception(error)


def nothing(*_: object) -> None:
    """Do nothing."""
