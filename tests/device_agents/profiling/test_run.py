"""A profile command from download to profile."""

from __future__ import annotations

import io

import numpy as np
import pytest

from device_agents.engine import Engine, EngineConfig
from device_agents.profiling import run_profile
from device_agents.profiling.measure import Item
from device_agents.profiling.run import _Trial
from device_agents.store import ArtifactStore
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import CodecTrial, ProfileCommand, ProfileSegment
from tests.device_agents.engine.models import MID, jpeg, small_model
from tests.device_agents.store.origin import Origin, sha256


def named(block, file):
    from dataclasses import replace

    return replace(block, artifact=sha256(file.read_bytes()))


def command_for(model, golden, **changes):
    first, second = named(model.blocks[1], model.files[1]), named(model.blocks[2], model.files[2])
    buffer = io.BytesIO()
    np.savez(buffer, **golden)
    blob = (model.folder / "weights.bin").read_bytes()
    tensors = [blob[ref.offset : ref.offset + ref.length] for ref in model.refs]
    files = [file.read_bytes() for file in (model.whole_file, *model.files.values())]
    settings = {
        "command": "c1", "model": "small", "version": "v1", "whole": named(model.whole, model.whole_file),
        "pseudo": (model.blocks[0],), "segments": (ProfileSegment(0, 1, first), ProfileSegment(1, 2, second)),
        "codecs": (CodecTrial(MID, "f16"), CodecTrial(MID, "u8+zstd")), "golden": sha256(buffer.getvalue()),
        "blob": sha256(blob), "blob_size": len(blob), "repeats": 5, "budget": 5.0,
    }  # fmt: skip
    return ProfileCommand(**(settings | changes)), Origin(buffer.getvalue(), *tensors, *files, chunk=100_000)


async def profile(tmp_path, command, origin, told=lambda *_: None, slowdown=1.0):
    engine = Engine(EngineConfig(threads=1, slowdown=slowdown))
    try:
        store = ArtifactStore(tmp_path / "store", 1 << 30)
        return await run_profile(engine, store, origin.fetch, command, device="board", told=told)
    finally:
        engine.close()


async def test_a_profile_has_all_that_was_asked_for(tmp_path):
    model = small_model(tmp_path)
    x = model.input()
    golden = {"x": x, "mid": model.reference(x)["mid"], "x@encoded": jpeg(200, 100)}
    stages = []
    command, origin = command_for(model, golden)
    found = await profile(tmp_path, command, origin, lambda *said: stages.append(said))
    assert found.whole.runs == 15  # three turns a round
    assert found.whole.median > 0
    assert sum(one.share for one in found.layers) == pytest.approx(1.0)
    assert [(one.first, one.last) for one in found.segments] == [(0, 1), (1, 2)]
    assert [one.node for one in found.pseudo] == ["decode"]
    assert 0 < found.pseudo[0].share < 1
    half, quarter = found.codecs
    assert half.wire_bytes == MID.shape[1] * MID.shape[2] * MID.shape[3] * 2
    assert quarter.wire_bytes < half.wire_bytes
    assert min(half.encode, half.decode, quarter.encode, quarter.decode, found.overhead) > 0
    assert {said[0] for said in stages} == {"fetch", "time", "shares"}


async def test_a_simulated_slow_device_is_slower_and_says_so(tmp_path):
    model = small_model(tmp_path)
    command, origin = command_for(model, {"x": model.input()}, repeats=7)
    fast, slow = [await profile(tmp_path, command, origin, slowdown=k) for k in (1.0, 50.0)]
    assert slow.simulated_slowdown == 50.0
    assert 15 < slow.whole.median / fast.whole.median < 200


async def test_what_the_sample_has_no_input_for_is_left_out(tmp_path):
    model = small_model(tmp_path)
    command, origin = command_for(model, {"x": model.input()})
    found = await profile(tmp_path, command, origin)
    assert [(one.first, one.last) for one in found.segments] == [(0, 1)]
    assert found.pseudo == ()
    assert found.codecs == ()


async def test_without_the_models_own_input_there_is_no_profile(tmp_path):
    command, origin = command_for(small_model(tmp_path), {"mid": np.zeros(3, np.float32)})
    with pytest.raises(InvalidInput, match="golden"):
        await profile(tmp_path, command, origin)


async def test_no_time_left_still_gives_one_measurement_of_everything(tmp_path):
    model = small_model(tmp_path)
    x = model.input()
    command, origin = command_for(model, {"x": x, "mid": model.reference(x)["mid"]}, budget=0.0, repeats=50)
    found = await profile(tmp_path, command, origin)
    assert found.whole.runs == 3
    assert all(one.time.runs == 1 for one in found.segments)
    assert found.layers


async def test_memory_of_the_first_whole_run_is_told(tmp_path, monkeypatch):
    model = small_model(tmp_path)
    command, origin = command_for(model, {"x": model.input()})
    told = iter([10_000_000, 13_000_000, 13_000_000, 12_000_000])
    monkeypatch.setattr(Engine, "private", lambda self: next(told))
    assert (await profile(tmp_path, command, origin)).activation_peak == 3_000_000
    command, origin = command_for(model, {"x": model.input()})
    assert (await profile(tmp_path, command, origin)).activation_peak == 0, "it never shrinks below none"


async def test_no_mapped_file_is_private_memory():
    engine = Engine(EngineConfig(threads=1))
    try:
        assert 0 < engine.private() <= engine.resident()
    finally:
        engine.close()


def test_the_whole_models_turns_are_spread_over_the_round():
    items = [Item(lambda: None, 1) for _ in range(9)]
    trial = _Trial(items[:3], segments=[(None, one) for one in items[3:]])
    assert [position for position, one in enumerate(trial.items()) if one in items[:3]] == [0, 3, 6]
