"""A weights file survives kill -9 at any moment: what it says is there, is there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from device_agents.store.blob import WeightsFile
from device_agents.store.download import RetryPolicy
from lepton_edge.core.errors import Unavailable
from tests.device_agents.store.origin import Origin, blob_of

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
