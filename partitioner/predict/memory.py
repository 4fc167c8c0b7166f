"""From the peak of a whole run to the activations that are alive while each layer runs.

Law: liveness over the graph's tensors, in its topological order; arithmetic over measured nouns.
"""

from __future__ import annotations

import math

from partitioner.costs import DeviceProfile
from partitioner.graph import CostGraph
from partitioner.units import Bytes


def activations(profile: DeviceProfile, graph: CostGraph) -> tuple[Bytes, ...]:
    """Return the bytes of activations alive while each layer runs, by layer.

    Those are the tensors that it reads or makes and those that pass it by, scaled so that the largest of them
    is the profile's `activation_peak`: an engine holds workspaces that no tensor tells of. Where the peak
    is unknown, or less than liveness says (memory that was there before is used again), nothing is scaled.
    """
    live = _live(graph)
    highest = max(live, default=0)
    factor = max(1.0, profile.activation_peak / highest) if highest else 1.0
    return tuple(Bytes(math.ceil(size * factor)) for size in live)


def _live(graph: CostGraph) -> list[int]:
    """Return the sum of the sizes of the tensors alive at each layer, in time linear in the graph."""
    steps = [0] * (len(graph.layers) + 1)
    for tensor in graph.tensors:
        first = max(tensor.producer, 0)
        last = len(graph.layers) - 1 if tensor.is_output else max((first, *tensor.consumers))
        steps[first] += tensor.size
        steps[last + 1] -= tensor.size
    live: list[int] = []
    for step in steps[:-1]:
        live.append(step + (live[-1] if live else 0))
    return live
