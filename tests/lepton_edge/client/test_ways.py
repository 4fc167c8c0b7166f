"""A client of many boards: each model by the entry that has it, one link for all that share an entry."""

from __future__ import annotations

import asyncio

import pytest

from lepton_edge.client import ways
from lepton_edge.client.address import Doors
from lepton_edge.client.remote import MAX_WAYS, RemoteTransport
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError


class Entry:
    """A link to an agent that has some models."""

    def __init__(self, *models: str) -> None:
        self.closed = asyncio.Event()
        self.models = set(models)
        self.asked: list[str] = []

    async def request(self, frame: Frame) -> Frame:
        if self.closed.is_set():
            raise Unavailable("the link broke")
        self.asked.append(frame.model)
        if frame.model in self.models:
            return Frame(FrameKind.REPLY, frame.request_id)
        return Frame(FrameKind.ERROR, frame.request_id, error=WireError("unknown_model", "not here"))

    async def close(self) -> None:
        self.closed.set()


class Fleet:
    """A coordinator that says who serves what, and the entries' links."""

    def __init__(self, **entries: Entry) -> None:
        self.entries = entries
        self.dialled: list[str] = []
        self.silent = False

    async def find(self, address: str | None) -> Doors:
        models = {model for entry in self.entries.values() for model in entry.models}
        serving = tuple(
            (model, tuple(name for name, entry in self.entries.items() if model in entry.models))
            for model in sorted(models)
        )
        return Doors("c:1", tuple(self.entries), "c:1", () if self.silent else serving)

    async def dial(self, entry: str) -> Entry:
        self.dialled.append(entry)
        await asyncio.sleep(0)
        return self.entries[entry]

    def transport(self) -> RemoteTransport:
        return RemoteTransport("c:1", self.find, self.dial)


def ask(model: str) -> Frame:
    return Frame(FrameKind.REQUEST, f"r-{model}", model=model)


async def test_each_model_is_asked_of_the_entry_that_has_it() -> None:
    fleet = Fleet(roof=Entry("birds"), shed=Entry("tools", "cats"))
    transport = fleet.transport()
    for model in ("tools", "birds", "cats", "tools"):
        assert (await transport.call(ask(model))).kind == FrameKind.REPLY
    assert fleet.entries["shed"].asked == ["tools", "cats", "tools"]
    assert fleet.entries["roof"].asked == ["birds"]
    assert sorted(fleet.dialled) == ["roof", "shed"], "models that share an entry share its link"
    await transport.close()
    assert all(entry.closed.is_set() for entry in fleet.entries.values())


async def test_models_asked_at_once_share_the_link_of_their_entry() -> None:
    fleet = Fleet(shed=Entry(*(f"m{i}" for i in range(20))))
    transport = fleet.transport()
    answers = await asyncio.gather(*(transport.call(ask(f"m{i}")) for i in range(20)))
    assert {answer.kind for answer in answers} == {FrameKind.REPLY}
    await transport.close()


async def test_a_model_that_moved_is_followed_and_the_other_models_link_stays() -> None:
    fleet = Fleet(roof=Entry("birds", "cats"), shed=Entry())
    transport = fleet.transport()
    await transport.call(ask("birds"))
    await transport.call(ask("cats"))
    fleet.entries["roof"].models.discard("birds")
    fleet.entries["shed"].models.add("birds")
    assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert not fleet.entries["roof"].closed.is_set(), "the cats are still there"
    assert (await transport.call(ask("cats"))).kind == FrameKind.REPLY
    assert fleet.dialled == ["roof", "shed"]
    await transport.close()


async def test_a_coordinator_that_does_not_say_who_serves_what_is_followed_as_before() -> None:
    fleet = Fleet(roof=Entry("birds"), shed=Entry("tools"))
    fleet.silent = True
    transport = fleet.transport()
    assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert (await transport.call(ask("tools"))).error is not None
    await transport.close()


async def test_a_model_that_no_entry_may_be_asked_for_is_unavailable() -> None:
    fleet = Fleet(roof=Entry("birds"))

    async def kept(address: str | None) -> Doors:
        return Doors("c:1", ("roof",), "c:1", (("secret", ()),))

    transport = RemoteTransport("c:1", kept, fleet.dial)
    with pytest.raises(Unavailable, match="knows no agent that admits requests"):
        await transport.call(ask("secret"))
    assert fleet.dialled == []


async def test_what_a_client_keeps_in_mind_is_bounded() -> None:
    fleet = Fleet(shed=Entry())
    transport = fleet.transport()
    for number in range(MAX_WAYS + 20):
        await transport.call(ask(f"m{number}"))
    assert len(transport._ways) == MAX_WAYS
    await transport.close()


async def test_more_models_asked_at_once_than_are_kept_in_mind_are_all_answered() -> None:
    names = [f"m{number}" for number in range(MAX_WAYS + 20)]
    fleet = Fleet(shed=Entry(*names))
    transport = fleet.transport()
    answers = await asyncio.gather(*(transport.call(ask(name)) for name in names))
    assert {answer.kind for answer in answers} == {FrameKind.REPLY}
    await transport.call(ask("another"))
    assert len(transport._ways) == MAX_WAYS
    await transport.close()


class SlowEntry(Entry):
    """An entry that answers a request named slow when it is let, and one that is asked when its link is closed not."""

    def __init__(self, *models: str) -> None:
        super().__init__(*models)
        self.go, self.held = asyncio.Event(), asyncio.Event()

    async def request(self, frame: Frame) -> Frame:
        if frame.request_id != "slow":
            return await super().request(frame)
        self.held.set()
        going, closing = (asyncio.ensure_future(one.wait()) for one in (self.go, self.closed))
        await asyncio.wait((going, closing), return_when=asyncio.FIRST_COMPLETED)
        if not self.go.is_set():
            raise Unavailable("the link was closed")
        closing.cancel()
        return Frame(FrameKind.REPLY, frame.request_id)


async def _moved_under_a_request() -> tuple[Fleet, RemoteTransport, asyncio.Task[Frame]]:
    """Return a client that followed its model while a request that changes state was under way at the old entry."""
    fleet = Fleet(roof=SlowEntry("birds"), shed=Entry())
    transport, old = fleet.transport(), fleet.entries["roof"]
    assert isinstance(old, SlowEntry)
    slow = asyncio.create_task(
        transport.call(Frame(FrameKind.REQUEST, "slow", model="birds", state_position=0))
    )
    await old.held.wait()
    old.models.discard("birds")
    fleet.entries["shed"].models.add("birds")
    assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    return fleet, transport, slow


async def test_the_link_of_a_model_that_moved_is_closed_after_its_last_answer() -> None:
    fleet, transport, slow = await _moved_under_a_request()
    old = fleet.entries["roof"]
    await asyncio.sleep(0.01)
    assert isinstance(old, SlowEntry)
    assert not old.closed.is_set()
    old.go.set()
    assert (await slow).kind == FrameKind.REPLY
    await asyncio.wait_for(old.closed.wait(), 1)
    await transport.close()


async def test_a_last_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "LAST_ANSWER", 0.02)
    fleet, transport, slow = await _moved_under_a_request()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(slow, 1)
    assert fleet.entries["roof"].closed.is_set()
    await transport.close()


async def test_a_client_that_closes_waits_for_no_last_answer() -> None:
    fleet, transport, slow = await _moved_under_a_request()
    await asyncio.wait_for(transport.close(), 1)
    assert fleet.entries["roof"].closed.is_set()
    with pytest.raises(Unavailable):
        await slow


# --- a client that was given a board's own address ----------------------------------------------------


class Beside(Fleet):
    """The client was given the address of `roof`, which knows a coordinator."""

    home = "roof"

    async def find(self, address: str | None) -> Doors:
        assert address == self.home, "nobody else is asked"
        return Doors(self.home, (self.home,), "c:1")

    def transport(self) -> RemoteTransport:
        return RemoteTransport(self.home, self.find, self.dial)


async def test_the_address_that_was_given_is_asked_while_it_has_the_model() -> None:
    fleet = Beside(shed=Entry("birds"), roof=Entry("birds"))
    transport = fleet.transport()
    for _ in range(3):
        assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert fleet.dialled == ["roof"]
    await transport.close()


async def test_the_boards_own_word_stands_though_another_has_the_model() -> None:
    fleet = Beside(roof=Entry("birds"), shed=Entry("cats"))
    transport = fleet.transport()
    for _ in range(3):
        answer = await transport.call(ask("cats"))
        assert answer.error is not None
        assert answer.error.code == "unknown_model"
    assert fleet.dialled == ["roof"]
    assert not fleet.entries["roof"].closed.is_set()
    await transport.close()
