"""The data port: frames from clients and other agents, turned into calls of the driver.

Law: knows links and frames; decides nothing, computes nothing. Probes and credits are the link's own matter,
tunnels that of `lepton_edge.link.relay`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from lepton_edge.core.errors import PermissionDenied
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.identity import Identity, Role
from lepton_edge.link.link import Link
from lepton_edge.link.reactions import Held
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Epoch, ModelName

log = structlog.get_logger("agent")


class Port(Protocol):
    """Who takes what comes in."""

    def opened(self, link: Link) -> None:
        """Take note of a link that was accepted."""
        ...

    def request(self, link: Link, frame: Frame) -> Held | None:
        """Take a REQUEST; its credit goes back at once, or by `Link.release` where it is held."""
        ...

    def cancel(self, link: Link, frame: Frame) -> None:
        """Take a CANCEL."""
        ...


SharesEpoch = Callable[[DeviceId, ModelName, Epoch], bool]
"""Says whether a device has a part in an epoch, as far as that epoch is known here."""


def check_agent(who: Identity, frame: Frame, own: DeviceId, shares: SharesEpoch) -> None:
    """Raise PermissionDenied unless agent `who` may send `frame` to device `own`: its part of plans that name both."""
    if frame.kind is not FrameKind.REQUEST or who.name == own:
        return
    if not frame.epoch:
        raise PermissionDenied(
            f"agent {who.name!r} may do its part of a plan, and ask nothing of its own",
            f"ask with a key: lepton-edge client key create NAME --model {frame.model}",
        )
    if not shares(DeviceId(who.name), frame.model, frame.epoch):
        raise PermissionDenied(
            f"agent {who.name!r} has no part in epoch {frame.epoch} of {frame.model}",
            "the coordinator says which devices work together: lepton-edge plan explain",
        )


def check_permitted(who: Identity, frame: Frame) -> None:
    """Raise PermissionDenied unless `who`, who is no agent, may send `frame`: requests to an entry for its models."""
    if frame.kind is FrameKind.CANCEL:
        return
    if frame.kind is not FrameKind.REQUEST or frame.epoch or frame.first_block:
        raise PermissionDenied(
            f"{who.role.value} {who.name!r} may ask an entry, and not do an agent's work",
            "ask with the SDK or `lepton-edge infer`",
        )
    if not who.may_infer(frame.model):
        raise PermissionDenied(
            f"the key of {who.name!r} is not for model {frame.model!r}",
            f"make one: lepton-edge client key create {who.name} --model {frame.model}",
        )


class DataService:
    """The handler of every link of agent `own`, dialled or accepted, or met at a relay."""

    def __init__(
        self,
        port: Port,
        tunnel: Callable[[Link, Frame], Awaitable[None]],
        own: DeviceId,
        shares: SharesEpoch,
    ) -> None:
        self._port, self._tunnel, self._own, self._shares = port, tunnel, own, shares

    def opened(self, link: Link) -> None:
        """Take an accepted link."""
        self._port.opened(link)

    def handle(self, link: Link, frame: Frame) -> Awaitable[None] | Held | None:
        """Take one frame; return what to wait for, if anything, before its sender may send another.

        Raises:
            LeptonError: it cannot be taken; whoever sent it is told so.
        """
        try:
            return self._take(link, frame)
        except LeptonError:
            raise
        except Exception as error:  # a fault of ours costs that request an error, and its link nothing
            log.exception("a frame could not be taken", peer=link.peer.name, request=frame.request_id)
            raise LeptonError(f"internal error: {type(error).__name__}", "see the agent's log") from error

    def _take(self, link: Link, frame: Frame) -> Awaitable[None] | Held | None:
        if link.identity is not None:
            self._check(link.identity, frame)
        if frame.kind is FrameKind.REQUEST:
            return self._port.request(link, frame)
        if frame.kind is FrameKind.TUNNEL:
            return self._tunnel(link, frame)
        if frame.kind is FrameKind.CANCEL:
            self._port.cancel(link, frame)
        return None

    def _check(self, who: Identity, frame: Frame) -> None:
        if who.role is Role.AGENT:
            check_agent(who, frame, self._own, self._shares)
        else:
            check_permitted(who, frame)
