"""Gives back what the arena of the sessions keeps and nobody uses: after checks, measurements and closed models.

Law: one call, no state. onnxruntime's arena never shrinks by itself: a batch that was tried once at prepare, or a
model that is gone, would stay in memory for ever. One run of any session that asks for it shrinks the shared arena.
"""

from __future__ import annotations

import numpy as np
import onnxruntime

from device_agents.engine.graph_parts import GRAPHS
from device_agents.engine.runtime import Runtime
from device_agents.engine.sessions import open_session

SHRINK = ("memory.enable_memory_arena_shrinkage", "cpu:0")
_SMALLEST = "cast_f16_decode.onnx"  # any graph will do


def shrink_arena(runtime: Runtime) -> None:
    """Return the arena's unused regions to the C library; runs that go on keep what they use."""
    session = open_session((GRAPHS / _SMALLEST).read_bytes(), runtime)
    options = onnxruntime.RunOptions()
    options.add_run_config_entry(*SHRINK)
    session.run(None, {"y": np.zeros(1, np.float16)}, options)
