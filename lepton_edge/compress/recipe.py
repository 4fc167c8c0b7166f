"""The nouns of compression: a step, a recipe, a budget, a target, what was measured, what came of it.

Law: frozen data; it imports no onnx, no engine and no torch, so that a command line may speak of recipes before it
pays for them. What is written to disk from here (`Candidate`, in the workspace and in a variant's manifest) is a
promise: fields are added at the end, with a default, and never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from partitioner.units import Bytes, DeviceId, Seconds, Sha256

Value = str | int | float | bool
"""What an option of a step may be: it must survive JSON."""

SIZE, LATENCY = "size", "latency"
OBJECTIVES = (SIZE, LATENCY)


@dataclass(frozen=True)
class Step:
    """One technique with the options it is to run with; an option left out has the technique's first choice."""

    technique: str
    options: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Steps in the order in which they are applied; no step at all is the model as it is."""

    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Budget:
    """What may be lost, what is to be won, and how long the search may take.

    Attributes:
        max_drop: largest loss of the metric that is accepted, in points of the metric (0.01 is one percent).
        objective: "size" (bytes of the stored model) or "latency" (worst of the measured devices, seconds).
        time_limit: of the whole search, seconds of the monotonic clock; 0 is no limit.
        max_candidates: candidates tried at most.
    """

    max_drop: float = 0.01
    objective: str = LATENCY
    time_limit: Seconds = Seconds(0.0)
    max_candidates: int = 24


@dataclass(frozen=True)
class Target:
    """The processor that will run the model, as far as a technique must know it.

    Attributes:
        name: a platform ("x86", "raspberrypi", "jetson", "android", ...).
        activation: dtype of quantized activations that its kernels are fast with ("uint8" or "int8").
        saturates: whether 8-bit products may overflow its 16-bit sums, so that weights get 7 bits (x86 without VNNI).
        half: whether it computes float16 faster than float32.
        opset: newest operator set that its engine is known to read; 0 is no limit.
    """

    name: str = "x86"
    activation: str = "uint8"
    saturates: bool = False
    half: bool = False
    opset: int = 0


@dataclass(frozen=True)
class Timing:
    """What one device took for the model: median and spread (half the distance of the quartiles), seconds.

    `memory` is the resident growth in bytes while it was open (0: not measured). `runs` is how many were timed.
    """

    device: DeviceId
    median: Seconds
    spread: Seconds = Seconds(0.0)
    runs: int = 0
    memory: Bytes = Bytes(0)


@dataclass(frozen=True)
class Score:
    """A metric over the held-out samples: its name, mean, worst sample and how many there were."""

    metric: str
    mean: float
    worst: float
    count: int


@dataclass(frozen=True)
class Candidate:
    """One recipe that was tried: what it cost, what it won, and whether it may be used.

    Attributes:
        recipe: what was done.
        sha256: of the ONNX file, "" where none came of it.
        size: bytes of the ONNX file; `stored` is the bytes of the compressed store (the smaller of the two counts).
        score: of the held-out samples; None where it did not run.
        timings: one a measured device.
        wire: bytes that must be sent to a device that has nothing of it yet.
        rejected: why it is not used, "" where it may be.
        originals: what the original took in turns with it, for each of `timings`.
        refused: whether a step said that it cannot help here, so that nothing was tried.
        confirmed: of samples that chose nothing; None where it was not the best, or there are none.
    """

    recipe: Recipe
    sha256: Sha256 = Sha256("")
    size: Bytes = Bytes(0)
    stored: Bytes = Bytes(0)
    score: Score | None = None
    timings: tuple[Timing, ...] = ()
    wire: Bytes = Bytes(0)
    rejected: str = ""
    originals: tuple[Timing, ...] = ()
    refused: bool = False
    confirmed: Score | None = None


@dataclass(frozen=True)
class Compared:
    """A candidate and the original, timed in turns on one device: a machine changes its speed from minute to minute.

    Only their ratio is compared with that of another candidate.
    """

    candidate: Timing
    original: Timing

    @property
    def ratio(self) -> float:
        """How long the candidate takes for what takes the original 1."""
        return self.candidate.median / self.original.median if self.original.median > 0 else 1.0
