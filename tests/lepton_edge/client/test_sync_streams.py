"""Streams of the plain client: ordinary iterations, from many threads, that leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from lepton_edge.client import Client, MockTransport
from lepton_edge.core.errors import InvalidInput, RequestError
from lepton_edge.core.frames import Frame
from tests.lepton_edge.client.test_sync import echo, interrupted, never


def numbered(count: int) -> Iterator[Any]:
    for number in range(count):
        yield {"x": np.float32([number])}


def sources() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "lepton-edge-source"]


def until_no_source() -> None:
    end = time.monotonic() + 5
    while sources():
        assert time.monotonic() < end, "the source's thread is left"
        time.sleep(0.01)


def test_a_stream_is_an_ordinary_iteration() -> None:
    with Client(transport=MockTransport(echo)) as client:
        results = list(client.stream("net", numbered(30), in_flight=4))
    assert [(result.index, float(result["y"][0])) for result in results] == [(n, n) for n in range(30)]
    until_no_source()


def test_a_camera_that_waits_delays_no_result() -> None:
    more = threading.Event()

    def camera() -> Iterator[Any]:
        yield from numbered(1)
        assert more.wait(5)
        yield from numbered(1)

    with Client(transport=MockTransport(echo)) as client:
        stream = client.stream("net", camera())
        assert next(stream).index == 0
        more.set()
        assert [result.index for result in stream] == [1]


def test_a_reader_who_waits_stops_the_source() -> None:
    taken: list[int] = []

    def source() -> Iterator[Any]:
        for number, given in enumerate(numbered(50)):
            taken.append(number)
            yield given

    with Client(transport=MockTransport(echo)) as client:
        for handed, _ in enumerate(client.stream("net", source(), in_flight=3), 1):
            time.sleep(0.002)
            assert len(taken) - handed <= 3


def test_leaving_a_stream_gives_up_what_is_in_flight() -> None:
    given_up = threading.Semaphore(0)

    async def first_only(frame: Frame) -> Frame:
        if np.frombuffer(frame.tensors[0].payload, np.float32)[0] == 0:
            return echo(frame)
        try:
            return await never(frame)
        finally:
            given_up.release()

    with Client(transport=MockTransport(first_only)) as client:
        for _ in client.stream("net", numbered(20), in_flight=4):
            time.sleep(0.02)
            break
        gc.collect()
        assert all(given_up.acquire(timeout=2) for _ in range(3))
        until_no_source()
        assert client.infer("net", {"x": np.zeros(1, np.float32)})["y"].tolist() == [0], "the client lives on"


def test_what_the_source_raises_reaches_the_reader() -> None:
    def broken() -> Iterator[Any]:
        yield from numbered(2)
        raise OSError("the camera fell off")

    with Client(transport=MockTransport(echo)) as client:
        with pytest.raises(OSError, match="fell off"):
            list(client.stream("net", broken()))
        until_no_source()


@pytest.mark.parametrize("odd", [KeyboardInterrupt, SystemExit, StopIteration])
def test_not_even_an_exit_in_the_source_ends_the_loop(odd: type[BaseException]) -> None:
    class Odd:
        def __iter__(self) -> Iterator[Any]:
            raise odd

    with Client(transport=MockTransport(echo)) as client:
        with pytest.raises((RequestError, RuntimeError)):
            list(client.stream("net", Odd()))
        assert client.infer("net", {"x": np.zeros(1, np.float32)})


def test_a_stream_of_a_closed_client_says_so() -> None:
    client = Client(transport=MockTransport(echo))
    stream = client.stream("net", numbered(20))
    next(stream)
    client.close()
    with pytest.raises(RequestError, match="closed"):
        list(stream)
    with pytest.raises(RequestError, match="closed"):
        list(client.stream("net", numbered(2)))
    until_no_source()


def test_threads_may_stream_side_by_side() -> None:
    def read(client: Client) -> list[int]:
        return [result.index for result in client.stream("net", numbered(50))]

    with Client(transport=MockTransport(echo)) as client, ThreadPoolExecutor(8) as pool:
        assert all(one == list(range(50)) for one in pool.map(read, [client] * 8))


def test_an_asynchronous_source_belongs_to_the_other_client() -> None:
    async def source() -> AsyncIterator[Any]:
        yield {}

    with Client(transport=MockTransport(echo)) as client, pytest.raises(InvalidInput, match="AsyncClient"):
        client.stream("net", source())  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interrupts itself by a POSIX timer")
def test_an_interrupt_of_the_reader_ends_the_stream() -> None:
    cancelled = threading.Semaphore(0)

    async def silent(frame: Frame) -> Frame:
        try:
            return await never(frame)
        finally:
            await asyncio.sleep(0.01)
            cancelled.release()

    with interrupted():
        with Client(transport=MockTransport(silent)) as client:
            with pytest.raises(KeyboardInterrupt):
                list(client.stream("net", numbered(20), in_flight=4))
            assert all(cancelled.acquire(timeout=0.1) for _ in range(4)), "they were waited for"
        until_no_source()
