"""What the protocol machine of a link wants done.

Law: frozen nouns without I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_edge.core.frames import Frame
from lepton_edge.core.links import LinkHello
from lepton_edge.core.quick import quick
from lepton_edge.link.events import Key
from partitioner.errors import LeptonError


@quick
@dataclass(frozen=True)
class WriteChunk:
    """Write the next chunk of `frame`, of `room` payload bytes or what is left; answer with Wrote.

    The credits go into its header (first chunk). `asks`: the peer shall say what it has received. `unwanted`:
    in place of a chunk, tell the peer that the rest will not come.
    """

    ticket: int
    frame: Frame
    credit_frames: int = 0
    credit_bytes: int = 0
    room: int = 0
    asks: bool = False
    unwanted: bool = False


@quick
@dataclass(frozen=True)
class WriteAck:
    """Tell the peer how many bytes have come from it, and the rate towards it; answer with Wrote."""

    received: int
    rate: int
    ticket: int = 0


@quick
@dataclass(frozen=True)
class Sent:
    """The last chunk of a submitted frame was handed over."""

    ticket: int


@dataclass(frozen=True)
class Refuse:
    """A submitted frame will not be sent."""

    ticket: int
    error: LeptonError


@quick
@dataclass(frozen=True)
class Deliver:
    """Give a frame that the peer sent to the handler; `serial` 0 means that there is no credit to return."""

    frame: Frame
    serial: int = 0


@quick
@dataclass(frozen=True)
class Answer:
    """Give a reply to whoever waits for it."""

    key: Key
    frame: Frame


@dataclass(frozen=True)
class Fail:
    """Tell whoever waits for `key` that no answer will come."""

    key: Key
    error: LeptonError


@dataclass(frozen=True)
class Opened:
    """The handshake is done; `checksum` names the kind that both sides compute, or is empty."""

    hello: LinkHello
    checksum: str


@dataclass(frozen=True)
class Close:
    """End the stream; with `goodbye`, tell the peer why first."""

    error: LeptonError
    goodbye: bool


Command = WriteChunk | WriteAck | Sent | Refuse | Deliver | Answer | Fail | Opened | Close
