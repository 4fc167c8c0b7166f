"""What an application gets back.

Law: nouns without I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lepton_edge.core.frames import Hop, LabelScore
from partitioner.errors import LeptonError
from partitioner.units import Epoch, ModelName, PageName, RequestId


@dataclass(frozen=True)
class Result:
    """One answer.

    Attributes:
        request_id: made by the client; find it in logs and traces.
        model, epoch, page: the plan that it ran on.
        outputs: arrays by output name.
        labels: top-k answers where the manifest declares them, best first.
        hops: per device: queue, decode, compute, encode and network seconds.
        latency: seconds from call to answer on the client's clock.
        degraded: answered by a declared smaller model.
        reason: why the page was taken, or left ("fallback: the link to cloud was lost").
        metadata: the strings that were given with the call, as the entry echoes them.
        index: of the input in a stream, from 0; always 0 outside of one.
        error: why there is no answer, in a stream that yields errors; None where there is one.
    """

    request_id: RequestId
    model: ModelName
    epoch: Epoch
    page: PageName
    outputs: dict[str, NDArray[Any]]
    labels: tuple[LabelScore, ...] = ()
    hops: tuple[Hop, ...] = ()
    latency: float = 0.0
    degraded: bool = False
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    index: int = 0
    error: LeptonError | None = None

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the output called `name`; KeyError names what there is, an `error` is raised."""
        if self.error is not None:
            raise self.error
        if name not in self.outputs:
            raise KeyError(f"no output {name!r}; this result has {sorted(self.outputs)}")
        return self.outputs[name]


Array = np.ndarray[Any, np.dtype[Any]]
