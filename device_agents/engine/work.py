"""What the engine is asked to do, and what comes back: nouns of one stage of one request.

Law: frozen data; the engine's rooms import it, never the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from device_agents.engine.blocks import OpenBlocks
from device_agents.engine.timing import Timings
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.quick import quick
from lepton_edge.core.results import Array
from partitioner.plan import CodecChoice
from partitioner.units import Seconds, TensorName


@quick
@dataclass(frozen=True)
class Work:
    """Run the blocks [first, last) of `blocks`.

    `given` holds at least the tensors that these blocks read: arrays, or wire tensors, which are decoded
    first. `keep` names tensors (given or made) that come back as arrays; every other one is dropped as soon
    as no block of the range reads it any more. `leaving` names those that come back encoded for the next
    device, each by its codec. `max_batch` requests at most are computed together (0: as many as the engine
    likes), and one waits `batch_wait` seconds for others (0: only those that wait already join). `cost` is how many
    seconds such a run took of late; one that is `further` along goes before others of who asked.
    """

    blocks: OpenBlocks
    first: int
    last: int
    given: Mapping[TensorName, Array | WireTensor]
    keep: frozenset[TensorName] = frozenset()
    leaving: tuple[CodecChoice, ...] = ()
    max_batch: int = 0
    batch_wait: Seconds = Seconds(0.0)
    cost: Seconds = Seconds(0.02)
    further: bool = False


@quick
@dataclass(frozen=True)
class Done:
    """The arrays to keep, the tensors as they leave, and where the time went."""

    arrays: dict[TensorName, Array] = field(default_factory=dict)
    wire: tuple[WireTensor, ...] = ()
    timings: Timings = Timings()
