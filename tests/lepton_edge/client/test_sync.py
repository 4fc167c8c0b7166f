"""The plain client: the same answers without asyncio, from many threads."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lepton_edge
from lepton_edge.client import AsyncClient, Client, MockTransport, failure, reply
from lepton_edge.core.errors import DeadlineExceeded, RequestError, Unavailable
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
        return {name for name in dir(kind) if not name.startswith("_")}

    assert calls(Client) == calls(AsyncClient)


@pytest.mark.parametrize("name", [name for name in dir(AsyncClient) if not name.startswith("_")])
def test_a_call_takes_the_same_in_both_faces(name: str) -> None:
    def taken(kind: type) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(getattr(kind, name)).parameters.values()
        return [(one.name, one.kind, one.default) for one in parameters]

    assert taken(Client) == taken(AsyncClient)


def test_the_public_face_is_lazy_and_guarded() -> None:
    assert set(lepton_edge.__all__) == {
        "AsyncClient", "Client", "LeptonError", "LinkChange", "MockTransport", "Result", "Wishes", "__version__",
        "compress", "errors",
    }  # fmt: skip
    assert all(getattr(lepton_edge, name) is not None for name in lepton_edge.__all__)
    with pytest.raises(AttributeError, match="Server"):
        lepton_edge.Server  # noqa: B018


@contextlib.contextmanager
def interrupted(seconds: float = 0.1) -> Iterator[None]:
    """Raise KeyboardInterrupt in the caller after `seconds`, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interrupts itself by a POSIX timer")
def test_an_interrupt_of_the_caller_cancels_the_request() -> None:
    cancelled = threading.Event()

    async def silent(frame: Frame) -> Frame:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return frame

    with interrupted(), Client(transport=MockTransport(silent)) as client:
        with pytest.raises(KeyboardInterrupt):
            client.infer("net", {"x": np.ones(1)})
        assert cancelled.wait(2)


# --- many threads -----------------------------------------------------------------------------------------------------


def test_thirty_two_threads_get_their_own_answers() -> None:
    async def slow(frame: Frame) -> Frame:
        await asyncio.sleep(0.001)
        return echo(frame)

    def ask(client: Client, thread: int) -> bool:
        asked = [float(thread * 100 + turn) for turn in range(10)]
        return [float(client.infer("net", {"x": np.float32([n])})["y"][0]) for n in asked] == asked

    transport = MockTransport(slow)
    with Client(transport=transport) as client, ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, [client] * 32, range(32)))
    assert len({frame.request_id for frame in transport.frames}) == 320


async def never(frame: Frame) -> Frame:
    await asyncio.sleep(600)
    return frame


def test_closing_lets_go_whoever_waits() -> None:
    client = Client(transport=MockTransport(never), max_in_flight=4)
    ended: list[type] = []

    def ask() -> None:
        try:
            client.infer("net", {"x": np.ones(1, np.float32)})
        except (Unavailable, RequestError) as error:
            ended.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    begun = time.monotonic()
    client.close()
    for thread in threads:
        thread.join(5)
    assert ended == [Unavailable] * 12, "those in flight, and those that wait for a turn"
    assert time.monotonic() - begun < 3


def test_closing_and_calling_at_once_never_hangs() -> None:
    for _ in range(20):
        client = Client(transport=MockTransport(echo))
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(client.infer, "net", {"x": np.ones(1, np.float32)}) for _ in range(8)]
            pool.submit(client.close)
            kinds = {type(one.exception(timeout=10)) for one in asked}
        assert kinds <= {type(None), RequestError, Unavailable}


def test_a_client_does_not_hang_in_a_forked_child_but_says_why() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    script = """
import os, sys
import numpy as np
import lepton_edge
from lepton_edge.client import reply
client = lepton_edge.Client(transport=lepton_edge.MockTransport(lambda frame: reply(frame, {"y": np.ones(1)})))
inputs = {"x": np.ones(1, np.float32)}
client.infer("net", inputs)
child = os.fork()
if child == 0:
    try:
        client.infer("net", inputs)
    except lepton_edge.errors.RequestError as error:
        sys.exit(0 if "another process" in str(error) else 1)
    sys.exit(2)
client.infer("net", inputs)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=30, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_interpreter_ends_whatever_is_left_open() -> None:
    script = """
import threading
import numpy as np
import lepton_edge
from lepton_edge.client import reply

async def answer(frame):
    if frame.model == "never":
        import asyncio
        await asyncio.sleep(600)
    return reply(frame, {"y": np.ones(1)})

def endless():
    while True:
        yield inputs
        import time; time.sleep(0.01)

inputs = {"x": np.ones(1, np.float32)}
client = lepton_edge.Client(transport=lepton_edge.MockTransport(answer))
stream = client.stream("net", endless())
next(stream)
waits = threading.Thread(target=client.infer, args=("never", inputs), daemon=True)
waits.start()
print("done", flush=True)
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], timeout=30, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert time.monotonic() - begun < 10


def test_a_client_that_is_dropped_leaves_no_thread() -> None:
    before = threading.active_count()
    Client(transport=MockTransport(echo)).infer("net", {"x": np.ones(1, np.float32)})
    gc.collect()
    end = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_retries_can_be_turned_off() -> None:
    transport = MockTransport(lambda frame: failure(frame, Unavailable("gone")))
    with Client(transport=transport, retries=0) as client, pytest.raises(Unavailable):
        client.infer("net", {"x": np.ones(1, np.float32)})
    assert len(transport.frames) == 1
