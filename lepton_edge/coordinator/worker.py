"""Worker processes as the coordinator sees them: one job at a time each, a time limit, typed errors.

Law: knows processes and lines, not what a job is. The worker speaks JSON, one object a line (see
`compile.py`); it is started when needed, kept warm, and sent home when idle. A job that is cancelled or late
costs the worker its life, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from lepton_edge.core.errors import ServiceError, from_code
from lepton_edge.core.messages import Progress
from partitioner.errors import Fault
from partitioner.units import Seconds

LINE_LIMIT = 256 << 20  # bytes of one answer; a book of a very large model has some megabytes
IDLE = 120.0  # seconds after which a worker without a job is sent home
COMMAND = (sys.executable, "-m", "lepton_edge.coordinator.compile")
"""What it is told besides: the libraries of custom operators that it may load, DOMAIN=LIBRARY each."""

Json = dict[str, Any]


class Worker:
    """Runs jobs in a process of its own; `time_limit` bounds each, queueing apart."""

    def __init__(self, time_limit: Seconds, command: tuple[str, ...] = COMMAND) -> None:
        self._time_limit = time_limit
        self._command = command
        self._busy = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def run(self, job: Json, progress: Callable[[Progress], None]) -> Json:
        """Return what the worker made of `job`.

        Raises the typed error that the job ended with, or ServiceError when the worker died or was too late.
        """
        async with self._busy:
            if self._idle is not None:
                self._idle.cancel()
            try:
                return await asyncio.wait_for(self._converse(job, progress), self._time_limit)
            except asyncio.TimeoutError as error:
                await self.close()
                raise ServiceError(
                    f"the job ({job.get('kind')}) took longer than {self._time_limit:.0f} s and was stopped",
                    "start the coordinator with a larger worker timeout",
                ) from error
            except asyncio.CancelledError:
                self._kill()
                raise
            finally:
                self._idle = asyncio.get_running_loop().call_later(IDLE, self._send_home)

    async def close(self) -> None:
        """End the worker process, whatever it does."""
        process = self._process
        self._kill()
        if process is not None:
            await process.wait()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()

    def _send_home(self) -> None:
        if not self._busy.locked():
            self._kill()

    async def _converse(self, job: Json, progress: Callable[[Progress], None]) -> Json:
        process = await self._started()
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("the worker was started without pipes")
        try:
            stdin.write(json.dumps(job).encode() + b"\n")
            await stdin.drain()
            while line := await stdout.readline():
                said = json.loads(line)
                if "progress" in said:
                    progress(Progress("", **said["progress"]))
                else:
                    if said.get("dying"):
                        self._kill()  # these were its last words
                    return _result(said)
        except (ConnectionError, ValueError) as error:
            raise await self._death() from error
        raise await self._death()

    async def _started(self) -> asyncio.subprocess.Process:
        process = self._process
        if process is None or process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, limit=LINE_LIMIT
            )
            self._process = process
        return process

    async def _death(self) -> ServiceError:
        """Return the error that says how the worker died."""
        process, self._process = self._process, None
        if process is None:
            return ServiceError("the worker process is gone")
        if process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), 5.0)
            except asyncio.TimeoutError:
                process.kill()
        code = process.returncode
        if code == -9:
            return ServiceError(
                "the worker process was killed, most likely because the machine ran out of memory",
                "give the coordinator more memory, or push a smaller model",
            )
        return ServiceError(f"the worker process ended with exit code {code}", "see the coordinator's log")


class Workers:
    """At most so many workers; who needs one waits while all are busy."""

    def __init__(self, time_limit: Seconds, most: int, command: tuple[str, ...] = COMMAND) -> None:
        self._all = [Worker(time_limit, command) for _ in range(most)]
        self._idle = list(self._all)
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Worker]:
        """Have a worker to oneself: the one that worked last, so that others are not started without need."""
        async with self._free:
            worker = self._idle.pop()
            try:
                yield worker
            finally:
                self._idle.append(worker)

    async def close(self) -> None:
        """End all worker processes, whatever they do."""
        for worker in self._all:
            await worker.close()


def _result(said: Json) -> Json:
    if "error" in said:
        error = said["error"]
        fault = cast(Fault, error["fault"])
        raise from_code(error["code"], error["message"], error["hint"], fault, error["retryable"])
    return cast(Json, said["result"])
