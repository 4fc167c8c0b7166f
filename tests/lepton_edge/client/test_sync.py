"""The plain client: the same answers without asyncio, from many threads."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lepton_edge
from lepton_edge.client import AsyncClient, Client, MockTransport, reply
from lepton_edge.core.errors import DeadlineExceeded, RequestError
from lepton_edge.core.frames import Frame


def echo(frame: Frame) -> Frame:
    return reply(frame, {"y": np.frombuffer(frame.tensors[0].payload, np.float32)})


def test_infer_in_a_with_statement() -> None:
    with lepton_edge.Client(transport=MockTransport(echo)) as client:
        result = client.infer("net", {"x": np.ones(2, np.float32)})
    assert result["y"].tolist() == [1, 1]


def test_threads_share_a_client_and_each_gets_its_own_answer() -> None:
    async def slow(frame: Frame) -> Frame:
        await asyncio.sleep(0.02)
        return echo(frame)

    with Client(transport=MockTransport(slow)) as client, ThreadPoolExecutor(16) as pool:
        begun = time.monotonic()
        asked = {
            number: pool.submit(client.infer, "net", {"x": np.float32([number])}) for number in range(16)
        }
        assert all(future.result()["y"].tolist() == [number] for number, future in asked.items())
        assert time.monotonic() - begun < 16 * 0.02, "they wait side by side"


def test_a_deadline_holds_here_too() -> None:
    async def silent(frame: Frame) -> Frame:
        await asyncio.sleep(60)
        return frame

    with Client(transport=MockTransport(silent)) as client, pytest.raises(DeadlineExceeded):
        client.infer("net", {"x": np.ones(1)}, deadline=0.05)


def test_closing_ends_the_thread_and_later_calls_say_so() -> None:
    before = threading.active_count()
    client = Client(transport=MockTransport(echo))
    assert threading.active_count() == before + 1
    client.close()
    client.close()
    assert threading.active_count() == before
    with pytest.raises(RequestError, match="closed"):
        client.infer("net", {"x": np.ones(1)})


def test_both_faces_offer_the_same_calls() -> None:
    def calls(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert calls(Client) == calls(AsyncClient)


def test_the_public_face_is_lazy_and_guarded() -> None:
    assert set(lepton_edge.__all__) == {
        "AsyncClient", "Client", "LeptonError", "LinkChange", "MockTransport", "Result", "Wishes", "__version__",
        "errors",
    }  # fmt: skip
    assert all(getattr(lepton_edge, name) is not None for name in lepton_edge.__all__)
    with pytest.raises(AttributeError, match="Server"):
        lepton_edge.Server  # noqa: B018


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interrupts itself by a POSIX timer")
def test_an_interrupt_of_the_caller_cancels_the_request() -> None:
    cancelled = threading.Event()

    async def silent(frame: Frame) -> Frame:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return frame

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Client(transport=MockTransport(silent)) as client:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                client.infer("net", {"x": np.ones(1)})
            assert cancelled.wait(2)
    finally:
        signal.signal(signal.SIGALRM, before)
