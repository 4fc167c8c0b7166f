"""A weights file survives kill -9 at any moment: what it says is there, is there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from device_agents.store.blob import WeightsFile
from device_agents.store.download import RetryPolicy
from lepton_edge.core.errors import Unavailable
from lepton_edge.wire.packed import pack
from partitioner.plan import WeightRef
from tests.device_agents.store.origin import Origin, blob_of, sha256

WRITER = """
import asyncio, sys
from pathlib import Path
from device_agents.store import blob
from device_agents.store.download import RetryPolicy
from tests.device_agents.store.origin import Origin, blob_of
blob.COMMIT_BYTES = 20_000
_, refs, tensors = blob_of(*[50_000] * 40)
origin = Origin(*tensors, chunk=5000)
size = refs[-1].offset + refs[-1].length
async def slow(request):
    async for chunk in origin.fetch(request):
        yield chunk
        await asyncio.sleep(0.0005)
file = blob.WeightsFile(Path(sys.argv[1]), size)
missing = file.missing(refs)
print("missing", len(missing), flush=True)
asyncio.run(file.fill(missing, slow, RetryPolicy(), lambda count: None))
"""


def test_kill_minus_nine_costs_only_what_was_in_flight(tmp_path):
    root = Path(__file__).parents[3]
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], cwd=root, stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(0.08)
        process.kill()
        process.wait()
        process.stdout.close()
    blob, refs, _ = blob_of(*[50_000] * 40)
    file = WeightsFile(tmp_path, len(blob))
    there = set(refs) - set(file.missing(refs))
    written = (tmp_path / "weights.bin").read_bytes()
    assert there
    places = [slice(ref.offset, ref.offset + ref.length) for ref in there]
    assert all(written[place] == blob[place] for place in places)


async def test_a_large_tensor_goes_on_inside_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr("device_agents.store.blob.COMMIT_BYTES", 10_000)
    blob, refs, tensors = blob_of(100_000)
    origin = Origin(*tensors, chunk=10_000)
    origin.break_after = [60_000]
    policy = RetryPolicy(attempts=1)
    first = WeightsFile(tmp_path, len(blob))
    with pytest.raises(Unavailable, match="failed 1 times"):
        await first.fill(refs, origin.fetch, policy, lambda _: None)
    second = WeightsFile(tmp_path, len(blob))
    await second.fill(second.missing(refs), origin.fetch, policy, lambda _: None)
    assert [offset for _, offset in origin.requests] == [0, 60_000]
    assert (tmp_path / "weights.bin").read_bytes() == blob
    assert WeightsFile(tmp_path, len(blob)).missing(refs) == []


def packing(tensors: list[bytes], chunk: int = 1000) -> Origin:
    origin = Origin(*tensors, chunk=chunk)
    origin.packs = {sha256(one): pack(one) for one in tensors}
    return origin


def sparse_blob(count: int = 50_000) -> tuple[bytes, list[WeightRef], list[bytes]]:
    tensor = np.where(np.arange(count) % 11, 0, np.arange(count)).astype(np.float32).tobytes()
    return tensor, [WeightRef("w", 0, len(tensor), sha256(tensor))], [tensor]


async def test_a_tensor_that_comes_packed_lies_expanded_and_is_verified(tmp_path):
    blob, refs, tensors = sparse_blob()
    origin, told = packing(tensors), []
    file = WeightsFile(tmp_path, len(blob))
    await file.fill(refs, origin.fetch, RetryPolicy(), told.append)
    assert (tmp_path / "weights.bin").read_bytes() == blob
    assert origin.served < len(blob) / 4
    assert sum(told) == len(blob)  # progress counts what is there, not what travelled
    assert WeightsFile(tmp_path, len(blob)).missing(refs) == []


@pytest.mark.parametrize(
    "hostile",
    [b"LPK1", b"rubbish", b"", pack(b"x" * 200_000), pack(b"x" * 100), pack(b"x" * 200_000)[:-1]],
    ids=["head only", "rubbish", "empty", "another content", "another length", "cut off"],
)
async def test_a_packed_form_that_is_not_the_tensor_is_fetched_as_it_is(tmp_path, hostile):
    blob, refs, tensors = sparse_blob()
    origin, told = packing(tensors), []
    origin.packs = {refs[0].sha256: hostile}
    file = WeightsFile(tmp_path, len(blob))
    await file.fill(refs, origin.fetch, RetryPolicy(), told.append)
    assert (tmp_path / "weights.bin").read_bytes() == blob
    assert sum(told) == len(blob)


async def test_who_does_not_know_packed_weights_sends_them_as_they_are(tmp_path):
    blob, refs, tensors = sparse_blob()
    origin = Origin(*tensors)
    await WeightsFile(tmp_path, len(blob)).fill(refs, origin.fetch, RetryPolicy(), lambda _: None)
    assert (tmp_path / "weights.bin").read_bytes() == blob


async def test_after_a_kill_the_rest_of_a_packed_tensor_comes_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("device_agents.store.blob.COMMIT_BYTES", 10_000)
    tensor = np.random.default_rng(0).integers(0, 5, 3 << 20).astype(np.uint8).tobytes()
    refs, size = [WeightRef("w", 0, len(tensor), sha256(tensor))], len(tensor)
    origin = packing([tensor], chunk=10_000)
    origin.break_after = [len(origin.packs[refs[0].sha256]) * 3 // 4]
    with pytest.raises(Unavailable):
        await WeightsFile(tmp_path, size).fill(refs, origin.fetch, RetryPolicy(attempts=1), lambda _: None)
    second = WeightsFile(tmp_path, size)
    await second.fill(second.missing(refs), origin.fetch, RetryPolicy(), lambda _: None)
    assert [offset for _, offset in origin.requests] == [0, 2 << 20]  # the slabs that were whole are here
    assert (tmp_path / "weights.bin").read_bytes() == tensor
