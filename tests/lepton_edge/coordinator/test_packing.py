"""A weight is packed once, whole or not at all, only where that pays; without room it travels as it is."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.coordinator import packing
from lepton_edge.coordinator.packing import Packing
from lepton_edge.wire.packed import expand
from partitioner.units import Bytes, Sha256

SPARSE = np.where(np.arange(20_000) % 9, 0, np.arange(20_000)).astype(np.float32).tobytes()
DENSE = np.random.default_rng(0).bytes(80_000)
PLACES = {"sparse": (4096, len(SPARSE)), "dense": (4096 + len(SPARSE), len(DENSE))}


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    (tmp_path / "weights.bin").write_bytes(bytes(4096) + SPARSE + DENSE)
    return tmp_path / "weights.bin"


async def asked(blob: Path, name: str, at: Packing | None = None) -> Path | None:
    offset, length = PLACES[name]
    return await (at or Packing()).packed(blob, Sha256(name), Bytes(offset), Bytes(length))


async def test_what_packs_well_is_kept_beside_the_blob(blob: Path) -> None:
    found = await asked(blob, "sparse")
    assert found == blob.parent / "packed" / "sparse"
    assert found.stat().st_size < len(SPARSE) / 4
    assert expand(found.read_bytes(), len(SPARSE)) == SPARSE
    assert [one.name for one in found.parent.iterdir()] == ["sparse"]


async def test_what_does_not_pay_is_remembered_as_that(blob: Path) -> None:
    assert await asked(blob, "dense") is None
    assert (blob.parent / "packed" / "dense").stat().st_size == 0
    assert await asked(blob, "dense") is None


async def test_small_ones_are_not_packed(blob: Path) -> None:
    assert await Packing().packed(blob, Sha256("s"), Bytes(0), Bytes(4096)) is None
    assert not (blob.parent / "packed").exists()


async def test_many_that_ask_at_once_pack_it_once(blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = []
    real = packing.packed_pieces
    monkeypatch.setattr(packing, "packed_pieces", lambda content: packs.append(1) or real(content))
    at = Packing()
    found = await asyncio.gather(*(asked(blob, "sparse", at) for _ in range(5)))
    assert len(set(found)) == len(packs) == 1


async def test_a_full_disk_makes_nobody_wait(blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(packing.os, "fsync", full)
    assert await asked(blob, "sparse") is None
    assert list((blob.parent / "packed").iterdir()) == []


async def test_a_blob_that_is_cut_off_is_not_packed(blob: Path) -> None:
    blob.write_bytes(blob.read_bytes()[:8192])
    assert await asked(blob, "sparse") is None
    assert await asked(blob, "dense") is None
    assert list((blob.parent / "packed").iterdir()) == []
