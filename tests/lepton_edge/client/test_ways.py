"""A client of many boards: each model by the entry that has it, one link for all that share an entry."""

from __future__ import annotations

import asyncio

import pytest

from lepton_edge.client import detour, ways
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

    async def dial(self, entry: str) -> Entry:
        self.entries[entry].closed.clear()
        return await super().dial(entry)

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


def slowed(entry: Entry) -> None:
    """Let each request be under way for a few turns of the loop."""
    held = entry.request

    async def request(frame: Frame) -> Frame:
        for _ in range(3):
            await asyncio.sleep(0)
        answer = await held(frame)
        await asyncio.sleep(0)
        return answer

    entry.request = request  # type: ignore[method-assign]


class Drained(Entry):
    """A board that knows where its coordinator moved its models, for each its address."""

    def __init__(self, *models: str) -> None:
        super().__init__(*models)
        self.moved: dict[str, tuple[str, ...]] = {}

    async def request(self, frame: Frame) -> Frame:
        if frame.model in self.models or frame.model not in self.moved:
            return await super().request(frame)
        self.asked.append(frame.model)
        error = WireError("unavailable", "moved", retryable=True, elsewhere=self.moved[frame.model])
        return Frame(FrameKind.ERROR, frame.request_id, error=error)

    def move(self, model: str, other: Entry, name: str) -> None:
        """Let the coordinator move a model to another entry."""
        self.models.discard(model)
        other.models.add(model)
        self.moved[model] = (name,)


async def test_a_model_that_was_moved_from_a_board_is_followed_within_the_call_and_asked_there_from_then_on() -> (
    None
):
    roof, shed = Drained("birds"), Drained()
    fleet = Beside(roof=roof, shed=shed)
    transport = fleet.transport()
    await transport.call(ask("birds"))
    roof.move("birds", shed, "shed")
    for _ in range(3):
        assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert len(shed.asked) == 3
    assert len(roof.asked) == 2, "it was asked once in vain"
    shed.move("birds", roof, "roof")
    for _ in range(3):
        assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert len(roof.asked) == 5, "and it is asked again when it has its model back"
    await transport.close()


async def test_many_at_a_time_follow_a_model_to_and_fro() -> None:
    roof, shed = Drained("birds"), Drained()
    fleet = Beside(roof=roof, shed=shed)
    transport, errors = fleet.transport(), list[WireError]()

    async def camera(number: int) -> None:
        for turn in range(30):
            for _ in range((7 * number + turn) % 5):
                await asyncio.sleep(0)
            answer = await transport.call(ask("birds"))
            errors.extend([answer.error] if answer.error is not None else [])

    async def drain() -> None:
        for left, entered, name in ((roof, shed, "shed"), (shed, roof, "roof"), (roof, shed, "shed")):
            for _ in range(60):
                await asyncio.sleep(0)
            left.move("birds", entered, name)

    for entry in fleet.entries.values():
        slowed(entry)
    await asyncio.gather(drain(), *(camera(number) for number in range(12)))
    assert errors == []
    assert len(fleet.dialled) < 12, "nobody goes to and fro for each of them"
    await transport.close()


async def test_a_board_that_only_starts_anew_is_not_left() -> None:
    fleet = Beside(roof=Drained("birds"), shed=Entry("birds"))
    transport = fleet.transport()
    await transport.call(ask("birds"))
    fleet.entries["roof"].models.discard("birds")
    answer = await transport.call(ask("birds"))
    assert answer.error is not None
    assert answer.error.code == "unknown_model"
    fleet.entries["roof"].models.add("birds")
    assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert (fleet.dialled, fleet.entries["shed"].asked) == (["roof"], [])
    await transport.close()


async def test_only_the_model_that_moved_is_asked_elsewhere() -> None:
    roof, shed = Drained("birds", "cats"), Entry("cats")
    fleet = Beside(roof=roof, shed=shed)
    transport = fleet.transport()
    roof.move("birds", shed, "shed")
    for model in ("cats", "birds", "cats", "birds"):
        assert (await transport.call(ask(model))).kind == FrameKind.REPLY
    assert shed.asked == ["birds", "birds"]
    assert sorted(fleet.dialled) == ["roof", "shed"], "the cats' link stays"
    await transport.close()


async def test_one_is_followed_in_a_call_and_the_next_one_in_the_next() -> None:
    roof, shed, attic = Drained("birds"), Drained("birds"), Entry()
    fleet = Beside(roof=roof, shed=shed, attic=attic)
    transport = fleet.transport()
    roof.move("birds", shed, "shed")
    shed.move("birds", attic, "attic")
    answer = await transport.call(ask("birds"))
    assert answer.error is not None
    assert answer.error.elsewhere == ("attic",)
    assert attic.asked == []
    assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    await transport.close()


async def test_entries_that_send_a_client_round_in_circles_end_with_an_error() -> None:
    roof, shed = Drained(), Drained()
    roof.moved["birds"], shed.moved["birds"] = ("shed",), ("roof",)
    fleet = Beside(roof=roof, shed=shed)
    transport = fleet.transport()
    for _ in range(4):
        assert (await transport.call(ask("birds"))).error is not None
    assert len(roof.asked) + len(shed.asked) == 8, "twice a call"
    await transport.close()


async def test_where_the_other_cannot_be_reached_the_boards_own_word_stands() -> None:
    roof = Drained("birds")
    fleet = Beside(roof=roof)
    transport = fleet.transport()
    dial = fleet.dial

    async def cut_off(entry: str) -> Entry:
        if entry == "shed":
            raise Unavailable("no route")
        return await dial(entry)

    transport._links._dial = cut_off
    roof.move("birds", Entry(), "shed")
    answer = await transport.call(ask("birds"))
    assert answer.error is not None
    assert (answer.error.code, answer.error.elsewhere) == ("unavailable", ("shed",))
    roof.models.add("birds")
    assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    await transport.close()


async def test_what_has_state_is_sent_nowhere_else() -> None:
    roof, shed = Drained("birds"), Entry()
    fleet = Beside(roof=roof, shed=shed)
    transport = fleet.transport()
    roof.move("birds", shed, "shed")
    answer = await transport.call(Frame(FrameKind.REQUEST, "r", model="birds", state_position=3))
    assert answer.error is not None
    assert (fleet.dialled, shed.asked) == (["roof"], [])
    await transport.close()


async def test_a_client_of_the_coordinator_asks_that_and_no_board_where_to_go() -> None:
    roof, shed, attic = Drained(), Entry("birds"), Entry("birds")
    fleet = Fleet(roof=roof, shed=shed, attic=attic)
    fleet.silent = True
    transport = fleet.transport()
    roof.moved["birds"] = ("attic",)
    assert (await transport.call(ask("birds"))).error is not None
    assert attic.asked == []
    await transport.close()


async def test_after_a_while_the_board_itself_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detour, "LASTS", 0.05)
    roof, shed = Drained("birds"), Entry("birds")
    fleet = Beside(roof=roof, shed=shed)
    transport = fleet.transport()
    roof.move("birds", shed, "shed")
    await transport.call(ask("birds"))
    roof.models.add("birds")
    before = len(roof.asked)
    await asyncio.sleep(0.06)
    assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert len(roof.asked) == before + 1
    await transport.close()


async def test_while_the_board_is_away_its_last_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detour, "LASTS", 0.02)
    roof, shed = Drained("birds"), Entry("birds")
    fleet = Beside(roof=roof, shed=shed)
    transport = fleet.transport()
    roof.move("birds", shed, "shed")
    await transport.call(ask("birds"))

    looked = 0

    async def away(address: str | None) -> Doors:
        nonlocal looked
        looked += 1
        raise Unavailable("nobody answers")

    transport._find = away  # type: ignore[assignment]
    for _ in range(3):
        await asyncio.sleep(0.03)
        monkeypatch.setattr(detour, "LASTS", 60.0 if looked else 0.02)
        for _ in range(5):
            assert (await transport.call(ask("birds"))).kind == FrameKind.REPLY
    assert 1 <= looked <= 7, "it is not looked for at each request"
    await transport.close()
