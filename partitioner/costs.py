"""Measured devices, links and codecs, and the arithmetic of time.

Law: frozen data and sums; no graph, no solver, no I/O. Times are seconds, sizes bytes, rates bytes per second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from partitioner.errors import ProfileError
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, NodeName, Seconds, TensorName

HEADER_OVERHEAD = 1.046
"""Bytes on a real link over bytes of payload: Ethernet, IP, TCP and HTTP/2 headers (measured, DESIGN section 6)."""


@dataclass(frozen=True)
class Measurement:
    """The median of `runs` timings in seconds, and their spread (half of the interquartile range)."""

    median: Seconds
    spread: Seconds
    runs: int


@dataclass(frozen=True)
class LayerShare:
    """The fraction of the whole model's compute time that one node takes (from the engine's profiler)."""

    node: NodeName
    share: float


@dataclass(frozen=True)
class SegmentTime:
    """A segment timed as a session of its own: the nodes between down-sets `first` and `last` (frontier indices)."""

    first: int
    last: int
    time: Measurement


@dataclass(frozen=True)
class CodecTime:
    """What encoding and decoding one tensor by one codec costs on a device, and how many bytes it came to."""

    tensor: TensorName
    codec: CodecName
    encode: Seconds
    decode: Seconds
    wire_bytes: Bytes


@dataclass(frozen=True)
class DeviceProfile:
    """One model (variant and shape bucket) as measured on one device.

    `whole` is the whole composed graph in service (after short pauses, not in a tight loop), pseudo-nodes apart.
    `layers` are shares of it that sum to 1. `segments` are whole-segment timings that fix the boundary term.
    `pseudo` are timings of pseudo-nodes such as decode_picture, by node. `codecs` are measured on real activations.
    `overhead` is the fixed cost of a request on this device beside the model (framing, thread hops).
    `simulated_slowdown` is 1.0 unless the device was started with --simulate-slow.
    `send_message`, `send_byte`, `receive_message`, `receive_byte` are this device's own seconds for a message
    that it sends or receives, and for each wire byte of it (framing, copies, event loop), codecs apart.
    `activation_peak` is what resident memory grew by while the whole model ran, weights apart; 0 if unknown.
    `estimated_from` names the profiled device that this one was scaled from; empty means it was measured.
    """

    device: DeviceId
    whole: Measurement
    layers: tuple[LayerShare, ...]
    segments: tuple[SegmentTime, ...] = ()
    pseudo: tuple[LayerShare, ...] = ()  # here `share` is seconds
    codecs: tuple[CodecTime, ...] = ()
    overhead: Seconds = Seconds(0.0)
    threads: int = 1
    engine: str = ""
    simulated_slowdown: float = 1.0
    send_message: Seconds = Seconds(0.0)
    send_byte: float = 0.0
    receive_message: Seconds = Seconds(0.0)
    receive_byte: float = 0.0
    activation_peak: Bytes = Bytes(0)
    estimated_from: str = ""


@dataclass(frozen=True)
class LinkProfile:
    """A link between two devices as seen from the one that dials: rates up and down, one-way delays.

    `overhead` multiplies payload bytes (headers). Delays are halves of a measured round trip, never two clocks.
    `measured` is False for a link that a person declared. `via` names the relay that it goes through, if any.
    """

    up: BytesPerSecond
    down: BytesPerSecond
    delay_up: Seconds
    delay_down: Seconds
    overhead: float = HEADER_OVERHEAD
    measured: bool = True
    via: str = ""

    def __post_init__(self) -> None:
        """Refuse rates and delays that no link can have."""
        if not (self.up > 0 and self.down > 0 and math.isfinite(self.up) and math.isfinite(self.down)):
            raise ProfileError(
                f"a link cannot have the rates {self.up} and {self.down} bytes/s", "measure it again"
            )
        if not (0 <= self.delay_up < math.inf and 0 <= self.delay_down < math.inf):
            raise ProfileError(f"a link cannot have the delays {self.delay_up} and {self.delay_down} s")


def transfer_time(size: Bytes, rate: BytesPerSecond, overhead: float = HEADER_OVERHEAD) -> Seconds:
    """Return the seconds that `size` bytes of payload occupy a link of `rate` bytes per second, delay apart."""
    return Seconds(size * overhead / rate)
