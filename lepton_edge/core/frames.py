"""What travels on a link: frames, their tensors, and the report of a hop.

Law: nouns without I/O. The fields are those of DESIGN D6; every one exists from the first day, used or not. Each noun
has a message of the same name and field names in `protos/lepton_edge/wire/v1/frame.proto`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lepton_edge.core.quick import quick
from partitioner.units import CodecName, DeviceId, Epoch, ModelName, PageName, RequestId, TensorName


class FrameKind(enum.IntEnum):
    """What a frame is for. Numbers are wire format: never renumbered."""

    REQUEST = 1
    REPLY = 2
    ERROR = 3
    CANCEL = 4
    CREDIT = 5
    PROBE = 6
    PROBE_REPLY = 7
    TUNNEL = 8  # since protocol 1.1: never sent to a peer of 1.0

    __hash__ = int.__hash__  # an enumeration's own is written in Python; every frame is looked up by its kind


@quick
@dataclass(frozen=True)
class WireTensor:
    """One tensor as it travels.

    `payload` holds the encoded bytes (a bytes-like object; after decoding, a memoryview into the received buffer).
    `codec` is the codec that was truly used (an encoder falls back to "raw" for NaN, Inf or overflow).
    `dtype` and `shape` are of the decoded tensor. `scale` and `zero_point` belong to affine codecs.
    """

    name: TensorName
    dtype: str
    shape: tuple[int, ...]
    codec: CodecName
    payload: bytes | memoryview
    scale: float = 1.0
    zero_point: int = 0


@quick
@dataclass(frozen=True)
class Hop:
    """What one device reports of one request, in seconds of its own monotonic clock.

    `network` is, as seen by this device, the round trip to the next hop less what the next hop reports in all;
    0 for the last hop. `batch` requests were computed together here (0: not told, by a 1.0 peer): each of them
    waited for the whole computation, so `compute` is the time of all, and `compute` / `batch` one request's share.
    """

    device: DeviceId
    first_block: int
    last_block: int
    queue: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    encode: float = 0.0
    network: float = 0.0
    simulated_slowdown: float = 1.0
    bytes_out: int = 0
    bytes_in: int = 0
    total: float = 0.0
    batch: int = 0


@dataclass(frozen=True)
class WireError:
    """An error as it travels; rebuilt by `lepton_edge.core.errors.from_code`.

    `elsewhere` are data addresses of entries that may be asked instead, as a coordinator named them.
    """

    code: str
    message: str
    hint: str = ""
    fault: str = "service"
    retryable: bool = False
    device: DeviceId = DeviceId("")
    retry_after_ms: int = 0
    elsewhere: tuple[str, ...] = ()


@quick
@dataclass(frozen=True)
class LabelScore:
    """One of the top-k answers for an output: its class index, its label (may be empty) and its score."""

    output: TensorName
    row: int
    index: int
    label: str
    score: float


@quick
@dataclass(frozen=True)
class Frame:
    """One message on a link.

    `epoch` 0 and `page` "" mean "you choose" (a client to its entry). `first_block` is the block that the receiver
    shall begin with. `remaining_ms` is what is left of the deadline when the frame is sent, 0 for none; it is reduced
    at each hop and never a wall clock time. `outputs` names wanted outputs, empty for all that are declared.
    `degraded` says in a reply that a declared smaller model answered, in a request that it may. `state_position` is the
    expected state position of a session (-1: stateless). `reason` says in a reply why the page was taken or left
    ("fallback: link to cloud lost"). `flow` says who asked, in the words of the entry ("board/app#7"): queues on the
    way are fair between flows. An entry does not believe a client's.
    """

    kind: FrameKind
    request_id: RequestId
    model: ModelName = ModelName("")
    epoch: Epoch = Epoch(0)
    page: PageName = PageName("")
    first_block: int = 0
    step: int = 0
    attempt: int = 0
    priority: int = 0
    remaining_ms: int = 0
    state_position: int = -1
    tensors: tuple[WireTensor, ...] = ()
    traceparent: str = ""
    outputs: tuple[TensorName, ...] = ()
    hops: tuple[Hop, ...] = ()
    error: WireError | None = None
    labels: tuple[LabelScore, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    credit_frames: int = 0
    credit_bytes: int = 0
    degraded: bool = False
    reason: str = ""
    flow: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Frame:
        """Return a frame of all its fields, every one of them given: for the door that has read and checked them."""
        made = object.__new__(cls)
        vars(made).update(fields)
        return made

    def carrying(self, tensors: tuple[WireTensor, ...]) -> Frame:
        """Return this frame with other tensors."""
        return self.but(tensors=tensors)

    def but(self, **fields: Any) -> Frame:
        """Return this frame with other `fields` (every request pays for it: a tenth of `dataclasses.replace`)."""
        made = object.__new__(Frame)
        vars(made).update(vars(self), **fields)
        return made


def about(frame: Frame) -> dict[str, object]:
    """Return what a line of a log about a request names, beside the device that every line names."""
    return {"request": frame.request_id, "model": frame.model, "epoch": frame.epoch}
