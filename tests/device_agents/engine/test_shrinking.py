"""What a large run leaves in the arena goes back to the system; what is still held stays whole."""

from __future__ import annotations

import numpy as np
import psutil

from device_agents.engine.codecs import TensorCodec
from device_agents.engine.runtime import start_runtime
from device_agents.engine.shrinking import shrink_arena
from lepton_edge.wire.memory import trim_malloc

MEGABYTE = 1 << 20


def resident() -> float:
    return psutil.Process().memory_info().rss / MEGABYTE


def test_what_nobody_uses_is_given_back() -> None:
    runtime = start_runtime(1)
    codec = TensorCodec(runtime)
    held = codec.encode("small", np.ones(1000, np.float32), "f16")  # type: ignore[arg-type]
    codec.encode("large", np.ones(64 * MEGABYTE // 4, np.float32), "f16")  # type: ignore[arg-type]
    trim_malloc()
    before = resident()
    shrink_arena(runtime)
    trim_malloc()
    assert before - resident() > 20
    np.testing.assert_array_equal(codec.decode(held), np.ones(1000, np.float32))
    shrink_arena(runtime)
