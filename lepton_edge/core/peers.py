"""Who is met where, and how the link to it does.

Law: frozen nouns without I/O. Each has a message of the same name and field names in `protos/lepton_edge/wire/v1/`
(`control.proto`, `admin.proto`); `messages.py` passes them on, and is where others find them.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitioner.units import Bytes, DeviceId, Seconds


@dataclass(frozen=True)
class Relay:
    """An agent at which two that cannot dial each other meet, and where its data port is."""

    device: DeviceId
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """Where another device's data port is, and how else it may be met.

    `via` are relays to meet at, best first, where neither can dial the other. `dial_after` are the seconds
    without a link after which to dial: above 0 where the other side dials first.
    """

    device: DeviceId
    addresses: tuple[str, ...]
    via: tuple[Relay, ...] = ()
    dial_after: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class LinkReport:
    """How the link to a peer that a plan needs does, as its traffic and small probes tell; 0 where not known.

    Attributes:
        peer: who is at its other end.
        connected: whether there is a link now; `error` says why not.
        via: the relay that it goes through, "" for none.
        up, down: bytes per second of payload and headers, to the peer and from it, as they are now.
        round_trip: there and back of something small when nothing waits, in seconds, as it is now.
        samples: how many transfers `up` rests on.
        age: seconds since the last of them.
        p99: seconds by which one transfer in a hundred exceeds what these figures say.
        under_way: bytes to the peer that were not acknowledged when this was said.
    """

    peer: DeviceId
    connected: bool = True
    via: DeviceId = DeviceId("")
    up: float = 0.0
    down: float = 0.0
    round_trip: Seconds = Seconds(0.0)
    samples: int = 0
    age: Seconds = Seconds(0.0)
    error: str = ""
    p99: Seconds = Seconds(0.0)
    under_way: Bytes = Bytes(0)
