"""What a solver's answer means for a person: a plan with its costs, its proof, its rivals, and what would change it.

Law: frozen nouns, and no search. `Plan` is what `solve` returns and `pareto` lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from partitioner.plan import CodecChoice
from partitioner.solve.problem import HopKey, Joules, Layout
from partitioner.units import Bytes, DeviceId, Seconds


@dataclass(frozen=True)
class Costs:
    """What one request costs in one layout (definitions: `problem.py`).

    Attributes:
        latency, bottleneck, energy, egress, loss: the totals.
        stages: busy seconds of each stage on its own device.
        forward, home: by boundary, seconds on the hop in that direction, its delay included; 0 where unused.
        bytes_forward, bytes_home: by boundary, wire bytes.
        busy: busy seconds of each device that takes part. hop_busy: of each directed hop, delays apart.
        memory: bytes that each device with a stage needs, headroom included.
        codecs: by boundary, the codec of each tensor that crosses, in graph order.
    """

    latency: Seconds
    bottleneck: Seconds
    energy: Joules
    egress: Bytes
    loss: float
    stages: tuple[Seconds, ...]
    forward: tuple[Seconds, ...] = ()
    home: tuple[Seconds, ...] = ()
    bytes_forward: tuple[Bytes, ...] = ()
    bytes_home: tuple[Bytes, ...] = ()
    busy: Mapping[DeviceId, Seconds] = field(default_factory=dict)
    hop_busy: Mapping[HopKey, Seconds] = field(default_factory=dict)
    memory: Mapping[DeviceId, Bytes] = field(default_factory=dict)
    codecs: tuple[tuple[CodecChoice, ...], ...] = ()

    @property
    def throughput(self) -> float:
        """Requests a second when pipelined."""
        return 1.0 / self.bottleneck if self.bottleneck > 0 else math.inf


@dataclass(frozen=True)
class Alternative:
    """Another plan, and by how much its objective is worse; `why_not` says which limit forbids it, if one does."""

    label: str
    layout: Layout
    costs: Costs
    value: float
    margin: float
    why_not: str = ""


@dataclass(frozen=True)
class Flip:
    """What would change the decision.

    Attributes:
        what: "speed of DEVICE" or "rate of A -> B" (both directions of a link are scaled alike).
        factor: where this times as fast, `label` becomes as good as the plan; the nearest on either side of 1.
        label: the alternative that wins beyond it.
    """

    what: str
    factor: float
    label: str


@dataclass(frozen=True)
class Plan:
    """The plan chosen, with what is proven about it.

    `value` is of the problem's objective; nothing in the space is below `lower_bound`, which `method` proved.
    `alternatives` are sorted by value: the entry alone, everything on each other device, the best with other
    stages. `flips` are the nearest changes of a speed or a rate that would change the decision among them.
    """

    layout: Layout
    costs: Costs
    value: float
    lower_bound: float
    method: str
    alternatives: tuple[Alternative, ...] = ()
    flips: tuple[Flip, ...] = ()

    @property
    def gap(self) -> float:
        """Relative distance of the value from the bound; 0 (up to `EXACT`) means proven optimal."""
        return max((self.value - self.lower_bound) / self.value, 0.0) if self.value > 0 else 0.0

    @property
    def margin(self) -> float:
        """By how much the next-best feasible alternative is worse; infinite when there is none."""
        return min((one.margin for one in self.alternatives if not one.why_not), default=math.inf)
