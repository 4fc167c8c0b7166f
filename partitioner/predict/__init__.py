"""From a device's profile to the time of any segment, with its uncertainty.

Law: arithmetic over measured nouns; it knows graphs and costs, no solver, no engine, no clock.
"""

from partitioner.predict.memory import activations
from partitioner.predict.siblings import SIBLING_ERROR, estimated
from partitioner.predict.stage import (
    LEAST_ERROR,
    UNFITTED_ERROR,
    Estimate,
    StageCosts,
    crosses_door,
    cut_bytes,
    engine_layers,
    segment_estimate,
    segment_time,
    stage_costs,
)

__all__ = [
    "LEAST_ERROR",
    "SIBLING_ERROR",
    "UNFITTED_ERROR",
    "Estimate",
    "StageCosts",
    "activations",
    "crosses_door",
    "cut_bytes",
    "engine_layers",
    "estimated",
    "segment_estimate",
    "segment_time",
    "stage_costs",
]
