"""What two peers tell each other before the first frame of a link, and what a link is allowed to hold.

Law: nouns without I/O. `LinkHello` has a message of the same name and fields in
`protos/lepton_edge/wire/v1/frame.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR
from partitioner.units import Bytes, BytesPerSecond, Seconds

WINDOW_FRAMES = 64
WINDOW_BYTES = Bytes(64 << 20)
MAX_FRAME_BYTES = Bytes(48 << 20)


@dataclass(frozen=True)
class LinkHello:
    """The first message on a link, from each side.

    Attributes:
        kind: "client" or "agent".
        name: the device's name, or what the client calls itself.
        software: its version, for people.
        protocol_major, protocol_minor: peers of one major version and neighbouring minor versions understand
            each other.
        checksums: kinds that this peer can compute; one that both have is used, else none. The link sets it.
        window_frames, window_bytes: how many requests the other side may have waiting here, and their payload
            bytes. As many bytes again may be in half-received frames.
        max_frame_bytes: the largest payload of one frame that this peer accepts; at most window_bytes.
        opens_later: it has a bound of memory, and opens blocks of pages that nobody took yet when it is asked for
            them. Others have opened whatever they are to hold.
    """

    kind: str
    name: str
    software: str = ""
    protocol_major: int = PROTOCOL_MAJOR
    protocol_minor: int = PROTOCOL_MINOR
    checksums: tuple[str, ...] = ()
    window_frames: int = WINDOW_FRAMES
    window_bytes: Bytes = WINDOW_BYTES
    max_frame_bytes: Bytes = MAX_FRAME_BYTES
    opens_later: bool = False


@dataclass(frozen=True)
class Limits:
    """What one end of a link allows itself.

    Attributes:
        queue_frames, queue_bytes: what waits to be sent, beyond which a request is refused as Overloaded.
        pending: requests that wait for their answer.
        chunk: payload bytes of one chunk at most; on a link that is measured they are what it moves in about
            12 ms, so that a small frame never waits long behind a large one; to a peer that measures nothing
            (protocol 1.0) half of it.
        idle_probe: after so long without a word from the peer, ask for one.
        dead_after: after so long without a word, plus what is under way to it explains, an idle peer is gone.
        suspect_after, lost_after: the same while a request waits for its answer, or bytes to be acknowledged.
        slowest: the slowest link, in bytes per second, that is not taken for a dead one where no rate is
            measured yet.
        handshake: how long the other side may take for its hello.
        paced: whether what is under way is bounded by acknowledgements; a local socket needs none.
        checksum: whether to offer checksums where the transport has none of its own (TLS has).
    """

    queue_frames: int = 256
    queue_bytes: Bytes = Bytes(128 << 20)
    pending: int = 1024
    chunk: Bytes = Bytes(1 << 20)
    idle_probe: Seconds = Seconds(3.0)
    dead_after: Seconds = Seconds(8.0)
    suspect_after: Seconds = Seconds(1.0)
    lost_after: Seconds = Seconds(4.0)
    slowest: float = 50e3
    handshake: Seconds = Seconds(5.0)
    checksum: bool = True
    paced: bool = True


@dataclass(frozen=True)
class ProbeSample:
    """One probe of a link: bytes sent each way, the round trip, and what the far side spent between the two.

    All in seconds of the prober's clock except `far_seconds`, a duration on the far side's.
    """

    size_up: Bytes
    size_down: Bytes
    round_trip: Seconds
    far_seconds: Seconds


@dataclass(frozen=True)
class LinkEstimate:
    """A link as the transfers on it show it, without a probe and without comparing two clocks.

    Attributes:
        up: bytes a second that reach the peer now, as this side measured them (chunks with their headers; TCP's
            and IP's own come on top): another one from the first transfer on that proves it, and lower while one is
            overdue. Slow start, and times when nothing was to be sent, are discounted. 0: unknown.
        down: the same towards this side, as the peer measured it. 0: unknown.
        rtt_least: what the link takes now for something small when nothing waits. 0: unknown.
        rtt_recent: the last round trip, with what waited before it. 0: unknown.
        samples: transfers that `up` and `rtt_*` rest on, since the link opened.
        age: seconds since the last of them; 0 where `samples` is 0.
        rates: how many measurements of `up` there were; signs of life show the round trip alone.
        rate_age: seconds since the last of these; 0 where `rates` is 0.
        p99: by how much one transfer in a hundred exceeds what is expected of it. 0: unknown.
        under_way: bytes that were handed over and may not have arrived.
        silence: for how long the peer has owed a word, beyond what the bytes under way explain; 0: it owes none.
        late: `up` or `rtt_least` is but a bound, since what is under way is overdue. It is not to be remembered.
        proven: the rate towards the peer is no less, as the last transfer showed. 0: none did.
        doubted: the last transfer came sooner than at the rate `up`, by no more than may be noise.
    """

    up: BytesPerSecond = BytesPerSecond(0.0)
    down: BytesPerSecond = BytesPerSecond(0.0)
    rtt_least: Seconds = Seconds(0.0)
    rtt_recent: Seconds = Seconds(0.0)
    samples: int = 0
    age: Seconds = Seconds(0.0)
    rates: int = 0
    rate_age: Seconds = Seconds(0.0)
    p99: Seconds = Seconds(0.0)
    under_way: Bytes = Bytes(0)
    silence: Seconds = Seconds(0.0)
    late: bool = False
    proven: BytesPerSecond = BytesPerSecond(0.0)
    doubted: bool = False
