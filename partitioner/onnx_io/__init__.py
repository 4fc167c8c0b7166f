"""ONNX in, blocks out: the one room that imports `onnx`.

Law: the face of the room, for the coordinator and the library; an agent never comes here. Reading order:
`load` (checked, plain form), `optimise` (device-independent), `infer` (dtypes and shapes), `compose` (the
manifest's nodes), `vertices`, `duplicate`, `fuse`, `contract` (layers), `compile` (all of it, in order),
`cutting` (blocks), `check`.
"""

from __future__ import annotations

from partitioner.onnx_io.check import CheckReport, CutRow, check_model
from partitioner.onnx_io.compile import compile_model, load_compiled
from partitioner.onnx_io.cutting import CutBlock, Cutter, cut

__all__ = [
    "CheckReport",
    "CutBlock",
    "CutRow",
    "Cutter",
    "check_model",
    "compile_model",
    "cut",
    "load_compiled",
]
