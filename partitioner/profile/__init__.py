"""Measures without an agent: what tensors hold, and what codecs do to the answers.

Law: the library alone, on this machine, from a compiled model's directory. It runs graphs through
`onnx_io.runtime`; it decides nothing and knows no device, no link and no plan.

    activations(directory, compiled, names)   named tensors, sample by sample
    golden(directory, compiled, names)        the same for the one sample that devices are checked against
    measure_codecs(directory, compiled, ...)  bytes, loss and kept top-1 of every lossy codec on every tensor
"""

from __future__ import annotations

from partitioner.profile.activations import activations, golden
from partitioner.profile.measure import Measured, measure_codecs

__all__ = ["Measured", "activations", "golden", "measure_codecs"]
