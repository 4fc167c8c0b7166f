"""An agent runs what its coordinator signed: what comes in, and what lies on its disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from device_agents.driver.seals import ENFORCE, MOST_KEPT, OFF, WARN, Seals
from device_agents.machine.events import SavedEpoch
from lepton_edge.core.errors import BadSignature
from lepton_edge.core.messages import Prepare, ProfileCommand
from lepton_edge.core.seals import Seal
from lepton_edge.security import seals
from lepton_edge.security.authority import Authority
from lepton_edge.wire import convert
from partitioner.plan import Block, PlanBook, TensorSpec, WeightRef

AUTHORITY, OTHER = Authority.make(1.7e9), Authority.make(1.7e9)  # type: ignore[arg-type]


def book(artifact: str = "ab" * 32, weight: str = "cd" * 32) -> PlanBook:
    spec = TensorSpec("x", "float32", (1, 4), 16)  # type: ignore[arg-type]
    block = Block(0, "onnx", (spec,), (spec,), artifact, (WeightRef("w", 0, 64, weight),))  # type: ignore[arg-type]
    return PlanBook("net", "v1", (block,), (), (), (), (), "local")  # type: ignore[arg-type]


def prepare(epoch: int = 1, by: Authority = AUTHORITY, **changes: Any) -> Prepare:
    plain = Prepare("1.1", epoch, book(**changes), (0,))  # type: ignore[arg-type]
    return dataclasses.replace(plain, seal=seals.sealed(by.pem, convert.encode(plain)))


def saved(said: Prepare) -> SavedEpoch:
    return SavedEpoch(said.epoch, said.book, said.hold, said.peers)


def made(directory: Path, policy: str = ENFORCE) -> Seals:
    return Seals(directory, policy, lambda: AUTHORITY.certificate)


SOUND = prepare()
assert SOUND.seal is not None
TAMPERED = {
    "no seal": dataclasses.replace(SOUND, seal=None),
    "another block": dataclasses.replace(SOUND, book=book(artifact="ef" * 32)),
    "another weight": dataclasses.replace(SOUND, book=book(weight="ef" * 32)),
    "another epoch": dataclasses.replace(SOUND, epoch=2),
    "an older book": dataclasses.replace(prepare(2), seal=SOUND.seal),
    "another signer": prepare(by=OTHER),
    "a changed signature": dataclasses.replace(
        SOUND, seal=Seal(SOUND.seal.statement, SOUND.seal.signature[::-1])
    ),
    "a changed statement": dataclasses.replace(
        SOUND, seal=Seal(SOUND.seal.statement + b"\x08\x01", SOUND.seal.signature)
    ),
}


async def test_what_is_signed_is_run(tmp_path: Path) -> None:
    await made(tmp_path).judge(SOUND)


@pytest.mark.parametrize("what", TAMPERED)
async def test_what_is_not_is_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(BadSignature) as told:
        await made(tmp_path).judge(TAMPERED[what])
    assert told.value.hint
    await made(tmp_path, WARN).judge(TAMPERED[what])
    await made(tmp_path, OFF).judge(TAMPERED[what])


async def test_what_is_to_be_measured_is_signed_too_and_one_is_not_the_other(tmp_path: Path) -> None:
    block = book().blocks[0]
    plain = ProfileCommand("1.2", "net", "v1", block, (), (), (), "", "", 0, 5, 1.0)  # type: ignore[arg-type]
    with pytest.raises(BadSignature):
        await made(tmp_path).judge(plain)
    await made(tmp_path).judge(
        dataclasses.replace(plain, seal=seals.sealed(AUTHORITY.pem, convert.encode(plain)))
    )


async def test_what_is_saved_is_held_against_what_was_signed(tmp_path: Path) -> None:
    await made(tmp_path).judge(SOUND)
    again = made(tmp_path)
    assert await again.sound((saved(SOUND),)) == (saved(SOUND),)
    for changed in (
        dataclasses.replace(saved(SOUND), book=book(artifact="ef" * 32)),
        dataclasses.replace(saved(SOUND), epoch=2),
    ):
        assert await again.sound((changed,)) == ()
        assert await made(tmp_path, WARN).sound((changed,)) == (changed,)
    for file in (tmp_path / "security").glob("*.seal"):
        file.write_bytes(file.read_bytes()[:-3] + b"abc")
    assert await again.sound((saved(SOUND),)) == ()


async def test_an_agent_of_another_coordinator_serves_nothing_of_the_one_before(tmp_path: Path) -> None:
    await made(tmp_path).judge(SOUND)
    assert await Seals(tmp_path, ENFORCE, lambda: OTHER.certificate).sound((saved(SOUND),)) == ()


async def test_seals_on_the_disk_are_bounded(tmp_path: Path) -> None:
    mine = made(tmp_path)
    for epoch in range(1, MOST_KEPT + 5):
        await mine.judge(prepare(epoch))
    assert len(list((tmp_path / "security").glob("*.seal"))) == MOST_KEPT
    assert await mine.sound((saved(prepare(MOST_KEPT + 4)),)) != ()
