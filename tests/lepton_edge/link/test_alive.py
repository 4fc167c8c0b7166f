"""Half-open connections are noticed within seconds, and slow ones are not taken for them.

The limits here are a quarter of the real ones, so that the tests are quick; `test_machine` holds the real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import FrameKind
from lepton_edge.core.links import Limits
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import link_handlers
from lepton_edge.link.shape import Direction, Proxy
from lepton_edge.wire import rpc
from tests.lepton_edge.link.test_link import AGENT, CLIENT, describe, echo, ignore, request

QUICK = Limits(suspect_after=0.25, lost_after=1.0, idle_probe=0.75, dead_after=2.0)  # type: ignore[arg-type]
HELD = "held"
FAR_SIDE = """
import asyncio
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import rpc
from tests.lepton_edge.link.test_link import AGENT, describe, echo

async def hold(link, frame):
    if frame.model == "held":
        await asyncio.sleep(60)
    await echo(link, frame)

async def main():
    server, address = await rpc.open_server("127.0.0.1:0", link_handlers(AGENT, hold, describe))
    print(address, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@contextlib.contextmanager
def far_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen([sys.executable, "-c", FAR_SIDE], stdout=subprocess.PIPE, text=True) as far:
        try:
            assert far.stdout
            yield far, far.stdout.readline().strip()
        finally:
            far.kill()


async def test_a_peer_that_is_frozen_with_a_request_pending_is_lost_within_seconds() -> None:
    with far_process() as (far, address):
        link = await dial(address, CLIENT, ignore, QUICK)
        waiting = asyncio.create_task(link.request(request(10, model=HELD)))
        await asyncio.sleep(0.1)
        assert (await link.request(request(10), 5)).kind is FrameKind.REPLY
        begun = time.monotonic()
        far.send_signal(signal.SIGSTOP)
        with pytest.raises(Unavailable, match="not heard"):
            await asyncio.wait_for(waiting, 5)
        assert 0.7 < time.monotonic() - begun < 2.5
        await link.close()


async def test_a_peer_that_computes_for_long_is_not_lost() -> None:
    with far_process() as (_, address):
        link = await dial(address, CLIENT, ignore, QUICK)
        waiting = asyncio.create_task(link.request(request(10, model=HELD)))
        await asyncio.sleep(2.5)
        assert not link.closed.is_set()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await link.close()


class Shaped:
    """A link over a slow wire of which both ends and the wire are at hand."""

    def __init__(self, link: Link, wire: Proxy) -> None:
        self.link, self.wire = link, wire


@contextlib.asynccontextmanager
async def over(rate: float, delay: float) -> AsyncIterator[Shaped]:
    """Give a link over a wire of `rate` Mbit/s and `delay` milliseconds one way."""
    server, address = await rpc.open_server("127.0.0.1:0", link_handlers(AGENT, echo, describe, limits=QUICK))
    wire = Proxy(("127.0.0.1", 0), rpc.split_address(address), Direction(rate, delay), Direction(rate, delay))
    stop = threading.Event()
    mover = threading.Thread(target=lambda: [wire.turn(0.02) for _ in iter(stop.is_set, True)], daemon=True)
    mover.start()
    try:
        link = await dial(wire.address, CLIENT, ignore, QUICK)
        yield Shaped(link, wire)
        await link.close()
    finally:
        stop.set()
        mover.join()
        wire.close()
        await server.stop(None)


async def test_a_slow_link_with_much_under_way_is_not_lost_and_small_frames_pass() -> None:
    async with over(2.0, 40) as shaped:
        link = shaped.link
        assert (await link.request(request(10), 5)).kind is FrameKind.REPLY
        large = asyncio.create_task(link.request(request(500_000), 20))  # 2.1 s there, and as long back
        await asyncio.sleep(1.2)  # until the rate is known
        waits = []
        for _ in range(4):
            begun = time.monotonic()
            await link.request(request(10), 5)
            waits.append(time.monotonic() - begun)
        assert (await large).kind is FrameKind.REPLY
        assert max(waits) < 1.0
        known = await link.refreshed(age=0)
        assert known.up == pytest.approx(2e6 / 8 / 1.046, rel=0.3)
        assert known.down == pytest.approx(2e6 / 8 / 1.046, rel=0.5)
        assert 0.08 <= known.rtt_least < 0.16


@pytest.mark.parametrize(("pending", "seconds"), [(True, 1.0), (False, 2.0)])
async def test_a_link_that_is_cut_is_lost_within_seconds(pending: bool, seconds: float) -> None:
    async with over(50.0, 5) as shaped:
        link = shaped.link
        for _ in range(3):
            await link.request(request(1000), 5)
        shaped.wire.change("0,0")
        begun = time.monotonic()
        if pending:
            with pytest.raises(Unavailable, match="not heard"):
                await link.request(request(1000), 10)
        await asyncio.wait_for(link.closed.wait(), 10)
        assert time.monotonic() - begun < seconds + 1.5


async def test_a_link_that_is_cut_for_a_moment_lives_on() -> None:
    async with over(50.0, 5) as shaped:
        waiting = asyncio.create_task(shaped.link.request(request(300_000), 10))
        await asyncio.sleep(0.02)
        shaped.wire.change("0,0")
        await asyncio.sleep(0.4)
        shaped.wire.change("50,5")
        assert (await waiting).kind is FrameKind.REPLY
        assert not shaped.link.closed.is_set()


async def test_an_estimate_that_is_too_old_is_refreshed_by_a_probe() -> None:
    async with over(20.0, 10) as shaped:
        link = shaped.link
        assert link.estimate().up == 0
        known = await link.refreshed(size=100_000)
        for _ in range(3):  # the round trip is that of now: a busy machine was late, and is not the next time
            if abs(known.rtt_least - 0.02) > 0.01:
                known = await link.refreshed(age=-1.0, size=100_000)
        assert known.up == pytest.approx(20e6 / 8 / 1.046, rel=0.35)
        assert known.rtt_least == pytest.approx(0.02, abs=0.01)
        assert (
            await link.refreshed(age=60) == pytest.approx(known) or link.estimate().samples == known.samples
        )
