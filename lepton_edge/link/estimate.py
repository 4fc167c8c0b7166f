"""What one end of a link knows of it, as a noun for others.

Law: pure; reads the state, changes nothing.
"""

from __future__ import annotations

from lepton_edge.core.links import LinkEstimate
from lepton_edge.link.alive import silence
from lepton_edge.link.state import State
from partitioner.units import Bytes, BytesPerSecond, Seconds


def estimate(state: State, now: float) -> LinkEstimate:
    """Return what the acknowledgements so far tell; `now` as in `machine.step`."""
    pacing = state.pacing
    sight = pacing.sight
    samples = sight.count + pacing.round_trips
    return LinkEstimate(
        BytesPerSecond(pacing.up(now)),
        BytesPerSecond(float(state.down)),
        Seconds(pacing.trip(now)),
        Seconds(pacing.recent),
        samples,
        Seconds(now - pacing.sampled_at if samples else 0.0),
        sight.count,
        Seconds(now - sight.at if sight.at is not None else 0.0),
        Seconds(sight.p99(now)),
        Bytes(pacing.under_way if pacing.acks else 0),
        Seconds(silence(state, now)),
        pacing.is_late(now),
        BytesPerSecond(sight.proven),
        sight.doubted,
    )
