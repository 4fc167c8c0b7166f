"""An event loop in a thread of its own, for callers that have none.

Law: knows asyncio and threads, nothing of clients. Whoever waits here is always let go: by the result, by the
end of the loop, or with an error where there can be no result (another process after a fork, an interpreter that
ends). The thread is a daemon, so that a forgotten client keeps nobody alive.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from lepton_edge.core.errors import RequestError, Unavailable

T = TypeVar("T")
LAST_WORDS = 2.0
"""Seconds that cancelled work gets to end when the loop stops."""


class LoopThread:
    """Runs coroutines of any thread on one event loop until it is stopped."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()  # nothing is handed to a loop that nobody will run any more
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="lepton-edge-client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(_cancel_the_rest())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and return its result; an interrupt of the caller cancels it.

        Raises:
            RequestError: called on the loop's own thread, after a fork, or after `stop`.
            Unavailable: the loop was stopped meanwhile.
        """
        future = self._submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise Unavailable("this client was closed meanwhile", "make a new one") from None
        finally:
            future.cancel()  # nothing where it is done; the way out where the caller was interrupted

    def finish(self, work: Coroutine[Any, Any, object]) -> None:
        """Run `work`, which tidies up, if there is still a loop for it; on the loop's own thread, do not wait."""
        if self._stopped or self._is_elsewhere():
            work.close()
        elif threading.current_thread() is self._thread:
            asyncio.run_coroutine_threadsafe(work, self._loop)
        else:
            self.run(work)

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        refused = self._refusal()
        if refused is None:
            with self._lock:
                if not self._stopped:
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise refused or RequestError("this client is closed", "make a new one")

    def _refusal(self) -> RequestError | None:
        if self._is_elsewhere():
            return RequestError("this client was made in another process", "make one after the fork")
        if threading.current_thread() is self._thread:
            return RequestError("a Client was called from its own event loop", "use AsyncClient there")
        return None

    def _is_elsewhere(self) -> bool:
        """Tell whether the thread is not there: it does not survive a fork, nor the interpreter."""
        return self._process != os.getpid() or sys.is_finalizing()

    def stop(self, wait: bool = True) -> None:
        """End the loop: what still runs is cancelled. Stopping twice is fine."""
        if self._is_elsewhere():
            return
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        if wait and threading.current_thread() is not self._thread:
            self._thread.join(timeout=LAST_WORDS + 3.0)


async def _cancel_the_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=LAST_WORDS)
