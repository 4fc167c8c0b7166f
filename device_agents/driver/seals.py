"""Whether what this device is told to run, or has saved to run, is what its coordinator signed.

Law: a command counts when the authority that this device joined signed bytes that say exactly it. Those bytes are kept
beside what is saved, so that a device without a network holds what lies on its disk against them before it serves it.
The store then holds each file and each tensor against the SHA-256 that the command names.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from device_agents.machine.events import SavedEpoch
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import BadSignature, StorageFull
from lepton_edge.core.messages import Prepare, ProfileCommand
from lepton_edge.core.seals import Seal
from lepton_edge.security.keyring import Keyring
from lepton_edge.wire import convert
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import Epoch, ModelName

log = structlog.get_logger("agent")

ENFORCE, WARN, OFF = "enforce", "warn", "off"
POLICIES = (ENFORCE, WARN, OFF)
MOST_KEPT = 64
"""Seals on the disk: a model has one or two epochs that are saved."""

Authorities = Callable[[], bytes]


class Seals:
    """The seals of one agent. `authorities` are the certificates (PEM) that it believes now."""

    def __init__(self, state_directory: Path, policy: str, authorities: Authorities) -> None:
        self._kept = Keyring(state_directory)
        self.policy, self._authorities = policy, authorities

    async def judge(self, said: Prepare | ProfileCommand) -> None:
        """Raise BadSignature unless `said` is signed; with the policy "warn" only say so."""
        if self.policy == OFF:
            return
        try:
            await asyncio.to_thread(self._check, said, said.seal)
        except BadSignature as error:
            if self.policy == ENFORCE:
                raise
            log.warning("not signed, and run all the same", command=said.command, why=error.message)
        if isinstance(said, Prepare) and said.seal is not None:
            await asyncio.to_thread(self._keep, said, said.seal)

    async def sound(self, saved: Sequence[SavedEpoch]) -> tuple[SavedEpoch, ...]:
        """Return those of the saved epochs that are as they were signed."""
        if self.policy == OFF:
            return tuple(saved)
        return tuple([one for one in saved if await self._is_sound(one)])

    async def _is_sound(self, saved: SavedEpoch) -> bool:
        try:
            await asyncio.to_thread(self._check_saved, saved)
        except LeptonError as error:
            about = {"model": saved.book.model, "epoch": saved.epoch, "why": error.message}
            log.warning("what is saved to be served is not what was signed", policy=self.policy, **about)
            return self.policy != ENFORCE
        return True

    def _check(self, said: Prepare | ProfileCommand, seal: Seal | None) -> None:
        told = self._signed(type(said), seal)
        if told != dataclasses.replace(said, seal=None):
            raise BadSignature(
                "the command is another one than the one that is signed", "see the coordinator's log"
            )

    def _check_saved(self, saved: SavedEpoch) -> None:
        name = _file(saved.book.model, saved.epoch)
        seal = convert.decode(Seal, self._kept.read(name)) if self._kept.has(name) else None
        told = self._signed(Prepare, seal)
        if not isinstance(told, Prepare) or (told.epoch, told.book) != (saved.epoch, saved.book):
            raise BadSignature("it was changed since", "the coordinator sends it again")

    def _signed(self, kind: type[Prepare | ProfileCommand], seal: Seal | None) -> Prepare | ProfileCommand:
        """Return the command that `seal` says; raise BadSignature or CorruptFrame."""
        if seal is None:
            raise BadSignature(
                "what is to be run is not signed", "is the coordinator of the same release, and secure?"
            )
        # ten megabytes of memory that an agent which runs nothing does not pay
        from lepton_edge.security import seals

        authorities = self._authorities()
        if not authorities:
            raise BadSignature(
                "this device has joined nobody whose signature would count", "join, or set signatures off"
            )
        seals.check(authorities, seal)
        return convert.decode(kind, seal.statement)

    def _keep(self, said: Prepare, seal: Seal) -> None:
        try:
            self._kept.write(_file(said.book.model, said.epoch), convert.encode(seal))
        except StorageFull as error:
            log.warning("the signature of an epoch is not kept: a reboot will not serve it", error=str(error))
            return
        found = sorted(self._kept.folder.glob("*.seal"), key=lambda file: file.stat().st_mtime)
        for old in found[:-MOST_KEPT]:
            old.unlink(missing_ok=True)


def seals_of(config: AgentConfig, trust: Trust | None) -> Seals:
    """Return the seals of an agent: enforced where it is secure and nobody said otherwise."""
    policy = config.signatures or (OFF if trust is None else ENFORCE)
    return Seals(config.state_directory, policy, lambda: trust.credentials.authority if trust else b"")


def _file(model: ModelName, epoch: Epoch) -> str:
    return f"{hashlib.sha256(model.encode()).hexdigest()[:16]}-{epoch}.seal"
