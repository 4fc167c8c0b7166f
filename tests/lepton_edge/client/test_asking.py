"""One request until it is answered: tries under one id, within the deadline, on one loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest

from lepton_edge.client import AsyncClient, MockTransport, asking, failure, reply
from lepton_edge.core.errors import DeadlineExceeded, InvalidInput, Overloaded, RequestError, Unavailable
from lepton_edge.core.frames import Frame

X = {"x": np.ones(3, np.float32)}


def refusing(times: int, error: Unavailable | Overloaded | InvalidInput, far: bool = True) -> MockTransport:
    """Return a transport that refuses `times`, by an ERROR frame or as a broken link, and then answers."""

    def answer(frame: Frame) -> Frame:
        if len(transport.frames) > times:
            return reply(frame, {"y": np.ones(1)})
        if not far:
            raise error
        return failure(frame, error)

    transport = MockTransport(answer)
    return transport


async def test_a_refused_request_is_tried_again_as_another_attempt_under_its_id() -> None:
    transport = refusing(2, Overloaded("full"))
    result = await AsyncClient(transport=transport).infer("net", X)
    assert {frame.request_id for frame in transport.frames} == {result.request_id}
    assert [frame.attempt for frame in transport.frames] == [0, 1, 2]
    assert result.hops[0].queue > 0.1, "what the tries took is told"
    assert result.latency > 0.1


async def test_after_a_broken_link_it_is_the_same_attempt_which_the_entry_recognises() -> None:
    transport = refusing(1, Unavailable("broken"), far=False)
    await AsyncClient(transport=transport).infer("net", X)
    assert [frame.attempt for frame in transport.frames] == [0, 0]


async def test_tries_are_counted_and_the_last_error_stands() -> None:
    transport = refusing(9, Overloaded("full", "slow down"))
    with pytest.raises(Overloaded, match="slow down"):
        await AsyncClient(transport=transport, retries=2).infer("net", X)
    assert len(transport.frames) == 3


async def test_without_retries_the_error_comes_at_once() -> None:
    transport = refusing(9, Unavailable("gone"))
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        await AsyncClient(transport=transport, retries=0).infer("net", X)
    assert time.monotonic() - begun < 0.05
    assert len(transport.frames) == 1


async def test_who_looked_long_for_somebody_does_not_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONG_TRY", 0.02)

    async def blackhole(frame: Frame) -> Frame:
        await asyncio.sleep(0.05)
        raise Unavailable("nobody answers")

    transport = MockTransport(blackhole)
    with pytest.raises(Unavailable):
        await AsyncClient(transport=transport).infer("net", X)
    assert len(transport.frames) == 1


async def test_the_callers_own_fault_is_never_tried_again() -> None:
    transport = refusing(9, InvalidInput("wrong"))
    with pytest.raises(InvalidInput):
        await AsyncClient(transport=transport).infer("net", X)
    assert len(transport.frames) == 1


async def test_a_try_has_what_is_left_of_the_deadline() -> None:
    transport = refusing(1, Overloaded("full"))
    await AsyncClient(transport=transport).infer("net", X, deadline=5)
    first, second = (frame.remaining_ms for frame in transport.frames)
    assert first - 101 <= second <= first - 49


async def test_a_try_that_cannot_be_in_time_is_not_waited_for() -> None:
    error = Overloaded("full")
    error.retry_after = 60
    transport = MockTransport(_raising(error))
    begun = time.monotonic()
    with pytest.raises(Overloaded):
        await AsyncClient(transport=transport).infer("net", X, deadline=5)
    assert time.monotonic() - begun < 0.5


async def test_the_deadline_ends_the_tries_too() -> None:
    async def slow(frame: Frame) -> Frame:
        await asyncio.sleep(0.05)
        return failure(frame, Unavailable("gone"))

    begun = time.monotonic()
    with pytest.raises((DeadlineExceeded, Unavailable)):
        await AsyncClient(transport=MockTransport(slow), retries=1000).infer("net", X, deadline=0.4)
    assert time.monotonic() - begun < 0.45


def _raising(error: Exception) -> Callable[[Frame], Frame]:
    def answer(frame: Frame) -> Frame:
        raise error

    return answer


async def test_one_who_waits_to_try_again_is_in_nobodys_way() -> None:
    async def answer(frame: Frame) -> Frame:
        return reply(frame, {}) if frame.model == "good" else failure(frame, Overloaded("full"))

    client = AsyncClient(transport=MockTransport(answer), max_in_flight=1)
    waiting = asyncio.create_task(client.infer("bad", X))
    await asyncio.sleep(0.01)
    begun = time.monotonic()
    await client.infer("good", X)
    assert time.monotonic() - begun < 0.04
    with pytest.raises(Overloaded):
        await waiting


async def test_a_client_that_is_closed_tries_no_more() -> None:
    transport = refusing(9, Unavailable("gone"), far=False)
    client = AsyncClient(transport=transport, retries=9)
    asked = asyncio.create_task(client.infer("net", X))
    await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(Unavailable):
        await asked
    assert len(transport.frames) <= 2


def test_a_client_belongs_to_the_loop_that_used_it_first() -> None:
    client = AsyncClient(transport=MockTransport(lambda frame: reply(frame, {})))
    asyncio.run(client.infer("net", X))
    for use in (client.infer("net", X), client.models(), client.close()):
        with pytest.raises(RequestError, match=r"another event loop.*share one Client"):
            asyncio.run(use)  # type: ignore[arg-type]
