"""What an agent tells of itself with every heartbeat: how it feels, and how requests fare on it.

Law: frozen nouns without I/O. Each has a message of the same name and field names in
`protos/lepton_edge/wire/v1/control.proto`; `messages.py` passes them on, and is where others find them.
"""

from __future__ import annotations

from dataclasses import dataclass

from lepton_edge.core.peers import LinkReport
from partitioner.units import Bytes, Epoch, ModelName, PageName, Seconds


@dataclass(frozen=True)
class StageReport:
    """What a stage took of late, of requests that had the device for themselves.

    `count` are all such requests since the agent began; `median` and `spread` (half of the interquartile range)
    are seconds of decoding, computing and encoding, `total` the median of everything from arrival to answer,
    each over the last few requests.
    """

    model: ModelName
    epoch: Epoch
    page: PageName
    first: int
    last: int
    count: int
    median: Seconds
    spread: Seconds
    total: Seconds


@dataclass(frozen=True)
class QueueReport:
    """How requests for a model fare on a device: `active` in progress, `waiting` of them in their callers' lines.

    `wait` is the seconds that one spent waiting here of late, in line and for the engine: a moving average.
    """

    model: ModelName
    active: int
    waiting: int
    wait: Seconds


@dataclass(frozen=True)
class TurnReport:
    """An entry took another page by itself; said anew while its figures grow, so that the newest of a `serial` counts.

    Attributes:
        serial: counts the turns of one agent's process.
        cause: in words for people ("the link to cloud moves 0.14 MB/s, it moved 2.36").
        predicted_before, predicted_after: seconds of a request on either page, by the entry's estimates at the turn.
        measured: mean seconds of the `requests` that were answered on the new page since; 0 for none yet.
        over: it turned again since, or the epoch ended: nothing will be added.
        age: seconds since the turn.
    """

    serial: int
    model: ModelName
    epoch: Epoch
    before: PageName
    after: PageName
    cause: str
    predicted_before: Seconds
    predicted_after: Seconds
    measured: Seconds = Seconds(0.0)
    requests: int = 0
    over: bool = False
    age: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class EpochReport:
    """How requests fared that an entry ran on an epoch of its own choice.

    `answered` and `failed` count since the epoch was active there, `failed` without what was the caller's fault;
    `mean` and `slow` (of ten requests, the second slowest) are seconds of the last ones that were answered. `logs` and
    `squares` are the sums, over all that were answered, of the natural logarithm of their seconds and of its square:
    two reports tell what requests took between them, hardly moved by a few that took long.
    """

    model: ModelName
    epoch: Epoch
    answered: int
    failed: int
    mean: Seconds
    slow: Seconds
    logs: float = 0.0
    squares: float = 0.0


@dataclass(frozen=True)
class LoadReport:
    """How long requests of an epoch kept a device at work since its agent began, whoever its board is.

    `busy` are seconds of decoding, computing and encoding in `runs`; of what was computed together, each its share.
    """

    model: ModelName
    epoch: Epoch
    busy: Seconds
    runs: int


@dataclass(frozen=True)
class Telemetry:
    """A heartbeat with what changed.

    `busy` is the part of the processor's time, over all cores, that other processes took since the last one
    (0 to 1; below 0: unknown); `throttled` says that the device runs slower than it could (heat, voltage).
    `workers` are the computations that it does at a time; 0: unknown.
    """

    load: float
    memory_available: Bytes
    resident: Bytes
    temperature: float
    requests_active: int
    requests_served: int
    requests_failed: int
    seconds_since_success: Seconds  # since a (synthetic) inference succeeded; -1 for never
    stages: tuple[StageReport, ...] = ()  # those with new requests
    links: tuple[LinkReport, ...] = ()  # to the peers that plans need
    queues: tuple[QueueReport, ...] = ()  # of the models that are active here
    turns: tuple[TurnReport, ...] = ()  # those with news
    busy: float = 0.0
    throttled: bool = False
    epochs: tuple[EpochReport, ...] = ()  # those that this device is the entry of
    loads: tuple[LoadReport, ...] = ()  # those with new runs
    workers: int = 0
