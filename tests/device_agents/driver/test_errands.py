"""What the driver holds for a request, and that releasing it frees all of it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from device_agents.driver.errands import Errands
from device_agents.driver.holdings import Holdings
from device_agents.engine import Engine, EngineConfig
from device_agents.machine.commands import OpenEpoch, RunSegment
from device_agents.machine.events import EpochKey, WorkKey
from device_agents.store import ArtifactStore
from lepton_edge.core.errors import StaleEpoch
from lepton_edge.core.messages import FetchChunk
from lepton_edge.link.reactions import Reaction
from lepton_edge.wire import tensors
from partitioner.plan import CodecChoice
from tests.device_agents.engine.models import small_model
from tests.device_agents.fleet import book_of

WORK = WorkKey("r", 0, 0, 0, "", 0)
KEY = EpochKey("net", 1)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "model").mkdir()
    return small_model(tmp_path / "model")


@pytest.fixture
async def errands(tmp_path, model):
    """Errands over one open epoch of the small model."""
    book, artifacts = book_of(model)

    async def fetch(request):
        content = artifacts[request.sha256]
        yield FetchChunk(request.offset, len(content), content[request.offset :])

    engine = Engine(EngineConfig(threads=1))
    holdings = Holdings(engine, ArtifactStore(tmp_path / "store", 1 << 30), fetch, lambda *words: None)
    await holdings.open(OpenEpoch(KEY, book, (0, 1)))
    yield Errands(engine, holdings)
    engine.close()


async def run(errands, command):
    """Run a segment to its end."""
    outcome = asyncio.get_running_loop().create_future()
    errands.begin(command, lambda done, error: outcome.set_result((done, error)))
    done, error = await outcome
    assert error is None
    return errands.ran(command, done)


async def test_a_fallback_goes_on_from_what_the_first_run_kept(errands, model) -> None:
    x = model.input()
    forward = (CodecChoice("mid", "f16"),)
    first = RunSegment(WORK, 1, KEY, 0, 1, (tensors.pack("x", x),), forward, keep=("mid",))
    done = await run(errands, first)
    assert [(tensor.name, tensor.codec) for tensor in done.forward] == [("mid", "f16")]
    assert done.outputs == ()
    assert done.timing.compute > 0
    rest = await run(errands, RunSegment(WORK, 2, KEY, 1, 2, outputs=("y",)))
    np.testing.assert_allclose(tensors.unpack(rest.outputs[0]), model.reference(x)["y"], atol=1e-6)


async def test_the_next_request_may_come_when_this_one_computes_no_longer(errands, model) -> None:
    let_go = []
    assert not errands.hold(WORK, lambda: let_go.append("too early"))
    command = RunSegment(WORK, 1, KEY, 0, 2, (tensors.pack("x", model.input()),), outputs=("y",))
    running = asyncio.create_task(run(errands, command))
    await asyncio.sleep(0)
    for link in ("first", "again"):
        assert errands.hold(WORK, lambda link=link: let_go.append(link))
    assert let_go == []
    await running
    assert let_go == ["first", "again"]
    assert not errands.hold(WORK, lambda: let_go.append("too late"))


async def test_an_epoch_that_is_not_open_is_refused_at_once(errands) -> None:
    with pytest.raises(StaleEpoch):
        errands.begin(RunSegment(WORK, 1, EpochKey("net", 2), 0, 2), pytest.fail)


async def test_releasing_stops_what_is_under_way_and_lets_the_caller_go_on(errands) -> None:
    errand = errands.of(WORK)
    given_up = []
    errand.give_up = lambda: given_up.append(1)
    let_go = []
    errands.hold(WORK, lambda: let_go.append(1))
    over = []
    errand.stages["cloud"] = Reaction(over.append, over.append, lambda: over.append("given up"))
    errands.close()
    assert given_up == [1]
    assert over == ["given up"]
    assert let_go == [1]
    assert errands.known(WORK) is None
    errands.release(WORK)  # twice does no harm
