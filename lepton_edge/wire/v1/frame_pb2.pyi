from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FrameKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FRAME_KIND_UNSPECIFIED: _ClassVar[FrameKind]
    FRAME_KIND_REQUEST: _ClassVar[FrameKind]
    FRAME_KIND_REPLY: _ClassVar[FrameKind]
    FRAME_KIND_ERROR: _ClassVar[FrameKind]
    FRAME_KIND_CANCEL: _ClassVar[FrameKind]
    FRAME_KIND_CREDIT: _ClassVar[FrameKind]
    FRAME_KIND_PROBE: _ClassVar[FrameKind]
    FRAME_KIND_PROBE_REPLY: _ClassVar[FrameKind]
    FRAME_KIND_TUNNEL: _ClassVar[FrameKind]
FRAME_KIND_UNSPECIFIED: FrameKind
FRAME_KIND_REQUEST: FrameKind
FRAME_KIND_REPLY: FrameKind
FRAME_KIND_ERROR: FrameKind
FRAME_KIND_CANCEL: FrameKind
FRAME_KIND_CREDIT: FrameKind
FRAME_KIND_PROBE: FrameKind
FRAME_KIND_PROBE_REPLY: FrameKind
FRAME_KIND_TUNNEL: FrameKind

class WireTensor(_message.Message):
    __slots__ = ("name", "dtype", "shape", "codec", "payload_size", "scale", "zero_point")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_SIZE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ZERO_POINT_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    codec: str
    payload_size: int
    scale: float
    zero_point: int
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., codec: _Optional[str] = ..., payload_size: _Optional[int] = ..., scale: _Optional[float] = ..., zero_point: _Optional[int] = ...) -> None: ...

class Hop(_message.Message):
    __slots__ = ("device", "first_block", "last_block", "queue", "decode", "compute", "encode", "network", "simulated_slowdown", "bytes_out", "bytes_in", "total", "batch")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FIRST_BLOCK_FIELD_NUMBER: _ClassVar[int]
    LAST_BLOCK_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    DECODE_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_FIELD_NUMBER: _ClassVar[int]
    ENCODE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_SLOWDOWN_FIELD_NUMBER: _ClassVar[int]
    BYTES_OUT_FIELD_NUMBER: _ClassVar[int]
    BYTES_IN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    device: str
    first_block: int
    last_block: int
    queue: float
    decode: float
    compute: float
    encode: float
    network: float
    simulated_slowdown: float
    bytes_out: int
    bytes_in: int
    total: float
    batch: int
    def __init__(self, device: _Optional[str] = ..., first_block: _Optional[int] = ..., last_block: _Optional[int] = ..., queue: _Optional[float] = ..., decode: _Optional[float] = ..., compute: _Optional[float] = ..., encode: _Optional[float] = ..., network: _Optional[float] = ..., simulated_slowdown: _Optional[float] = ..., bytes_out: _Optional[int] = ..., bytes_in: _Optional[int] = ..., total: _Optional[float] = ..., batch: _Optional[int] = ...) -> None: ...

class WireError(_message.Message):
    __slots__ = ("code", "message", "hint", "fault", "retryable", "device", "retry_after_ms", "elsewhere")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    hint: str
    fault: str
    retryable: bool
    device: str
    retry_after_ms: int
    elsewhere: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., hint: _Optional[str] = ..., fault: _Optional[str] = ..., retryable: bool = ..., device: _Optional[str] = ..., retry_after_ms: _Optional[int] = ..., elsewhere: _Optional[_Iterable[str]] = ...) -> None: ...

class LabelScore(_message.Message):
    __slots__ = ("output", "row", "index", "label", "score")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    output: str
    row: int
    index: int
    label: str
    score: float
    def __init__(self, output: _Optional[str] = ..., row: _Optional[int] = ..., index: _Optional[int] = ..., label: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("kind", "request_id", "model", "epoch", "page", "first_block", "step", "attempt", "priority", "remaining_ms", "state_position", "tensors", "traceparent", "outputs", "hops", "error", "labels", "metadata", "credit_frames", "credit_bytes", "degraded", "reason", "flow")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    FIRST_BLOCK_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    STATE_POSITION_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    HOPS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    CREDIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    kind: FrameKind
    request_id: str
    model: str
    epoch: int
    page: str
    first_block: int
    step: int
    attempt: int
    priority: int
    remaining_ms: int
    state_position: int
    tensors: _containers.RepeatedCompositeFieldContainer[WireTensor]
    traceparent: str
    outputs: _containers.RepeatedScalarFieldContainer[str]
    hops: _containers.RepeatedCompositeFieldContainer[Hop]
    error: WireError
    labels: _containers.RepeatedCompositeFieldContainer[LabelScore]
    metadata: _containers.ScalarMap[str, str]
    credit_frames: int
    credit_bytes: int
    degraded: bool
    reason: str
    flow: str
    def __init__(self, kind: _Optional[_Union[FrameKind, str]] = ..., request_id: _Optional[str] = ..., model: _Optional[str] = ..., epoch: _Optional[int] = ..., page: _Optional[str] = ..., first_block: _Optional[int] = ..., step: _Optional[int] = ..., attempt: _Optional[int] = ..., priority: _Optional[int] = ..., remaining_ms: _Optional[int] = ..., state_position: _Optional[int] = ..., tensors: _Optional[_Iterable[_Union[WireTensor, _Mapping]]] = ..., traceparent: _Optional[str] = ..., outputs: _Optional[_Iterable[str]] = ..., hops: _Optional[_Iterable[_Union[Hop, _Mapping]]] = ..., error: _Optional[_Union[WireError, _Mapping]] = ..., labels: _Optional[_Iterable[_Union[LabelScore, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., credit_frames: _Optional[int] = ..., credit_bytes: _Optional[int] = ..., degraded: bool = ..., reason: _Optional[str] = ..., flow: _Optional[str] = ...) -> None: ...

class LinkHello(_message.Message):
    __slots__ = ("kind", "name", "software", "protocol_major", "protocol_minor", "checksums", "window_frames", "window_bytes", "max_frame_bytes", "opens_later")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAJOR_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MINOR_FIELD_NUMBER: _ClassVar[int]
    CHECKSUMS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FRAMES_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    OPENS_LATER_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    software: str
    protocol_major: int
    protocol_minor: int
    checksums: _containers.RepeatedScalarFieldContainer[str]
    window_frames: int
    window_bytes: int
    max_frame_bytes: int
    opens_later: bool
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., software: _Optional[str] = ..., protocol_major: _Optional[int] = ..., protocol_minor: _Optional[int] = ..., checksums: _Optional[_Iterable[str]] = ..., window_frames: _Optional[int] = ..., window_bytes: _Optional[int] = ..., max_frame_bytes: _Optional[int] = ..., opens_later: bool = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("opaque",)
    OPAQUE_FIELD_NUMBER: _ClassVar[int]
    opaque: bytes
    def __init__(self, opaque: _Optional[bytes] = ...) -> None: ...
