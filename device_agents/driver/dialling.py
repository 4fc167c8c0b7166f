"""One link out of several addresses: each is tried a moment after the one before, and the first that answers wins.

Law: knows addresses and links, no peers. After RFC 8305 ("happy eyeballs"): an address that swallows what is sent
to it (a private one of another network, say) costs `STAGGER`, not its whole patience.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from lepton_edge.core.errors import Unavailable
from lepton_edge.link.link import Link
from partitioner.errors import LeptonError

STAGGER = 0.5  # seconds
MOST = 8  # addresses of one peer that are tried


async def first_to_answer(addresses: Sequence[str], dial: Callable[[str], Awaitable[Link]]) -> Link:
    """Return the first link that opens; raise what the last address said when none does."""
    last: LeptonError = Unavailable("no address is known", "is it registered?")
    waiting = list(addresses[:MOST])
    trying: set[asyncio.Task[Link]] = set()
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.create_task(_dialled(waiting.pop(0), dial)))
            done, trying = await asyncio.wait(
                trying, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                error = task.exception()
                if error is None:
                    trying |= done - {task}
                    return task.result()
                if not isinstance(error, LeptonError):
                    raise error
                last = error
    finally:
        await _let_go(trying)
    raise last


async def _dialled(address: str, dial: Callable[[str], Awaitable[Link]]) -> Link:
    return await dial(address)


async def _let_go(trying: set[asyncio.Task[Link]]) -> None:
    """Give up the other addresses; close what has answered all the same."""
    for task in trying:
        task.cancel()
    for found in await asyncio.gather(*trying, return_exceptions=True):
        if not isinstance(found, BaseException):
            await found.close()
