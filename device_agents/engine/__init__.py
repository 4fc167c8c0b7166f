"""What computes on a device: onnxruntime behind a few computing threads.

Law: the only room of an agent that imports onnxruntime for a session, a codec or a run. Its face is `Engine`:

    engine = Engine(EngineConfig(threads=2, slowdown=1.0))
    blocks = await engine.open(book.blocks, files, weights_folder)
    done = await engine.run(Work(blocks, 0, 3, {"input": array}, keep=frozenset({"logits"})))
"""

from device_agents.engine.blocks import OpenBlock, OpenBlocks
from device_agents.engine.driver import Told
from device_agents.engine.engine import HEADROOM, Engine, EngineConfig
from device_agents.engine.runtime import claim_process
from device_agents.engine.timing import Timings
from device_agents.engine.work import Done, Work

__all__ = [
    "HEADROOM",
    "Done",
    "Engine",
    "EngineConfig",
    "OpenBlock",
    "OpenBlocks",
    "Timings",
    "Told",
    "Work",
    "claim_process",
]
