"""A profile of the beginning of a model, completed by another device's shares.

Law: pure arithmetic over measured nouns. What was measured stays as it is; the rest is taken to cost the same
share of the whole as on the other device, with an uncertainty that says so.
"""

from __future__ import annotations

import dataclasses
import math

from partitioner.costs import DeviceProfile, LayerShare, Measurement
from partitioner.graph import CostGraph
from partitioner.units import Seconds

NEGLIGIBLE = 0.02  # of the whole: an engine may attribute a last small node to nobody
UNNAMED = 1  # last layer of a model: an engine may attribute it to others
ERROR = 0.2  # relative one-sigma error of another device's shares: a guess, not a measurement


def is_partial(profile: DeviceProfile, other: DeviceProfile, graph: CostGraph) -> bool:
    """Return whether `profile` ends before the model does, as `other` (which has it whole) sees it."""
    return 1.0 - _covered(profile, other, graph) > NEGLIGIBLE


def completed(profile: DeviceProfile, other: DeviceProfile, graph: CostGraph) -> DeviceProfile:
    """Return `profile` with what it lacks of the whole model estimated from the shares of `other`."""
    covered = _covered(profile, other, graph)
    if 1.0 - covered <= NEGLIGIBLE or covered <= 0.0:
        return profile
    end = _end(profile, graph)
    missing = {node for layer in graph.layers[end:] for node in layer.nodes}
    known = [LayerShare(one.node, one.share * covered) for one in profile.layers]
    rest = [one for one in other.layers if one.node in missing]
    median = profile.whole.median / covered
    spread = math.hypot(profile.whole.spread / covered, ERROR * (1.0 - covered) * median)
    whole = Measurement(Seconds(median), Seconds(spread), 0)  # no run of the whole: the spread is the doubt
    return dataclasses.replace(profile, whole=whole, layers=(*known, *rest))


def _covered(profile: DeviceProfile, other: DeviceProfile, graph: CostGraph) -> float:
    """Return the share of the whole, on `other`, of the layers that `profile` measured."""
    shares = {one.node: one.share for one in other.layers}
    by_layer = [sum(shares.get(node, 0.0) for node in layer.nodes) for layer in graph.layers]
    total = sum(by_layer)
    return sum(by_layer[: _end(profile, graph)]) / total if total > 0 else 1.0


def _end(profile: DeviceProfile, graph: CostGraph) -> int:
    """Return the index behind the last layer that `profile` has a time for."""
    timed = {one.node for one in profile.layers if one.share > 0}
    return max((layer.index + 1 for layer in graph.layers if timed & set(layer.nodes)), default=0)


def whole(
    profile: DeviceProfile | None, other: DeviceProfile | None, graph: CostGraph
) -> DeviceProfile | None:
    """Return `profile` if it is of the whole model, or completed by `other`, which is; None where neither is so."""
    if profile is None or _is_whole(profile, graph):
        return profile
    return completed(profile, other, graph) if other is not None and _is_whole(other, graph) else None


def _is_whole(profile: DeviceProfile, graph: CostGraph) -> bool:
    """Return whether a profile has a time for the model's last layers, but for a few that an engine may not name."""
    return len(graph.layers) - _end(profile, graph) <= max(UNNAMED, NEGLIGIBLE * len(graph.layers))
