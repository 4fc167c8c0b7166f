"""Two agents, a link between them, and a client: what they answer, also when something is gone."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time

import numpy as np
import pytest

from lepton_edge.core.errors import AlreadyExists
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.messages import Drain, Peer, ProbeCommand, Probed, Rejected, Retire
from lepton_edge.wire import rpc
from partitioner.plan import QueueRule, Stage, TurnRule
from tests.device_agents.engine.models import small_model
from tests.device_agents.fleet import Fleet, answer, ask, book_of


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    return small_model(folder)


@pytest.fixture
async def fleet(tmp_path):
    made = Fleet(tmp_path)
    await made.puppet.start()
    yield made
    await made.close()


@pytest.fixture
async def deployed(fleet, model):
    """Board and cloud with the small model, both holding all of it."""
    await asyncio.gather(fleet.start("board"), fleet.start("cloud"))
    await fleet.registered("board", "cloud")
    book, fleet.puppet.artifacts = book_of(model)
    outcome = await fleet.puppet.deploy(book, {"cloud": (0, 1), "board": (0, 1)})
    assert outcome.error is None
    await fleet.linked()
    return fleet


@pytest.mark.parametrize(
    ("page", "blocks", "tolerance"),
    [
        ("local", [("board", 0, 2)], 1e-6),
        ("cloud-raw", [("board", 0, 0), ("cloud", 0, 2)], 1e-6),
        ("cut-1", [("board", 0, 1), ("cloud", 1, 2)], 1e-3),
        ("", [("board", 0, 1), ("cloud", 1, 2)], 1e-3),
    ],
)
async def test_every_page_answers_what_the_whole_model_answers(deployed, model, page, blocks, tolerance):
    link = await deployed.client()
    x = model.input(seed=5)
    reply = await link.request(ask(x, page))
    np.testing.assert_allclose(answer(reply), model.reference(x)["y"], atol=tolerance)
    assert [(hop.device, hop.first_block, hop.last_block) for hop in reply.hops] == blocks
    assert reply.page == (page or "cut-1")
    assert reply.hops[0].total > 0
    assert len(reply.hops) == 1 or reply.hops[0].network > 0
    await link.close()


async def test_a_lost_cloud_is_answered_for_by_the_board(deployed, model):
    link = await deployed.client()
    x = model.input()
    cloud = deployed.agents["cloud"]
    await cloud.engine.call(lambda ticket: None)
    cloud.driver.parts.errands.begin = lambda command, told: None  # a request that the cloud never ends
    waiting = asyncio.create_task(link.request(ask(x)))
    while not cloud.state.works:
        await asyncio.sleep(0.005)
    for peer in list(cloud.driver._numbers):
        await peer.close()
    reply = await asyncio.wait_for(waiting, 1.0)
    np.testing.assert_allclose(answer(reply), model.reference(x)["y"], atol=1e-6)
    assert (reply.page, reply.reason) == ("local", "fallback: the link to cloud was lost")
    await link.close()


async def test_a_cloud_that_hangs_is_answered_for_by_the_board(deployed, model):
    link = await deployed.client()
    deployed.agents["cloud"].driver.parts.errands.begin = lambda command, told: None
    reply = await asyncio.wait_for(link.request(ask(model.input())), 5.0)
    assert reply.page == "local"
    assert reply.reason.startswith("fallback: cloud did not answer within 0.")
    assert 0.1 < reply.hops[0].total < 0.6, "half the margin, for it is idle, and what is expected"
    await link.close()


async def test_an_agent_that_is_asked_to_end_answers_what_it_accepted(deployed, model):
    link = await deployed.client()
    board, x = deployed.agents["board"], model.input()
    begin = board.driver.parts.errands.begin

    def slowly(command, told):
        asyncio.get_running_loop().call_later(0.3, begin, command, told)

    board.driver.parts.errands.begin = slowly
    waiting = asyncio.create_task(link.request(ask(x, "local")))
    while not board.state.works:
        await asyncio.sleep(0.005)
    await deployed.stop("board")
    np.testing.assert_allclose(answer(await waiting), model.reference(x)["y"], atol=1e-6)
    await link.closed.wait()


async def test_a_caller_that_gives_up_frees_both_devices(deployed, model):
    link = await deployed.client()
    cloud, board = deployed.agents["cloud"], deployed.agents["board"]
    cloud.driver.parts.errands.begin = lambda command, told: None
    waiting = asyncio.create_task(link.request(ask(model.input())))
    while not cloud.state.works:
        await asyncio.sleep(0.005)
    waiting.cancel()
    for _ in range(100):
        await asyncio.sleep(0.01)
        if not cloud.state.works and not board.state.works:
            break
    assert (cloud.state.works, board.state.works) == ({}, {})
    await link.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"model": "other"}, "unknown_model"),
        ({"page": "cut-9"}, "unknown_page"),
        ({"tensors": ()}, "invalid_input"),
    ],
)
async def test_bad_requests_get_one_typed_error(deployed, model, change, code):
    link = await deployed.client()
    reply = await link.request(dataclasses.replace(ask(model.input()), **change))
    assert (reply.kind, reply.error.code, reply.error.device) == (FrameKind.ERROR, code, "board")
    await link.close()


async def test_an_input_that_holds_nan_is_refused_and_costs_nobody_else_anything(deployed, model):
    link = await deployed.client()
    x = np.full((1, 3, 32, 32), np.nan, np.float32)
    reply = await link.request(ask(x, "cut-1"))
    assert (reply.kind, reply.error.code, reply.error.fault) == (FrameKind.ERROR, "invalid_input", "caller")
    assert "'x' holds NaN: 3072 of its values" in reply.error.message
    good = await link.request(ask(model.input(), "cut-1", request_id="good"))
    assert good.kind is FrameKind.REPLY
    await link.close()


async def test_a_board_that_reboots_without_a_network_serves_what_it_has(deployed, model):
    await deployed.stop("board")
    await deployed.stop("cloud")
    await deployed.puppet.stop()
    await deployed.start("board")
    link = await deployed.client()
    x = model.input()
    for _ in range(100):
        reply = await link.request(ask(x))
        if reply.error is None:
            break
        await asyncio.sleep(0.02)
    np.testing.assert_allclose(answer(reply), model.reference(x)["y"], atol=1e-6)
    assert (reply.page, reply.reason) == ("local", "fallback: there is no link to cloud")
    await deployed.puppet.start(deployed.puppet.address)
    await link.close()


async def test_inference_goes_on_while_the_coordinator_restarts(deployed, model):
    link = await deployed.client()
    await deployed.puppet.stop()
    deployed.puppet.hellos.clear()
    reply = await link.request(ask(model.input()))
    assert reply.page == "cut-1"
    await deployed.puppet.start(deployed.puppet.address)
    await deployed.registered("board", "cloud")
    told = deployed.puppet.hellos["board"].epochs
    assert [(status.epoch, status.state) for status in told] == [(1, "active")]
    await link.close()


async def test_an_artifact_that_is_not_what_its_name_says_fails_the_prepare(fleet, model):
    await fleet.start("board")
    await fleet.registered("board")
    book, fleet.puppet.artifacts = book_of(model)
    fleet.puppet.artifacts[book.golden] = b"something else"
    outcome = await fleet.puppet.deploy(book, {"board": (0, 1)})
    assert (outcome.error.code, outcome.error.device) == ("corrupt_frame", "board")


async def test_a_missing_artifact_fails_the_prepare_and_keeps_the_old_epoch(deployed, model):
    link = await deployed.client()
    book, _ = book_of(model)
    broken = dataclasses.replace(book, golden="0" * 64)
    outcome = await deployed.puppet.deploy(broken, {"board": (0, 1)}, epoch=2)
    assert (outcome.error.code, outcome.error.device) == ("not_found", "board")
    assert (await link.request(ask(model.input()))).epoch == 1
    await link.close()


async def test_a_second_epoch_shares_the_open_blocks_and_the_first_retires(deployed, model):
    link = await deployed.client()
    board = deployed.agents["board"]
    book, _ = book_of(model, active="local")
    fetched = len(deployed.puppet.fetched)
    await deployed.puppet.deploy(book, {"cloud": (0, 1), "board": (0, 1)}, epoch=2)
    first, second = board.holdings._open.values()
    assert [one.runner for one in first.blocks.held.values()] == [
        one.runner for one in second.blocks.held.values()
    ]
    assert len(deployed.puppet.fetched) == fetched, "nothing is fetched twice"
    assert (await deployed.puppet.say("board", Drain("d", "net", 1))).error is None
    assert (await deployed.puppet.say("board", Retire("r", "net", 1))).error is None
    reply = await link.request(ask(model.input()))
    assert (reply.epoch, reply.page) == (2, "local")
    assert list(board.state.epochs) == [("net", 2)]
    await link.close()


async def test_a_probe_measures_the_link_to_a_peer(deployed):
    cloud = Peer("cloud", deployed.agents["cloud"].addresses)
    probed = await deployed.puppet.say("board", ProbeCommand("q", cloud, (1 << 10, 1 << 18), 1.0))
    assert isinstance(probed, Probed)
    assert probed.link.up > 10e6
    assert 0 < probed.link.delay_up < 0.01


async def test_telemetry_counts_what_was_served(deployed, model):
    link = await deployed.client()
    await link.request(ask(model.input()))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if deployed.puppet.telemetry["board"].requests_served == 1:
            break
    told = deployed.puppet.telemetry["board"]
    assert (told.requests_served, told.requests_failed, told.requests_active) == (1, 0, 0)
    assert 0 <= told.seconds_since_success < 3
    await link.close()


async def test_an_agent_that_is_refused_ends_with_the_coordinators_error(fleet):
    taken = AlreadyExists("another agent called 'board' is connected", "start this one under another name")
    fleet.puppet.refuse = Rejected(rpc.wire_error(taken))
    await fleet.start("board")
    with pytest.raises(AlreadyExists, match="another agent called"):
        await asyncio.wait_for(fleet.tasks.pop("board"), 5)


async def test_requests_of_several_devices_run_as_one_where_they_wait_for_the_same_blocks(fleet, tmp_path):
    (tmp_path / "rows").mkdir()
    model = small_model(tmp_path / "rows", rows="batch")
    book, fleet.puppet.artifacts = book_of(model)
    names = ("board", "board2", "cloud")
    page = dataclasses.replace(
        book.page("cloud-raw"), stages=(Stage("board", 0, 0), Stage("board2", 0, 0), Stage("cloud", 0, 2))
    )
    book = dataclasses.replace(book, pages=(page,), active=page.name, queue=QueueRule(max_batch=8))
    for name in names:
        await fleet.start(name, workers=1)
    await fleet.registered(*names)
    outcome = await fleet.puppet.deploy(book, {name: (0, 1) for name in names})
    assert outcome.error is None, outcome
    begun, release = threading.Event(), threading.Event()
    cloud = fleet.agents["cloud"]
    gate = asyncio.create_task(cloud.engine.call(lambda _: (begun.set(), release.wait(10))))
    await asyncio.to_thread(begun.wait, 5)
    asked = []
    for turn in range(6):
        name = names[turn % 2]
        await fleet.linked(name)
        link = await fleet.client(name)
        x = model.input(turn)
        asked.append((x, asyncio.create_task(link.request(ask(x, "cloud-raw")))))
    while cloud.engine.waiting < 6:
        await asyncio.sleep(0.01)
    release.set()
    await gate
    for x, task in asked:
        reply = await task
        np.testing.assert_allclose(answer(reply), model.reference(x)["y"], atol=1e-5)
        assert [hop.batch for hop in reply.hops] == [0, 6], "the entries only forwarded"


async def test_a_page_that_a_cloud_with_little_memory_has_not_opened_is_opened_beside_requests(
    fleet, model
) -> None:
    """Requests go by the cut, which is open, until the cloud has opened the rest; none waits, none fails."""
    await asyncio.gather(fleet.start("board"), fleet.start("cloud", memory_limit=1 << 20))
    await fleet.registered("board", "cloud")
    book, fleet.puppet.artifacts = book_of(model)
    quicker = dataclasses.replace(book.pages[1].prediction, board=0.0, latency=0.001)
    dear = dataclasses.replace(book.pages[2].prediction, board=0.5, cloud=0.5, latency=1.0)
    pages = (
        book.pages[0],
        *(
            dataclasses.replace(page, prediction=ahead)
            for page, ahead in zip(book.pages[1:], (quicker, dear), strict=True)
        ),
    )
    book = dataclasses.replace(book, pages=pages, turning=TurnRule(("cloud-raw", "cut-1")))
    await fleet.puppet.deploy(book, {"cloud": (0, 1), "board": (0, 1)})
    await fleet.linked()
    cloud = next(iter(fleet.agents["cloud"].state.epochs.values()))
    assert (cloud.hold, cloud.assigned) == ((1,), (0, 1))
    fetched, link, taken = len(fleet.puppet.fetched), await fleet.client(), []
    end = time.monotonic() + 15.0
    while len(set(taken)) < 2 and time.monotonic() < end:
        x = model.input(seed=len(taken))
        reply = await link.request(ask(x))
        np.testing.assert_allclose(answer(reply), model.reference(x)["y"], rtol=1e-2, atol=1e-2)
        taken.append(reply.page)
    assert taken[0] == "cut-1", "what is open"
    assert taken[-1] == "cloud-raw"
    assert cloud.hold == (0, 1)
    assert len(fleet.puppet.fetched) == fetched, "everything had been fetched"


async def test_a_stage_that_is_asked_about_is_computed_first(deployed):
    """The cloud's engine runs once for all who ask within the minute; one that hangs says nothing."""
    link, cloud = await deployed.client("cloud"), deployed.agents["cloud"]
    begun, begin = [], cloud.driver.parts.errands.begin

    def counted(command, told):
        begun.append(command)
        begin(command, told)

    cloud.driver.parts.errands.begin = counted
    question = Frame(
        FrameKind.REQUEST, "q1", model="net", epoch=1, page="cut-1", first_block=1, outputs=("y",)
    )
    for name in ("q1", "q2"):
        said = await asyncio.wait_for(link.request(question.but(request_id=name)), 5.0)
        assert (said.kind, said.error, said.tensors) == (FrameKind.REPLY, None, ())
    assert [(one.first, one.last) for one in begun] == [(1, 2)]
    assert (cloud.state.tests, cloud.state.served) == ({}, 0)
    cloud.state.epochs["net", 1].memory.ran.clear()
    cloud.driver.parts.errands.begin = lambda command, told: None
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(link.request(question.but(request_id="q3")), 0.3)
    await link.close()
