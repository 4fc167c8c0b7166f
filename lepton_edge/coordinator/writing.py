"""Carries out what is to be written down: all of one decision in one transaction, or nothing of it.

Law: runs in the store's thread; decides nothing. What must not wait for the disk (`may_wait`) counts whether it can be
written or not, and is in no decision's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator.records import FAILED, RETIRED
from lepton_edge.coordinator.store import Store

KEEPS = (
    c.KeepDevice, c.KeepModel, c.ForgetModel, c.KeepProfile, c.KeepLink, c.KeepTerm, c.KeepDrained, c.ForgetDevice,
    c.KeepEpoch, c.KeepBeside,
)  # fmt: skip


def is_keep(command: c.Command) -> TypeGuard[c.Keep]:
    """Return whether a command is to be written down."""
    return isinstance(command, KEEPS)


def may_wait(command: c.Keep) -> bool:
    """Return whether what is to be written counts without that.

    The term of another coordinator does, since obeying it must not need a disk; and what a known device says of itself
    now, since it says so again whenever it attaches.
    """
    return isinstance(command, c.KeepTerm) or (isinstance(command, c.KeepDevice) and command.known)


def leaves_litter(command: c.Keep) -> bool:
    """Return whether files may be wanted no more after this."""
    if isinstance(command, c.KeepEpoch):
        return command.record.state in (RETIRED, FAILED)
    return isinstance(command, (c.KeepModel, c.ForgetModel))


def write(store: Store, keeps: Sequence[c.Keep]) -> None:
    """Write all of `keeps` down, in their order, or none of it; raises StorageFull, ServiceError."""
    with store.together():
        for command in keeps:
            _write(store, command)


def _write(store: Store, command: c.Keep) -> None:
    if isinstance(command, c.KeepDevice):
        store.keep_device(command.hello)
    elif isinstance(command, c.KeepModel):
        store.keep_model(command.model)
    elif isinstance(command, c.ForgetModel):
        store.forget_model(command.model)
    elif isinstance(command, c.KeepProfile):
        store.keep_profile(command.model, command.version, command.record)
    elif isinstance(command, c.KeepDrained):
        store.keep_drained(command.devices)
    elif isinstance(command, c.ForgetDevice):
        store.forget_device(command.device)
    elif isinstance(command, c.KeepTerm):
        store.raise_term(command.term)
    elif isinstance(command, c.KeepLink):
        store.keep_link(command.device, command.peer, command.link)
    elif isinstance(command, c.KeepBeside):
        store.keep_beside(command.beside)
    else:
        store.keep_epoch(command.record)
