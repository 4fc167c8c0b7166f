"""What one end of a link knows of it, as a noun for others.

Law: pure; reads the state, changes nothing.
"""

from __future__ import annotations

from lepton_edge.core.links import LinkEstimate
from lepton_edge.link.state import State
from partitioner.units import BytesPerSecond, Seconds


def estimate(state: State, now: float) -> LinkEstimate:
    """Return what the acknowledgements so far tell; `now` as in `machine.step`."""
    pacing = state.pacing
    samples = pacing.samples + pacing.round_trips
    return LinkEstimate(
        BytesPerSecond(pacing.typical()),
        BytesPerSecond(float(state.down)),
        Seconds(pacing.least),
        Seconds(pacing.recent),
        samples,
        Seconds(now - pacing.sampled_at if samples else 0.0),
        pacing.samples,
        Seconds(now - pacing.rate_at if pacing.rate_at is not None else 0.0),
    )
