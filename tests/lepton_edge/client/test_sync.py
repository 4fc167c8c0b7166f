"""The plain client: the same answers without asyncio, from many threads."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lepton_edge
from lepton_edge.client import AsyncClient, Client, MockTransport, failure, reply
from lepton_edge.core.errors import DeadlineExceeded, InvalidInput, RequestError, Unavailable
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


@pytest.mark.parametrize("name", [name for name in vars(AsyncClient) if not name.startswith("_")])
def test_a_call_takes_the_same_in_both_faces(name: str) -> None:
    def taken(kind: type) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(getattr(kind, name)).parameters.values()
        return [(one.name, one.kind, one.default) for one in parameters]

    assert taken(Client) == taken(AsyncClient)


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


# --- streams ----------------------------------------------------------------------------------------------------------


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


def test_retries_can_be_turned_off() -> None:
    transport = MockTransport(lambda frame: failure(frame, Unavailable("gone")))
    with Client(transport=transport, retries=0) as client, pytest.raises(Unavailable):
        client.infer("net", {"x": np.ones(1, np.float32)})
    assert len(transport.frames) == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interrupts itself by a POSIX timer")
def test_an_interrupt_of_the_reader_ends_the_stream() -> None:
    cancelled = threading.Semaphore(0)

    async def silent(frame: Frame) -> Frame:
        try:
            return await never(frame)
        finally:
            await asyncio.sleep(0.01)
            cancelled.release()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Client(transport=MockTransport(silent)) as client:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                list(client.stream("net", numbered(20), in_flight=4))
            assert all(cancelled.acquire(timeout=0.1) for _ in range(4)), "they were waited for"
        until_no_source()
    finally:
        signal.signal(signal.SIGALRM, before)
