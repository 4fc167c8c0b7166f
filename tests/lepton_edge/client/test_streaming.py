"""Streams: order, back-pressure, errors at their turn, and nothing left behind however they end."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from lepton_edge.client import AsyncClient, MockTransport, failure, reply
from lepton_edge.core.errors import DeadlineExceeded, InvalidInput, LeptonError, Superseded, UnknownModel
from lepton_edge.core.frames import Frame
from lepton_edge.core.results import Result


def item(number: int) -> dict[str, Any]:
    return {"x": np.float32([number])}


def items(count: int) -> list[Any]:
    return [item(number) for number in range(count)]


def number_in(frame: Frame) -> int:
    return int(np.frombuffer(frame.tensors[0].payload, np.float32)[0])


def echo(frame: Frame) -> Frame:
    return reply(frame, {"y": np.float32([number_in(frame)])})


class Agent:
    """Answers after a while; counts who is in flight, and who was given up."""

    def __init__(self, seconds: float = 0.001) -> None:
        self.seconds, self.busy, self.most, self.given_up = seconds, 0, 0, 0
        self.transport = MockTransport(self.answer)
        self.client = AsyncClient(transport=self.transport)

    async def answer(self, frame: Frame) -> Frame:
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await asyncio.sleep(self.seconds * (1 + 9 * random.random()))
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.busy -= 1
        return echo(frame)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    yield
    gc.collect()  # a task that was left, or an error that nobody looked at, complains here


async def alone() -> bool:
    """Tell whether no task but this one is left."""
    for _ in range(5):
        await asyncio.sleep(0)
    return asyncio.all_tasks() == {asyncio.current_task()}


async def test_results_come_in_the_order_of_their_inputs() -> None:
    agent = Agent()
    results = [result async for result in agent.client.stream("net", items(40))]
    assert [int(result["y"][0]) for result in results] == list(range(40))
    assert [result.index for result in results] == list(range(40))
    assert agent.most == 8, "several at a time"
    assert await alone()


async def test_unordered_results_come_as_they_are_ready_and_know_their_input() -> None:
    async def first_is_last(frame: Frame) -> Frame:
        await asyncio.sleep(0.1 if number_in(frame) == 0 else 0)
        return echo(frame)

    client = AsyncClient(transport=MockTransport(first_is_last))
    results = [result async for result in client.stream("net", items(20), ordered=False)]
    assert results[-1].index == 0
    assert sorted(result.index for result in results) == list(range(20))
    assert all(int(result["y"][0]) == result.index for result in results)


async def test_an_empty_source_is_an_empty_stream() -> None:
    assert [result async for result in AsyncClient(transport=MockTransport(echo)).stream("net", [])] == []
    assert await alone()


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_slow_reader_stops_the_source(ordered: bool) -> None:
    taken = handed = 0

    async def source() -> AsyncIterator[Any]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield item(number)

    client = AsyncClient(transport=MockTransport(echo))
    async for _ in client.stream("net", source(), in_flight=4, ordered=ordered):
        handed += 1
        await asyncio.sleep(0.002)
        assert taken - handed <= 4
    assert (taken, handed) == (30, 30)


async def test_a_slow_model_stops_the_source() -> None:
    gate, taken = asyncio.Event(), 0

    async def gated(frame: Frame) -> Frame:
        await gate.wait()
        return echo(frame)

    async def source() -> AsyncIterator[Any]:
        nonlocal taken
        for number in range(10):
            taken += 1
            yield item(number)

    stream = AsyncClient(transport=MockTransport(gated)).stream("net", source(), in_flight=3)
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.02)
    assert taken == 3
    gate.set()
    await first
    assert len([result async for result in stream]) == 9


async def test_a_source_that_waits_delays_no_result() -> None:
    more = asyncio.Event()

    async def camera() -> AsyncIterator[Any]:
        yield item(0)
        await more.wait()
        yield item(1)

    stream = AsyncClient(transport=MockTransport(echo)).stream("net", camera())
    assert (await asyncio.wait_for(anext(stream), 1)).index == 0
    more.set()
    assert (await asyncio.wait_for(anext(stream), 1)).index == 1
    await stream.aclose()


async def test_an_item_may_bring_metadata() -> None:
    pairs = [(item(number), {"file": f"{number}.jpg"}) for number in range(3)]
    client = AsyncClient(transport=MockTransport(echo))
    told = [result.metadata async for result in client.stream("net", pairs)]
    assert told == [{"file": "0.jpg"}, {"file": "1.jpg"}, {"file": "2.jpg"}]


def failing_at(bad: int, error: LeptonError) -> AsyncClient:
    def answer(frame: Frame) -> Frame:
        return failure(frame, error) if number_in(frame) == bad else echo(frame)

    return AsyncClient(transport=MockTransport(answer))


async def test_an_error_is_raised_at_its_turn_and_ends_the_stream() -> None:
    seen: list[int] = []
    with pytest.raises(UnknownModel):  # noqa: PT012 - what came before it is the point
        async for result in failing_at(3, UnknownModel("gone")).stream("net", items(20)):
            seen.append(result.index)
    assert seen == [0, 1, 2]
    assert await alone()


async def test_an_error_may_be_a_result_like_any_other() -> None:
    pairs = [(item(number), {"file": str(number)}) for number in range(6)]
    client = failing_at(3, UnknownModel("gone"))
    results = [result async for result in client.stream("net", pairs, on_error="yield")]
    assert [result.error is None for result in results] == [True, True, True, False, True, True]
    assert (results[3].index, results[3].metadata) == (3, {"file": "3"})
    with pytest.raises(UnknownModel, match="gone"):
        results[3]["y"]


async def test_an_input_that_no_model_takes_is_an_error_of_its_item_only() -> None:
    odd: list[Any] = [item(0), {}, {"x": "text"}, 7, (item(0), 5), item(1)]
    stream = AsyncClient(transport=MockTransport(echo)).stream("net", odd, on_error="yield")
    kinds = [type(result.error) async for result in stream]
    assert kinds == [type(None), *[InvalidInput] * 4, type(None)]


async def test_a_superseded_frame_is_left_out_or_told() -> None:
    client = failing_at(1, Superseded("a newer frame came"))
    assert [result.index async for result in client.stream("net", items(3))] == [0, 2]
    told = [result.error async for result in client.stream("net", items(3), on_error="yield")]
    assert isinstance(told[1], Superseded)


async def test_the_deadline_is_each_ones_own() -> None:
    agent = Agent(0.004)
    results = [result async for result in agent.client.stream("net", items(30), in_flight=2, deadline=0.2)]
    assert len(results) == 30, "together they take longer"
    stream = Agent(1.0).client.stream("net", items(3), deadline=0.02, on_error="yield")
    assert {type(result.error) async for result in stream} == {DeadlineExceeded}


async def broken_source() -> AsyncIterator[Any]:
    for number in range(5):
        yield item(number)
    raise OSError("the camera fell off")


async def test_what_the_source_raises_ends_the_stream_at_once() -> None:
    agent = Agent(10)
    with pytest.raises(OSError, match="fell off"):
        await anext(agent.client.stream("net", broken_source()))
    assert await alone()
    assert (agent.busy, agent.given_up) == (0, 5)


async def leave(stream: Any) -> None:
    async for _ in stream:
        break


async def test_leaving_early_gives_up_what_is_in_flight() -> None:
    agent = Agent(0.05)
    async with aclosing(agent.client.stream("net", items(40), ordered=False)) as stream:
        await leave(stream)
    assert agent.busy == 0
    assert agent.given_up >= 4
    assert await alone()


async def test_leaving_early_without_closing_does_too_when_it_is_collected() -> None:
    agent = Agent(0.05)
    await leave(agent.client.stream("net", items(40)))
    gc.collect()
    await asyncio.sleep(0.01)
    assert agent.busy == 0
    assert await alone()


async def test_cancelling_the_reader_gives_up_what_is_in_flight() -> None:
    agent = Agent(10)

    async def read() -> list[Result]:
        return [result async for result in agent.client.stream("net", items(40))]

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert (agent.busy, agent.given_up) == (0, 8)
    assert await alone()


async def test_a_stream_that_nobody_reads_asks_nothing() -> None:
    transport = MockTransport(echo)
    stream = AsyncClient(transport=transport).stream("net", items(3))
    await asyncio.sleep(0.01)
    assert transport.frames == []
    await stream.aclose()
    assert await alone()


async def test_wishes_that_cannot_be_are_refused_at_once() -> None:
    client = AsyncClient(transport=MockTransport(echo))
    wrong: list[dict[str, Any]] = [{"in_flight": 0}, {"in_flight": 9999}, {"on_error": "ignore"}]
    for options in wrong:
        with pytest.raises(InvalidInput):
            client.stream("net", [], **options)
    for source in ({"x": np.ones(1)}, 7):
        with pytest.raises(InvalidInput, match="no stream of inputs"):
            await anext(client.stream("net", source))  # type: ignore[arg-type]
    assert await alone()


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_each_input_ends_once_and_nothing_is_left(seed: int) -> None:
    """Random paces, failures, windows, orders and ends; the source, the agent and the reader all count."""
    dice = random.Random(seed)
    count, in_flight, ordered = dice.randint(0, 40), dice.randint(1, 9), dice.random() < 0.5
    leaves_after = dice.choice([None, 0, 1, count // 2])
    taken = handed = 0

    async def pause() -> None:
        if dice.random() < 0.5:
            await asyncio.sleep(dice.choice([0, 0, 0.0005, 0.003]))

    async def source() -> AsyncIterator[Any]:
        nonlocal taken
        for number in range(count):
            await pause()
            taken += 1
            assert taken - handed <= in_flight
            yield item(number)

    async def answer(frame: Frame) -> Frame:
        await pause()
        return failure(frame, UnknownModel("gone")) if number_in(frame) % 7 == 3 else echo(frame)

    client = AsyncClient(transport=MockTransport(answer))
    stream = client.stream("net", source(), in_flight=in_flight, ordered=ordered, on_error="yield")
    seen: list[int] = []
    async with aclosing(stream) as results:
        async for result in results:
            handed += 1
            seen.append(result.index)
            assert (result.error is not None) == (result.index % 7 == 3)
            await pause()
            if leaves_after is not None and handed > leaves_after:
                break
    assert len(set(seen)) == len(seen)
    assert not ordered or seen == list(range(len(seen)))
    assert leaves_after is not None or sorted(seen) == list(range(count))
    assert await alone()
