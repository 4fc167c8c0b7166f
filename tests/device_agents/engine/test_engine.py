"""The engine runs ranges of blocks, times them, and answers wrong input with typed errors."""

from __future__ import annotations

import asyncio
import dataclasses
import time

import numpy as np
import pytest

from device_agents.engine import Engine, EngineConfig, OpenBlock, OpenBlocks, Work
from device_agents.engine.driver import Cancelled
from lepton_edge.core.errors import ComputeFailed, InvalidInput, Overloaded, PrepareFailed, Unavailable
from partitioner.errors import InvalidModel, ModelTooLarge, UnsupportedOperator
from partitioner.plan import Block, CodecChoice, TensorSpec
from tests.device_agents.engine.models import jpeg, small_model


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path)


@pytest.fixture
def engine():
    made = Engine(EngineConfig(threads=1, workers=1))
    yield made
    made.close()


async def test_a_range_computes_what_the_whole_model_computes(engine, model):
    blocks = await engine.open(model.blocks, model.files, model.folder)
    x = model.input()
    done = await engine.run(Work(blocks, 1, 3, {"x": x}, keep=frozenset({"y"})))
    np.testing.assert_allclose(done.arrays["y"], model.reference(x)["y"], rtol=1e-5, atol=1e-6)
    assert set(done.arrays) == {"y"}
    assert len(blocks.opened) == 3


async def test_two_devices_with_a_codec_between_them_answer_the_same(engine, model):
    blocks = await engine.open(model.blocks, model.files, model.folder)
    x = model.input()
    first = await engine.run(Work(blocks, 1, 2, {"x": x}, leaving=(CodecChoice("mid", "u8+zstd"),)))
    assert first.wire[0].codec == "u8+zstd"
    assert len(first.wire[0].payload) < model.reference(x)["mid"].nbytes / 3
    second = await engine.run(Work(blocks, 2, 3, {"mid": first.wire[0]}, keep=frozenset({"y"})))
    np.testing.assert_allclose(second.arrays["y"], model.reference(x)["y"], atol=0.02)
    assert first.timings.encode > 0
    assert second.timings.decode > 0


async def test_what_was_given_can_be_kept_for_the_fallback(engine, model):
    blocks = await engine.open(model.blocks, model.files, model.folder)
    x = model.input()
    done = await engine.run(Work(blocks, 1, 2, {"x": x}, keep=frozenset({"x", "mid"})))
    assert set(done.arrays) == {"x", "mid"}


async def test_an_empty_range_only_forwards(engine, model):
    blocks = await engine.open([], {}, None)
    done = await engine.run(Work(blocks, 1, 1, {"x": model.input()}, leaving=(CodecChoice("x", "f16"),)))
    assert done.wire[0].codec == "f16"
    assert done.timings.compute == 0.0


async def test_a_picture_is_decoded_by_its_pseudo_block(engine, model):
    blocks = await engine.open(model.blocks, model.files, model.folder)
    done = await engine.run(Work(blocks, 0, 1, {"x@encoded": jpeg(40, 30)}, keep=frozenset({"x@picture"})))
    assert done.arrays["x@picture"].shape == (30, 40, 3)
    assert done.arrays["x@picture"].dtype == np.uint8


async def test_bytes_that_are_no_picture_are_the_callers_fault(engine, model):
    blocks = await engine.open(model.blocks, model.files, model.folder)
    with pytest.raises(InvalidInput):
        await engine.run(Work(blocks, 0, 1, {"x@encoded": np.frombuffer(b"no picture", np.uint8)}))


@pytest.mark.parametrize(
    "given",
    [{}, {"x": np.zeros((1, 3, 32, 32), np.float64)}, {"x": np.zeros((1, 4, 32, 32), np.float32)},
     {"x": np.zeros((3,), np.float32)}],
    ids=["missing", "dtype", "channels", "rank"],
)  # fmt: skip
async def test_wrong_tensors_are_the_callers_fault(engine, model, given):
    blocks = await engine.open(model.blocks, model.files, model.folder)
    with pytest.raises(InvalidInput):
        await engine.run(Work(blocks, 1, 2, given))


async def test_a_block_that_is_not_held_is_ours(engine, model):
    blocks = await engine.open(model.blocks[:2], model.files, model.folder)
    with pytest.raises(ComputeFailed, match="not held"):
        await engine.run(Work(blocks, 1, 3, {"x": model.input()}))


async def test_a_broken_block_file_is_a_typed_error(engine, model):
    model.files[1].write_bytes(b"not onnx")
    with pytest.raises((InvalidModel, PrepareFailed)):
        await engine.open(model.blocks, model.files, model.folder)


async def test_missing_weights_are_a_typed_error(engine, model):
    (model.folder / "weights.bin").unlink()
    with pytest.raises(PrepareFailed):
        await engine.open(model.blocks, model.files, model.folder)


async def test_an_unknown_operator_is_named(engine, model):
    model.files[1].write_bytes(model.files[1].read_bytes().replace(b"Relu", b"Rulu"))
    with pytest.raises(UnsupportedOperator, match="Rulu"):
        await engine.open(model.blocks, model.files, model.folder)


async def test_a_block_larger_than_the_memory_limit_is_refused_with_numbers(model):
    engine = Engine(EngineConfig(threads=1, memory_limit=1000))
    with pytest.raises(ModelTooLarge, match="MB"):
        await engine.open(model.blocks, model.files, model.folder)
    engine.close()


async def test_a_slow_device_takes_as_many_times_longer(model):
    slow, fast = Engine(EngineConfig(threads=1, slowdown=20.0)), Engine(EngineConfig(threads=1))
    times = {}
    for engine in (slow, fast):
        blocks = await engine.open(model.blocks, model.files, model.folder)
        work = Work(blocks, 1, 3, {"x": model.input()}, leaving=(CodecChoice("mid", "u8+zstd"),))
        runs = [(await engine.run(work)).timings for _ in range(15)]
        times[engine] = (np.median([run.compute for run in runs]), np.median([run.encode for run in runs]))
        engine.close()
    for part in (0, 1):
        assert 12 < times[slow][part] / times[fast][part] < 80  # a step after a pause is itself slower


async def test_a_full_queue_refuses_at_once(model):
    engine = Engine(EngineConfig(threads=1, slowdown=2000.0, queue_limit=2, workers=1))
    blocks = await engine.open(model.blocks, model.files, model.folder)
    work = Work(blocks, 1, 3, {"x": model.input()})
    tasks = [asyncio.create_task(engine.run(work))]
    await asyncio.sleep(0.02)
    tasks += [asyncio.create_task(engine.run(work)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await engine.run(work)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(end, asyncio.CancelledError)
        for end in await asyncio.gather(*tasks, return_exceptions=True)
    )
    done = await asyncio.wait_for(engine.call(lambda ticket: "free again"), 1.0)
    assert done == "free again"
    engine.close()


async def test_more_urgent_work_goes_first(engine):
    order = []
    gate = asyncio.create_task(engine.call(lambda _: __import__("time").sleep(0.05)))
    await asyncio.sleep(0.01)
    tasks = [
        engine.call(lambda _, name=name: order.append(name), priority)
        for name, priority in (("low", 0), ("high", 5))
    ]
    await asyncio.gather(gate, *tasks)
    assert order == ["high", "low"]


async def test_waiting_is_reported_as_queue_time(model):
    engine = Engine(EngineConfig(threads=1))
    blocks = await engine.open(model.blocks, model.files, model.folder)
    gate = asyncio.create_task(engine.call(lambda _: __import__("time").sleep(0.05)))
    await asyncio.sleep(0.01)
    done = await engine.run(Work(blocks, 1, 2, {"x": model.input()}))
    await gate
    assert 0.02 < done.timings.queue < 0.5
    engine.close()


async def test_a_closed_engine_says_so(model):
    engine = Engine(EngineConfig(threads=1))
    engine.close()
    with pytest.raises(Unavailable):
        await engine.call(lambda _: None)


async def test_the_golden_check_passes_here_and_finds_a_wrong_weight(engine, model, tmp_path):
    x = model.input()
    golden = tmp_path / "golden.npz"
    np.savez(golden, x=x, **model.reference(x))
    blocks = await engine.open(model.blocks, model.files, model.folder)
    assert await engine.verify(blocks, golden, 1e-3) < 1e-4
    blob = bytearray((model.folder / "weights.bin").read_bytes())
    blob[model.refs[2].offset + 3] ^= 0x40
    (model.folder / "weights.bin").write_bytes(blob)
    wrong = await engine.open(model.blocks, model.files, model.folder)
    with pytest.raises(PrepareFailed, match="block 2"):
        await engine.verify(wrong, golden, 1e-3)


async def test_a_golden_file_that_is_a_pickle_is_refused(engine, model, tmp_path):
    golden = tmp_path / "golden.npz"
    np.savez(golden, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(PrepareFailed):
        await engine.verify(await engine.open([], {}, None), golden, 1e-3)


async def test_blocks_must_have_the_tensors_they_declare(engine, model):
    other = dataclasses.replace(model.blocks[1], outputs=model.blocks[2].outputs)
    with pytest.raises(InvalidModel, match="lacks"):
        await engine.open([other], model.files, model.folder)


def test_a_cancelled_job_stops_at_its_next_step():
    from device_agents.engine.driver import Ticket

    ticket = Ticket()
    ticket.check()
    ticket.cancel()
    with pytest.raises(Cancelled):
        ticket.check()


class Meeting:
    """A block that notes how many of its runs overlap."""

    def __init__(self):
        self.running, self.most = [], 0

    def run(self, env, run_options=None):
        self.running.append(1)
        self.most = max(self.most, len(self.running))
        time.sleep(0.01)
        self.running.pop()
        return {"y": env["x"]}


@pytest.mark.parametrize(("activation", "limit", "most"), [(0, 0, 3), (1 << 40, 0, 1), (1 << 20, 1, 1)])
async def test_runs_overlap_as_far_as_threads_and_memory_allow(activation, limit, most):
    engine = Engine(EngineConfig(threads=1, workers=3, memory_limit=limit))
    await engine.open([], {}, None)
    meeting = Meeting()
    specs = [(TensorSpec(name, "float32", (1,)),) for name in "xy"]
    blocks = OpenBlocks({0: OpenBlock(Block(0, "onnx", *specs), meeting)}, activation=activation)
    work = Work(blocks, 0, 1, {"x": np.zeros(1, np.float32)}, keep=frozenset("y"))
    await asyncio.gather(*(engine.run(work) for _ in range(6)))
    assert meeting.most == most
    engine.close()


def test_as_many_requests_at_once_as_the_cores_allow(monkeypatch):
    monkeypatch.setattr("device_agents.engine.engine.cores", lambda: 8)
    for threads, workers, expected in ((1, 0, 8), (3, 0, 2), (16, 0, 1), (8, 5, 5)):
        engine = Engine(EngineConfig(threads=threads, workers=workers))
        assert engine.workers == expected
        engine.close()
