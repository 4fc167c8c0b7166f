"""Tasks that live as long as their process: one that ends is told of, and begun again, or the process ends with it.

Law: knows nothing of what the tasks do. Pauses between two lives double, `FIRST_PAUSE` to `LONGEST_PAUSE`; a task that
dies `DEATHS` times without living for `WELL` in between is beyond help here: who runs the process starts it anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from lepton_edge.core.errors import ServiceError
from partitioner.units import Seconds

log = structlog.get_logger("coordinator")

FIRST_PAUSE, LONGEST_PAUSE = Seconds(0.1), Seconds(10.0)
DEATHS = 8
WELL = Seconds(60.0)

Work = Callable[[], Awaitable[None]]
Told = Callable[[str, Exception], None]


async def keep(name: str, work: Work, told: Told) -> None:
    """Do `work`, which has no end, until cancelled; tell of each death.

    Raises ServiceError when it dies again and again.
    """
    deaths, loop = 0, asyncio.get_running_loop()
    while True:
        began = loop.time()
        error = await _death(work)
        log.error("a task died", task=name, exc_info=error)
        deaths = 1 if loop.time() - began >= WELL else deaths + 1
        if deaths >= DEATHS:
            raise ServiceError(
                f"the coordinator's {name} died {deaths} times: {type(error).__name__}: {error}",
                "see its log; it ends so that it can be started anew",
            ) from error
        told(name, error)
        await asyncio.sleep(min(FIRST_PAUSE * 2 ** (deaths - 1), LONGEST_PAUSE))


async def _death(work: Work) -> Exception:
    """Do `work` until it ends, and return what it died of; who cancels this cancels it."""
    living = asyncio.ensure_future(work())
    try:
        await asyncio.wait({living})
    finally:
        living.cancel()
    died = living.exception() if not living.cancelled() else asyncio.InvalidStateError("it was cancelled")
    if died is not None and not isinstance(died, Exception):
        raise died
    return died or RuntimeError("it ended, which it should not")
