"""A storm of requests of every fate through two agents: right answers, and afterwards nothing is left over."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter

import numpy as np
import pytest

from device_agents.driver import redialling
from device_agents.machine.state import validate
from lepton_edge.core.frames import FrameKind
from partitioner.errors import LeptonError
from partitioner.plan import QueueRule
from tests.device_agents.engine.models import small_model
from tests.device_agents.fleet import Fleet, answer, ask, book_of

CALLERS, TURNS = 24, 50
PAGES = ("local", "cloud-raw", "cut-1", "cut-1", "no such page")


class Storm:
    """Callers over a few links; every input has an answer of its own, by which mistaken identity would show."""

    def __init__(self, model, links) -> None:
        self.links = links
        self.random = random.Random(5)
        self.inputs = [model.input(seed) for seed in range(8)]
        self.answers = [model.reference(x)["y"] for x in self.inputs]
        self.ends: Counter[str] = Counter()
        self.shared = self.fallbacks = 0

    async def calls(self) -> None:
        """One caller: asks again and again, and gives some of it up."""
        place = self.random.randrange(len(self.links))
        for _ in range(TURNS):
            which = self.random.randrange(len(self.inputs))
            fields = {
                "remaining_ms": self.random.choice((0, 0, 0, 2, 40)),
                "priority": self.random.choice((0, 0, 1)),
            }
            page = self.random.choice(PAGES)
            frame = ask(self.inputs[which], page, secrets.token_hex(16), **fields)
            asking = asyncio.create_task(
                self.links[place].request(frame, self.random.choice((None, None, 0.01)))
            )
            if self.random.random() < 0.2:
                await asyncio.sleep(self.random.random() * 0.03)
                asking.cancel()
            self.ends[await self._end(asking, which)] += 1

    async def _end(self, asking, which) -> str:
        try:
            reply = await asking
        except asyncio.CancelledError:
            return "cancelled"
        except LeptonError as error:
            return f"here: {error.code}"
        if reply.error is not None:
            return reply.error.code
        assert reply.kind is FrameKind.REPLY
        np.testing.assert_allclose(answer(reply), self.answers[which], atol=2e-3)
        self.fallbacks += reply.reason.startswith("fallback")
        self.shared += any(hop.batch > 1 for hop in reply.hops)
        return "answered"


@pytest.fixture
async def fleet(tmp_path):
    made = Fleet(tmp_path)
    await made.puppet.start()
    yield made
    await made.close()


async def deployed(fleet, folder, rule):
    folder.mkdir()
    model = small_model(folder, rows="batch")
    await asyncio.gather(fleet.start("board", workers=2), fleet.start("cloud", workers=2))
    await fleet.registered("board", "cloud")
    book, fleet.puppet.artifacts = book_of(model)
    object.__setattr__(book, "queue", rule)
    outcome = await fleet.puppet.deploy(book, {"cloud": (0, 1), "board": (0, 1)})
    assert outcome.error is None
    await fleet.linked()
    return model


def windows(fleet, links):
    """Return, for each direction in which requests go, what of the peer's window is not there, and what is held."""
    board, cloud = fleet.agents["board"], fleet.agents["cloud"]
    asking = [*links, board.driver.parts.peers.link("cloud")]
    gone = [
        (peer.window_frames - box.credit_frames, peer.window_bytes - box.credit_bytes)
        for peer, box in ((link.peer, link._state.outbox) for link in asking)
    ]
    serving = [*board.driver._numbers, *cloud.driver._numbers]
    held = [(link._state.held, link._serials, link._state.pending) for link in serving]
    return gone, [one for one in held if any(one)]


def left_over(agent):
    """Return what an agent still keeps of requests."""
    state, driver = agent.state, agent.driver
    room = state.room
    kept = (state.works, state.lines.lines, state.lines.waits, room.shares, room.requests, room.size)
    return [*kept, driver.parts.errands._errands, driver._alarms._alive, agent.engine.waiting]


async def assert_nothing_is_left(fleet, links):
    whole = ([(0, 0)] * (len(links) + 1), [])
    nothing = [[{}, {}, 0, {}, 0, 0, {}, {}, 0]] * len(fleet.agents)

    def found():
        return windows(fleet, links), [left_over(agent) for agent in fleet.agents.values()]

    for _ in range(200):  # credits may be back before what was given up has ended
        if found() == (whole, nothing):
            break
        await asyncio.sleep(0.05)
    assert found() == (whole, nothing)
    for agent in fleet.agents.values():
        validate(agent.state)


@pytest.mark.parametrize(
    "rule", [QueueRule(max_batch=4), QueueRule("newest", limit=2, in_flight=2, max_batch=4)], ids=str
)
async def test_after_a_storm_nothing_is_lost_wrong_or_left_over(fleet, tmp_path, rule):
    model = await deployed(fleet, tmp_path / "model", rule)
    links = [await fleet.client() for _ in range(3)]
    storm = Storm(model, links)
    await asyncio.gather(*(storm.calls() for _ in range(CALLERS)))
    assert sum(storm.ends.values()) == CALLERS * TURNS
    expected = {"answered", "cancelled", "unknown_page", "deadline_exceeded", "here: deadline_exceeded"}
    assert expected <= storm.ends.keys(), storm.ends
    assert ("superseded" in storm.ends) == (rule.policy == "newest"), storm.ends
    assert storm.shared, "nothing was computed together"
    await assert_nothing_is_left(fleet, links)


async def cuts(fleet, links) -> None:
    """Break a link every now and then, without a goodbye: the one to the cloud, or a caller's."""
    for turn in range(1_000):
        await asyncio.sleep(0.06)
        if turn % 4 == 3:
            links[0]._stream.end()
            links[0] = await fleet.client()
        elif "cloud" in fleet.agents["board"].state.peers_up:
            fleet.agents["board"].driver.parts.peers.link("cloud")._stream.end()


async def test_links_that_break_in_a_storm_leave_nothing_behind(fleet, tmp_path, monkeypatch):
    monkeypatch.setattr(redialling, "LONGEST_PAUSE", redialling.FIRST_PAUSE)
    model = await deployed(fleet, tmp_path / "model", QueueRule("block", in_flight=8, max_batch=4))
    links = [await fleet.client() for _ in range(3)]
    storm = Storm(model, links)
    cutting = asyncio.create_task(cuts(fleet, links))
    await asyncio.gather(*(storm.calls() for _ in range(CALLERS)))
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)
    assert sum(storm.ends.values()) == CALLERS * TURNS
    assert {"answered", "here: unavailable"} <= storm.ends.keys(), storm.ends
    assert storm.fallbacks, "the board answered where the cloud was lost"
    await fleet.linked()
    await assert_nothing_is_left(fleet, links)
