"""The transport over links: one warm link, one more try, the right door."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lepton_edge.client.address import Doors
from lepton_edge.client.remote import RemoteTransport
from lepton_edge.core.errors import IncompatibleVersion, Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError
from partitioner.units import RequestId

Answer = Callable[[Frame], Awaitable[Frame]]


def request(**fields: object) -> Frame:
    return Frame(FrameKind.REQUEST, RequestId("ab" * 16), **fields)  # type: ignore[arg-type]


async def answered(frame: Frame) -> Frame:
    return Frame(FrameKind.REPLY, frame.request_id, attempt=frame.attempt)


async def lost(frame: Frame) -> Frame:
    raise Unavailable("the link broke")


class FakeLink:
    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked, self.closed = answer, list[Frame](), asyncio.Event()

    async def request(self, frame: Frame) -> Frame:
        self.asked.append(frame)
        return await self.answer(frame)

    async def close(self) -> None:
        self.closed.set()


class Network:
    """Hands out the given links in order; an error in their place fails that dial."""

    def __init__(self, *links: FakeLink | Exception, entries: tuple[str, ...] = ("a:1",)) -> None:
        self.links, self.doors, self.dialled = list(links), Doors("c:1", entries, ""), list[str]()

    async def find(self, address: str | None) -> Doors:
        return self.doors

    async def dial(self, address: str) -> FakeLink:
        self.dialled.append(address)
        found = self.links.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def transport(self) -> RemoteTransport:
        return RemoteTransport("c:1", self.find, self.dial)


async def test_one_warm_link_serves_all_calls_even_when_they_begin_together() -> None:
    link = FakeLink(answered)
    network = Network(link)
    transport = network.transport()
    await asyncio.gather(*(transport.call(request()) for _ in range(5)))
    assert network.dialled == ["a:1"]
    assert len(link.asked) == 5


async def test_a_broken_link_is_dialled_anew_and_the_same_request_asked_once_more() -> None:
    async def lost_late(frame: Frame) -> Frame:
        await asyncio.sleep(0.05)
        return await lost(frame)

    first, second = FakeLink(lost_late), FakeLink(answered)
    network = Network(first, second)
    await network.transport().call(request(remaining_ms=5000))
    assert len(network.dialled) == 2
    assert second.asked[0].request_id == first.asked[0].request_id
    assert second.asked[0].attempt == first.asked[0].attempt, "the entry recognises the same work"
    assert 0 < second.asked[0].remaining_ms <= 4960, "what the first try took is taken off"


async def test_a_second_loss_is_the_callers_to_know() -> None:
    network = Network(FakeLink(lost), FakeLink(lost), FakeLink(answered))
    with pytest.raises(Unavailable):
        await network.transport().call(request())
    assert len(network.dialled) == 2


async def test_a_request_with_state_is_never_asked_twice() -> None:
    network = Network(FakeLink(lost), FakeLink(answered))
    with pytest.raises(Unavailable):
        await network.transport().call(request(state_position=3))
    assert len(network.dialled) == 1


async def test_a_link_that_closed_while_idle_is_replaced_without_using_up_the_retry() -> None:
    first, second, third = FakeLink(answered), FakeLink(lost), FakeLink(answered)
    network = Network(first, second, third)
    transport = network.transport()
    await transport.call(request())
    first.closed.set()
    await transport.call(request())
    assert len(first.asked) == 1
    assert len(third.asked) == 1


async def test_the_next_entry_is_tried_when_the_first_is_away() -> None:
    network = Network(Unavailable("a is off"), FakeLink(answered), entries=("a:1", "b:1"))
    await network.transport().call(request())
    assert network.dialled == ["a:1", "b:1"]


async def test_a_stand_in_that_does_not_know_the_model_is_not_kept() -> None:
    async def unknown(frame: Frame) -> Frame:
        error = WireError("unknown_model", "cloud serves no model 'net'", fault="caller")
        return Frame(FrameKind.ERROR, frame.request_id, attempt=frame.attempt, error=error)

    stand_in, first = FakeLink(unknown), FakeLink(answered)
    network = Network(Unavailable("hangs"), stand_in, first, entries=("a:1", "b:1"))
    transport = network.transport()
    with pytest.raises(Unavailable, match="a:1: hangs; cloud serves no model"):
        await transport.call(request())
    assert (await transport.call(request())).kind is FrameKind.REPLY, (
        "the first is asked again once it is back"
    )
    network.links[:] = [FakeLink(unknown)]
    first.closed.set()
    told = await transport.call(request())
    assert told.error is not None, "of the right entry, the error is the answer"
    assert stand_in.closed.is_set()
    assert network.dialled == ["a:1", "b:1", "a:1", "a:1"]
    again = await transport.call(request())
    assert again.error is not None
    assert len(network.dialled) == 4, "still the right entry: its link is kept"


async def test_an_entry_that_returns_is_asked_again_by_who_went_elsewhere_meanwhile() -> None:
    async def unknown(frame: Frame) -> Frame:
        error = WireError("unknown_model", "cloud serves no model 'net'", fault="caller")
        return Frame(FrameKind.ERROR, frame.request_id, attempt=frame.attempt, error=error)

    meanwhile, right = FakeLink(unknown), FakeLink(answered)
    network = Network(meanwhile, right, entries=("b:1",))
    transport = network.transport()
    assert (await transport.call(request())).error is not None
    network.doors = Doors("c:1", ("a:1", "b:1"), "")
    assert (await transport.call(request())).kind is FrameKind.REPLY
    assert meanwhile.closed.is_set()
    assert network.dialled == ["b:1", "a:1"]


@pytest.mark.parametrize("code", ["unknown_model", "unavailable"])
async def test_a_model_that_moved_is_followed_within_the_call(code: str) -> None:
    async def moved(frame: Frame) -> Frame:
        network.doors = Doors("c:1", ("b:1", "a:1"), "")
        error = WireError(code, "net is not here any more")
        return Frame(FrameKind.ERROR, frame.request_id, attempt=frame.attempt, error=error)

    old, new = FakeLink(moved), FakeLink(answered)
    network = Network(old, new, entries=("a:1",))
    transport = network.transport()
    assert (await transport.call(request(remaining_ms=5000))).kind is FrameKind.REPLY
    assert new.asked[0].request_id == old.asked[0].request_id
    assert old.closed.is_set()
    assert (await transport.call(request())).kind is FrameKind.REPLY
    assert network.dialled == ["a:1", "b:1"]


async def test_a_request_with_state_does_not_follow() -> None:
    async def moved(frame: Frame) -> Frame:
        network.doors = Doors("c:1", ("b:1",), "")
        error = WireError("unavailable", "net is being taken away")
        return Frame(FrameKind.ERROR, frame.request_id, attempt=frame.attempt, error=error)

    network = Network(FakeLink(moved), FakeLink(answered), entries=("a:1",))
    assert (await network.transport().call(request(state_position=1))).kind is FrameKind.ERROR
    assert network.dialled == ["a:1"]


async def test_no_entry_says_why_for_each() -> None:
    network = Network(Unavailable("off"), IncompatibleVersion("too old"), entries=("a:1", "b:1"))
    with pytest.raises(Unavailable, match=r"a:1: off; b:1: too old"):
        await network.transport().call(request())


async def test_a_coordinator_without_agents_says_what_to_do() -> None:
    with pytest.raises(Unavailable, match="agent start"):
        await Network(entries=()).transport().call(request())


async def test_closing_closes_the_link_and_nothing_is_dialled_after() -> None:
    link = FakeLink(answered)
    network = Network(link, FakeLink(answered))
    transport = network.transport()
    await transport.call(request())
    await transport.close()
    assert link.closed.is_set()
    with pytest.raises(Unavailable, match="closed"):
        await transport.call(request())


async def test_callers_that_give_up_do_not_end_the_dialling() -> None:
    link, open_gate = FakeLink(answered), asyncio.Event()
    network = Network(link)
    quick, begun = network.dial, list[str]()

    async def slow(address: str) -> FakeLink:
        begun.append(address)
        await open_gate.wait()
        return await quick(address)

    transport = RemoteTransport("c:1", network.find, slow)
    for _ in range(3):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(transport.call(request()), 0.01)
    open_gate.set()
    await transport.call(request())
    assert begun == network.dialled == ["a:1"]
