"""Accepting connections on a listening socket, so many at a time, each served by a task of its own.

Law: knows sockets and tasks, and nothing of what is spoken. A process without descriptors tries again a little later
instead of spinning; whoever comes when there is no room is closed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from partitioner.units import Seconds

log = structlog.get_logger("wire")

NEW_TRY = Seconds(1.0)
"""Until somebody is accepted again where the process has no descriptors left."""

Greet = Callable[[socket.socket, Any], Coroutine[Any, Any, None]]


def make_room(descriptors: int) -> None:
    """Ask the system for so many descriptors more than it lets a process have without asking, as far as it may."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows knows no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = soft + descriptors if hard == resource.RLIM_INFINITY else min(hard, 1024 + descriptors)
        if soft != resource.RLIM_INFINITY and wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Accepting:
    """What listens, and who is being served; `name` is for the log, `most` bounds those who are served at a time.

    `greet(connection, address)` is run as a task for each connection, which is its to close. Raises
    NotImplementedError where the event loop cannot watch sockets.
    """

    def __init__(self, listening: socket.socket, name: str, most: int, greet: Greet) -> None:
        self._listening, self._number = listening, listening.fileno()
        self._name, self._most, self._greet = name, most, greet
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._number, self._accept)

    def stop(self) -> None:
        """Accept nobody any more."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._number)
        self._listening.close()

    async def end(self) -> None:
        """End whoever is still being served."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self) -> None:
        try:
            connection, where = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptors: trying again at once would be all that this process does
            log.warning("closed for a moment", what=self._name, error=str(error))
            self._loop.remove_reader(self._number)
            self._retry = self._loop.call_later(NEW_TRY, self._loop.add_reader, self._number, self._accept)
            return
        if len(self._tasks) >= self._most:
            connection.close()
            return
        task = self._loop.create_task(self._greet(connection, where))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
