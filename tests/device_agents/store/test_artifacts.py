"""The store gives whole and verified bytes or one typed error."""

from __future__ import annotations

import asyncio
import os
import shutil
from types import SimpleNamespace

import pytest

from device_agents.store import ArtifactStore, RetryPolicy
from lepton_edge.core.errors import CorruptFrame, NotFound, StorageFull, Unavailable
from tests.device_agents.store.origin import Origin, blob_of, sha256

QUICK = RetryPolicy(attempts=3, first=0.001, longest=0.002)
LIMIT = 1 << 30


def make_store(path, limit=LIMIT):
    return ArtifactStore(path, limit, QUICK)


async def test_an_artifact_is_fetched_once_and_then_read_from_disk(tmp_path):
    data = os.urandom(5500)
    origin = Origin(data)
    store = make_store(tmp_path)
    first = await store.artifact(sha256(data), origin.fetch)
    second = await make_store(tmp_path).artifact(sha256(data), origin.fetch)
    assert first == second
    assert second.read_bytes() == data
    assert len(origin.requests) == 1


async def test_a_broken_download_goes_on_from_where_it_stopped(tmp_path):
    data = os.urandom(10_000)
    origin = Origin(data)
    origin.break_after = [3000, 4000]
    file = await make_store(tmp_path).artifact(sha256(data), origin.fetch)
    assert file.read_bytes() == data
    assert [offset for _, offset in origin.requests] == [0, 3000, 7000]
    assert origin.served == 10_000


async def test_a_download_that_brings_nothing_is_given_up(tmp_path):
    data = os.urandom(10_000)
    origin = Origin(data)
    origin.break_after = [0] * 50
    with pytest.raises(Unavailable, match="3 times in a row"):
        await make_store(tmp_path).artifact(sha256(data), origin.fetch)
    assert len(origin.requests) == 3


async def test_what_a_killed_process_left_is_resumed(tmp_path):
    data = os.urandom(10_000)
    store = make_store(tmp_path)
    (tmp_path / "artifacts" / f"{sha256(data)}.part").write_bytes(data[:4000])
    origin = Origin(data)
    file = await store.artifact(sha256(data), origin.fetch)
    assert file.read_bytes() == data
    assert origin.requests == [(sha256(data), 4000)]


async def test_rubbish_that_a_killed_process_left_is_fetched_anew(tmp_path):
    data = os.urandom(10_000)
    store = make_store(tmp_path)
    (tmp_path / "artifacts" / f"{sha256(data)}.part").write_bytes(b"x" * 4000)
    file = await store.artifact(sha256(data), Origin(data).fetch)
    assert file.read_bytes() == data


async def test_wrong_bytes_never_become_an_artifact(tmp_path):
    origin = Origin()
    name = sha256(b"right")
    origin.artifacts[name] = b"wrong"
    with pytest.raises(CorruptFrame):
        await make_store(tmp_path).artifact(name, origin.fetch)
    assert list((tmp_path / "artifacts").iterdir()) == []


async def test_damage_on_disk_is_found_at_the_first_use(tmp_path):
    data = os.urandom(2000)
    origin = Origin(data)
    file = await make_store(tmp_path).artifact(sha256(data), origin.fetch)
    file.write_bytes(b"damaged")
    assert (await make_store(tmp_path).artifact(sha256(data), origin.fetch)).read_bytes() == data
    assert len(origin.requests) == 2


async def test_errors_of_the_origin_come_through(tmp_path):
    with pytest.raises(NotFound):
        await make_store(tmp_path).artifact(sha256(b"nobody has it"), Origin().fetch)


async def test_a_name_that_is_no_sha256_never_becomes_a_path(tmp_path):
    with pytest.raises(CorruptFrame, match="not a sha256"):
        await make_store(tmp_path).artifact("../../etc/passwd", Origin().fetch)


async def test_weights_are_fetched_tensor_by_tensor_into_a_sparse_file(tmp_path):
    blob, refs, tensors = blob_of(100, 70_000, 5000, 1 << 20)
    origin = Origin(*tensors, chunk=16_384)
    seen = []
    folder = await make_store(tmp_path).weights(
        sha256(blob),
        len(blob),
        [refs[1], refs[2], refs[1]],
        origin.fetch,
        lambda here, total: seen.append((here, total)),
    )
    filled = (folder / "weights.bin").read_bytes()
    assert len(filled) == len(blob)
    for ref, tensor in ((refs[1], tensors[1]), (refs[2], tensors[2])):
        assert filled[ref.offset : ref.offset + ref.length] == tensor
    assert origin.served == 75_000
    assert seen[-1] == (75_000, 75_000)


async def test_only_missing_weights_are_fetched_after_a_restart(tmp_path):
    blob, refs, tensors = blob_of(9000, 9000, 9000)
    origin = Origin(*tensors)
    await make_store(tmp_path).weights(sha256(blob), len(blob), refs[:2], origin.fetch)
    folder = await make_store(tmp_path).weights(sha256(blob), len(blob), refs, origin.fetch)
    assert (folder / "weights.bin").read_bytes()[: len(blob)] == blob
    assert origin.served == 27_000


async def test_a_damaged_tensor_is_found_and_fetched_again(tmp_path):
    blob, refs, tensors = blob_of(9000, 9000)
    origin = Origin(*tensors)
    folder = await make_store(tmp_path).weights(sha256(blob), len(blob), refs, origin.fetch)
    with (folder / "weights.bin").open("r+b") as stream:
        stream.seek(refs[1].offset + 17)
        stream.write(b"flip")
    await make_store(tmp_path).weights(sha256(blob), len(blob), refs, origin.fetch)
    assert (folder / "weights.bin").read_bytes() == blob
    assert origin.served == 27_000


async def test_tensors_that_came_before_an_error_are_kept(tmp_path):
    blob, refs, tensors = blob_of(3000, 3000, 3000, 3000, 3000, 3000)
    origin = Origin(*tensors[:5])
    store = make_store(tmp_path)
    with pytest.raises(NotFound):
        await store.weights(sha256(blob), len(blob), refs, origin.fetch)
    origin.artifacts[sha256(tensors[5])] = tensors[5]
    folder = await make_store(tmp_path).weights(sha256(blob), len(blob), refs, origin.fetch)
    assert (folder / "weights.bin").read_bytes() == blob
    assert origin.served <= 6 * 3000 + 3 * 3000  # at most the tensors in flight came twice


async def test_a_tensor_outside_of_the_blob_is_refused(tmp_path):
    blob, refs, tensors = blob_of(3000)
    with pytest.raises(CorruptFrame, match="outside"):
        await make_store(tmp_path).weights(sha256(blob), 100, refs, Origin(*tensors).fetch)


async def test_the_least_recently_used_artifact_goes_first_and_held_ones_stay(tmp_path):
    artifacts = [os.urandom(40_000) for _ in range(4)]
    origin = Origin(*artifacts, chunk=8192)
    store = make_store(tmp_path, limit=100_000)
    store.hold("model@1", [sha256(artifacts[0])])
    for age, data in enumerate(artifacts[:3]):
        file = await store.artifact(sha256(data), origin.fetch)
        os.utime(file, (1000 + age, 1000 + age))
    await store.artifact(sha256(artifacts[3]), origin.fetch)
    left = {file.name for file in (tmp_path / "artifacts").iterdir()}
    assert sha256(artifacts[0]) in left
    assert sha256(artifacts[1]) not in left
    store.release("model@1")
    await store.artifact(sha256(artifacts[1]), origin.fetch)
    assert sha256(artifacts[0]) not in {file.name for file in (tmp_path / "artifacts").iterdir()}


async def test_no_room_is_found_before_anything_is_fetched(tmp_path, monkeypatch):
    blob, refs, tensors = blob_of(50_000)
    origin = Origin(*tensors)
    store = make_store(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=30_000))
    with pytest.raises(StorageFull, match="are free"):
        await store.weights(sha256(blob), len(blob), refs, origin.fetch)
    assert origin.served == 0


@pytest.fixture
def small_files():
    """Let no file of this process grow past 100 kB: to the store, a disk that fills up."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_fills_up_meanwhile_leaves_no_half_artifact(tmp_path, small_files):
    data = os.urandom(200_000)
    with pytest.raises(StorageFull):
        await make_store(tmp_path).artifact(sha256(data), Origin(data, chunk=65536).fetch)
    assert list((tmp_path / "artifacts").iterdir()) == []


async def test_a_disk_that_fills_up_under_the_weights_is_a_typed_error(tmp_path, small_files):
    blob, refs, tensors = blob_of(150_000)
    with pytest.raises(StorageFull):
        await make_store(tmp_path).weights(sha256(blob), len(blob), refs, Origin(*tensors).fetch)


async def test_two_preparations_at_once_fetch_once(tmp_path):
    blob, refs, tensors = blob_of(9000, 9000)
    origin = Origin(*tensors)
    store = make_store(tmp_path)
    await asyncio.gather(*(store.weights(sha256(blob), len(blob), refs, origin.fetch) for _ in range(3)))
    assert origin.served == 18_000


async def test_a_weight_that_is_another_is_never_used(tmp_path):
    blob, refs, tensors = blob_of(3000)
    origin = Origin()
    origin.artifacts[refs[0].sha256] = bytes(3000)
    store = make_store(tmp_path)
    with pytest.raises(CorruptFrame, match="another sha256"):
        await store.weights(sha256(blob), len(blob), refs, origin.fetch)
    good = Origin(*tensors)
    folder = await store.weights(sha256(blob), len(blob), refs, good.fetch)
    assert (folder / "weights.bin").read_bytes() == blob


async def test_a_bad_link_is_no_reason_to_give_up_while_bytes_come(tmp_path):
    data = os.urandom(20_000)
    origin = Origin(data)
    origin.break_after = [1000] * 12
    file = await make_store(tmp_path).artifact(sha256(data), origin.fetch)
    assert file.read_bytes() == data
    assert len(origin.requests) == 13


async def test_what_is_being_prepared_is_never_evicted(tmp_path):
    first, second = os.urandom(60_000), os.urandom(60_000)
    origin = Origin(first, second, chunk=8192)
    store = make_store(tmp_path, limit=20_000)
    gate, entered = asyncio.Event(), asyncio.Event()

    async def slow(request):
        async for chunk in origin.fetch(request):
            yield chunk
            if chunk.offset > 30_000:
                entered.set()
                await gate.wait()

    begun = asyncio.create_task(store.artifact(sha256(first), slow))
    await entered.wait()
    with pytest.raises(StorageFull):  # there is nothing else that could make room
        await store.artifact(sha256(second), origin.fetch)
    gate.set()
    assert (await begun).read_bytes() == first
