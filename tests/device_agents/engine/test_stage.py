"""What a request gets is the same alone and in company; its times say what it waited for."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import threading
import time

import numpy as np
import pytest

from device_agents.engine import Engine, EngineConfig, OpenBlocks, Work
from device_agents.engine.driver import SharedTicket, Ticket
from device_agents.engine.stage import Stages
from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.frames import WireTensor
from partitioner.plan import CodecChoice
from tests.device_agents.engine.models import jpeg, small_model

RAW = (CodecChoice("y", "raw"),)


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path, rows="batch")


@pytest.fixture
def engine():
    made = Engine(EngineConfig(threads=1, workers=1, max_batch=4))
    yield made
    made.close()


async def accepted(engine, model, tmp_path):
    x = model.input()
    np.savez(tmp_path / "golden.npz", x=x, **model.reference(x))
    blocks = await engine.open(model.blocks, model.files, model.folder)
    return await engine.accept(blocks, tmp_path / "golden.npz", 1e-3)


def asked(blocks, first, last, given, **more):
    """Return work whose model wants batches of 4, worth it or not."""
    return Work(blocks, first, last, given, **{"max_batch": 4, **more})


async def busy(engine):
    """Occupy the engine; return (task, release)."""
    begun, release = threading.Event(), threading.Event()

    def job(_):
        begun.set()
        release.wait(5)

    task = asyncio.create_task(engine.call(job))
    await asyncio.to_thread(begun.wait, 5)
    return task, release.set


async def together(engine, works):
    """Run all works, which have waited together."""
    task, release = await busy(engine)
    runs = [engine.start(work) for work in works]
    release()
    found = await asyncio.gather(*runs, return_exceptions=True)
    await task
    return found


async def test_blocks_with_a_batch_dimension_are_proven_at_prepare(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    assert [one.by_rows for one in blocks.held.values()] == [False, True, True]


async def test_blocks_that_are_opened_beside_requests_are_proven_too_and_wait_for_none(
    engine, model, tmp_path
):
    known = await accepted(engine, model, tmp_path)
    task, release = await busy(engine)
    golden = tmp_path / "golden.npz"
    opened = await engine.add(model.blocks, model.files, model.folder, golden, 1e-3)
    assert [one.by_rows for one in opened.values()] == [None, None, None]
    proven = await engine.prove_beside(opened, golden, 1e-3)
    assert [one.by_rows for one in proven.values()] == [False, True, True]
    assert proven[1].alone > 0
    assert proven[1].shared > 0
    again = await engine.prove_beside(known.held, golden, 1e-3)
    assert again == known.held, "what is known is not found out again"
    assert await engine.prove_beside(opened, None, 1e-3) == opened, "there is nothing to prove it with"
    release()
    await task


async def test_requests_that_wait_together_run_as_one_and_answer_what_each_would_alone(
    engine, model, tmp_path
):
    blocks = await accepted(engine, model, tmp_path)
    inputs = [model.input(seed) for seed in range(6)]
    works = [asked(blocks, 1, 3, {"x": x}, keep=frozenset({"mid"}), leaving=RAW) for x in inputs]
    found = await together(engine, works)
    assert [done.timings.batch for done in found] == [4, 4, 4, 4, 2, 2]
    for x, done in zip(inputs, found, strict=True):
        expected = model.reference(x)
        np.testing.assert_allclose(done.arrays["mid"], expected["mid"], rtol=1e-5, atol=1e-6)
        y = np.frombuffer(done.wire[0].payload, np.float32).reshape(done.wire[0].shape)
        np.testing.assert_allclose(y, expected["y"], rtol=1e-5, atol=1e-6)


async def test_pictures_are_decoded_one_by_one_and_go_on_alone(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    works = [
        asked(blocks, 0, 1, {"x@encoded": jpeg(40, 30, n)}, keep=frozenset({"x@picture"})) for n in range(3)
    ]
    found = await together(engine, works)
    assert [done.arrays["x@picture"].shape for done in found] == [(30, 40, 3)] * 3
    assert [done.timings.batch for done in found] == [1, 1, 1]


async def test_a_corrupt_request_spoils_nobody_elses(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    x = model.input()
    broken = WireTensor("x", "float32", x.shape, "no-such-codec", b"")
    whole = WireTensor("x", "float32", x.shape, "raw", x.tobytes())
    works = [asked(blocks, 1, 3, {"x": one}, leaving=RAW) for one in (whole, broken, whole)]
    found = await together(engine, works)
    assert isinstance(found[1], CorruptFrame)
    for done in (found[0], found[2]):
        np.testing.assert_allclose(
            np.frombuffer(done.wire[0].payload, np.float32), model.reference(x)["y"][0], rtol=1e-5, atol=1e-6
        )


async def test_codecs_shapes_and_limits_keep_requests_apart(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    x = model.input()
    choices = [CodecChoice("mid", "f16"), CodecChoice("mid", "u8+zstd")]
    works = [asked(blocks, 1, 2, {"x": x}, leaving=(one,)) for one in choices]
    works += [asked(blocks, 1, 3, {"x": np.concatenate([x] * rows)}, leaving=RAW) for rows in (1, 2)]
    works += [asked(blocks, 1, 3, {"x": x}, leaving=RAW, max_batch=1) for _ in range(2)]
    found = await together(engine, works)
    assert [done.timings.batch for done in found] == [1] * 6
    assert [done.wire[0].codec for done in found[:2]] == ["f16", "u8+zstd"]


async def test_a_codec_after_a_batch_sees_each_requests_own_rows(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    inputs = [model.input(seed) * 10.0**seed for seed in range(3)]  # each with a range of its own
    works = [asked(blocks, 1, 2, {"x": x}, leaving=(CodecChoice("mid", "u8"),)) for x in inputs]
    found = await together(engine, works)
    assert {done.timings.batch for done in found} == {3}
    scales = [done.wire[0].scale for done in found]
    assert scales[0] * 5 < scales[1] < scales[2] / 5


async def test_the_time_of_a_batch_is_every_requests_and_what_it_waited_is_told(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    leaving = (CodecChoice("mid", "u8+zstd"),)  # encoding them takes as long as computing
    works = [asked(blocks, 1, 2, {"x": model.input()}, leaving=leaving) for _ in range(4)]
    tickets = [Ticket() for _ in works]
    stages, begin = Stages(engine.codec, slowdown=20.0), time.perf_counter()
    found = stages.run_together(works, tickets, SharedTicket(tickets))
    elapsed = time.perf_counter() - begin
    assert len({done.timings.compute for done in found}) == 1
    assert found[0].timings.batch == 4
    assert all(0.9 * elapsed < done.timings.total <= elapsed for done in found)
    assert sum(done.timings.encode for done in found) < elapsed - found[0].timings.compute


async def test_one_given_up_in_a_batch_leaves_the_others_their_answers(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    task, release = await busy(engine)
    runs = [engine.start(asked(blocks, 1, 3, {"x": model.input()}, leaving=RAW)) for _ in range(3)]
    runs[1].cancel()
    await asyncio.sleep(0)
    release()
    await task
    assert (await runs[0]).timings.batch == (await runs[2]).timings.batch == 2
    assert runs[1].cancelled()


async def test_a_batch_that_saves_too_little_is_not_made_unless_the_model_asks(engine, model, tmp_path):
    blocks = await accepted(engine, model, tmp_path)
    assert all(
        0 < one.shared < math.inf and 0 < one.alone < math.inf for one in list(blocks.held.values())[1:]
    )
    for shared, batch, max_batch in ((0.95, 1, 0), (0.8, 2, 0), (1.5, 2, 4)):
        held = {
            index: dataclasses.replace(one, alone=1.0, shared=shared) if one.by_rows else one
            for index, one in blocks.held.items()
        }
        works = [asked(OpenBlocks(held), 1, 3, {"x": model.input()}, max_batch=max_batch)] * 2
        found = await together(engine, works)
        assert [done.timings.batch for done in found] == [batch] * 2, shared
