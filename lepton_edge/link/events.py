"""What can happen to a link, as its protocol machine is told.

Law: frozen nouns without I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_edge.core.frames import Frame
from lepton_edge.core.links import LinkHello
from lepton_edge.core.quick import quick
from partitioner.errors import LeptonError
from partitioner.units import RequestId

Key = tuple[RequestId, int]  # (request id, attempt): what a reply answers


@dataclass(frozen=True)
class Greeted:
    """The peer's hello came."""

    hello: LinkHello


@quick
@dataclass(frozen=True)
class Submitted:
    """Somebody here wants `frame` sent, of `size` payload bytes; `expects`: and waits for its answer."""

    ticket: int
    frame: Frame
    size: int
    expects: bool = False


@quick
@dataclass(frozen=True)
class Wrote:
    """The chunk of the last WriteChunk (or WriteAck) was handed over; `size` are all its bytes."""

    ticket: int
    size: int
    last: bool


@dataclass(frozen=True)
class Unsendable:
    """The frame of the last WriteChunk cannot be encoded: nothing of it, nor of its credits, was sent."""

    ticket: int
    error: LeptonError
    credit_frames: int = 0
    credit_bytes: int = 0


@quick
@dataclass(frozen=True)
class Heard:
    """A chunk came that completes no frame.

    `chunk` are the bytes of all of it, `half_received` payload bytes of frames that are announced and not
    complete; `asks`: the peer wants to know what has come.
    """

    chunk: int = 0
    asks: bool = False
    half_received: int = 0


@quick
@dataclass(frozen=True)
class Arrived:
    """A whole frame of `size` payload bytes came; the rest is of its last chunk, as in `Heard`."""

    frame: Frame
    size: int
    chunk: int = 0
    asks: bool = False
    half_received: int = 0


@quick
@dataclass(frozen=True)
class Acked:
    """The peer told the bytes of all chunks that it received, and the rate that it measured towards here."""

    received: int
    rate: int = 0


@quick
@dataclass(frozen=True)
class Released:
    """Work on the request delivered as number `serial` begins: its credit goes back. May come twice."""

    serial: int


@dataclass(frozen=True)
class Abandoned:
    """Nobody waits for the answer to `key` any more."""

    key: Key


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Breached:
    """The peer broke the protocol: it is told `error`, and left."""

    error: LeptonError


@dataclass(frozen=True)
class Ended:
    """The stream is over: broken, or ended by the peer, whose goodbye (if any) said `error`."""

    error: LeptonError


@dataclass(frozen=True)
class CloseAsked:
    """Somebody here wants the link closed."""


Event = (
    Greeted
    | Submitted
    | Wrote
    | Unsendable
    | Heard
    | Arrived
    | Acked
    | Released
    | Abandoned
    | Tick
    | Breached
    | Ended
    | CloseAsked
)
