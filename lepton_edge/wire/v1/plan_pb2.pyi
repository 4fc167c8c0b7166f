from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Dim(_message.Message):
    __slots__ = ("known", "symbol")
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    known: int
    symbol: str
    def __init__(self, known: _Optional[int] = ..., symbol: _Optional[str] = ...) -> None: ...

class TensorSpec(_message.Message):
    __slots__ = ("name", "dtype", "shape", "size")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedCompositeFieldContainer[Dim]
    size: int
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[_Union[Dim, _Mapping]]] = ..., size: _Optional[int] = ...) -> None: ...

class WeightRef(_message.Message):
    __slots__ = ("name", "offset", "length", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset: int
    length: int
    sha256: str
    def __init__(self, name: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("index", "kind", "inputs", "outputs", "artifact", "weights", "name")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    index: int
    kind: str
    inputs: _containers.RepeatedCompositeFieldContainer[TensorSpec]
    outputs: _containers.RepeatedCompositeFieldContainer[TensorSpec]
    artifact: str
    weights: _containers.RepeatedCompositeFieldContainer[WeightRef]
    name: str
    def __init__(self, index: _Optional[int] = ..., kind: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[TensorSpec, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[TensorSpec, _Mapping]]] = ..., artifact: _Optional[str] = ..., weights: _Optional[_Iterable[_Union[WeightRef, _Mapping]]] = ..., name: _Optional[str] = ...) -> None: ...

class Frontier(_message.Message):
    __slots__ = ("tensors",)
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    tensors: _containers.RepeatedCompositeFieldContainer[TensorSpec]
    def __init__(self, tensors: _Optional[_Iterable[_Union[TensorSpec, _Mapping]]] = ...) -> None: ...

class CodecChoice(_message.Message):
    __slots__ = ("tensor", "codec")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    tensor: str
    codec: str
    def __init__(self, tensor: _Optional[str] = ..., codec: _Optional[str] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("device", "first", "last", "codecs")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    device: str
    first: int
    last: int
    codecs: _containers.RepeatedCompositeFieldContainer[CodecChoice]
    def __init__(self, device: _Optional[str] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., codecs: _Optional[_Iterable[_Union[CodecChoice, _Mapping]]] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("latency", "board", "cloud", "uplink", "downlink", "bytes_up", "bytes_down", "spread", "bottleneck", "energy", "wait")
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    CLOUD_FIELD_NUMBER: _ClassVar[int]
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    DOWNLINK_FIELD_NUMBER: _ClassVar[int]
    BYTES_UP_FIELD_NUMBER: _ClassVar[int]
    BYTES_DOWN_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    BOTTLENECK_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    latency: float
    board: float
    cloud: float
    uplink: float
    downlink: float
    bytes_up: int
    bytes_down: int
    spread: float
    bottleneck: float
    energy: float
    wait: float
    def __init__(self, latency: _Optional[float] = ..., board: _Optional[float] = ..., cloud: _Optional[float] = ..., uplink: _Optional[float] = ..., downlink: _Optional[float] = ..., bytes_up: _Optional[int] = ..., bytes_down: _Optional[int] = ..., spread: _Optional[float] = ..., bottleneck: _Optional[float] = ..., energy: _Optional[float] = ..., wait: _Optional[float] = ...) -> None: ...

class Page(_message.Message):
    __slots__ = ("name", "stages", "prediction", "lower_bound", "method", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    LOWER_BOUND_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    prediction: Prediction
    lower_bound: float
    method: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., prediction: _Optional[_Union[Prediction, _Mapping]] = ..., lower_bound: _Optional[float] = ..., method: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OutputSpec(_message.Message):
    __slots__ = ("tensor", "scores", "indices", "labels", "keep")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    tensor: str
    scores: str
    indices: str
    labels: str
    keep: bool
    def __init__(self, tensor: _Optional[str] = ..., scores: _Optional[str] = ..., indices: _Optional[str] = ..., labels: _Optional[str] = ..., keep: bool = ...) -> None: ...

class InputSpec(_message.Message):
    __slots__ = ("tensor", "picture", "encoded")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    ENCODED_FIELD_NUMBER: _ClassVar[int]
    tensor: TensorSpec
    picture: str
    encoded: str
    def __init__(self, tensor: _Optional[_Union[TensorSpec, _Mapping]] = ..., picture: _Optional[str] = ..., encoded: _Optional[str] = ...) -> None: ...

class Fused(_message.Message):
    __slots__ = ("device", "first", "last", "block")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    device: str
    first: int
    last: int
    block: Block
    def __init__(self, device: _Optional[str] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., block: _Optional[_Union[Block, _Mapping]] = ...) -> None: ...

class QueueRule(_message.Message):
    __slots__ = ("policy", "limit", "in_flight", "max_batch", "batch_wait_ms")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FIELD_NUMBER: _ClassVar[int]
    BATCH_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    policy: str
    limit: int
    in_flight: int
    max_batch: int
    batch_wait_ms: float
    def __init__(self, policy: _Optional[str] = ..., limit: _Optional[int] = ..., in_flight: _Optional[int] = ..., max_batch: _Optional[int] = ..., batch_wait_ms: _Optional[float] = ...) -> None: ...

class TurnRule(_message.Message):
    __slots__ = ("pages", "latency", "bottleneck", "energy", "egress", "max_latency", "max_energy", "max_egress")
    PAGES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    BOTTLENECK_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_ENERGY_FIELD_NUMBER: _ClassVar[int]
    MAX_EGRESS_FIELD_NUMBER: _ClassVar[int]
    pages: _containers.RepeatedScalarFieldContainer[str]
    latency: float
    bottleneck: float
    energy: float
    egress: float
    max_latency: float
    max_energy: float
    max_egress: float
    def __init__(self, pages: _Optional[_Iterable[str]] = ..., latency: _Optional[float] = ..., bottleneck: _Optional[float] = ..., energy: _Optional[float] = ..., egress: _Optional[float] = ..., max_latency: _Optional[float] = ..., max_energy: _Optional[float] = ..., max_egress: _Optional[float] = ...) -> None: ...

class Replica(_message.Message):
    __slots__ = ("device", "of")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    device: str
    of: str
    def __init__(self, device: _Optional[str] = ..., of: _Optional[str] = ...) -> None: ...

class PlanBook(_message.Message):
    __slots__ = ("model", "version", "blocks", "frontiers", "inputs", "outputs", "pages", "active", "fallback", "golden", "blob", "blob_size", "tolerance", "fused", "queue", "turning", "spare", "replicas", "smaller", "variants", "coders")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    FRONTIERS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    GOLDEN_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    BLOB_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    FUSED_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TURNING_FIELD_NUMBER: _ClassVar[int]
    SPARE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    SMALLER_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    CODERS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    frontiers: _containers.RepeatedCompositeFieldContainer[Frontier]
    inputs: _containers.RepeatedCompositeFieldContainer[InputSpec]
    outputs: _containers.RepeatedCompositeFieldContainer[OutputSpec]
    pages: _containers.RepeatedCompositeFieldContainer[Page]
    active: str
    fallback: str
    golden: str
    blob: str
    blob_size: int
    tolerance: float
    fused: _containers.RepeatedCompositeFieldContainer[Fused]
    queue: QueueRule
    turning: TurnRule
    spare: _containers.RepeatedCompositeFieldContainer[Fused]
    replicas: _containers.RepeatedCompositeFieldContainer[Replica]
    smaller: str
    variants: _containers.RepeatedCompositeFieldContainer[HeldVariant]
    coders: _containers.RepeatedCompositeFieldContainer[Coder]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ..., frontiers: _Optional[_Iterable[_Union[Frontier, _Mapping]]] = ..., inputs: _Optional[_Iterable[_Union[InputSpec, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[OutputSpec, _Mapping]]] = ..., pages: _Optional[_Iterable[_Union[Page, _Mapping]]] = ..., active: _Optional[str] = ..., fallback: _Optional[str] = ..., golden: _Optional[str] = ..., blob: _Optional[str] = ..., blob_size: _Optional[int] = ..., tolerance: _Optional[float] = ..., fused: _Optional[_Iterable[_Union[Fused, _Mapping]]] = ..., queue: _Optional[_Union[QueueRule, _Mapping]] = ..., turning: _Optional[_Union[TurnRule, _Mapping]] = ..., spare: _Optional[_Iterable[_Union[Fused, _Mapping]]] = ..., replicas: _Optional[_Iterable[_Union[Replica, _Mapping]]] = ..., smaller: _Optional[str] = ..., variants: _Optional[_Iterable[_Union[HeldVariant, _Mapping]]] = ..., coders: _Optional[_Iterable[_Union[Coder, _Mapping]]] = ...) -> None: ...

class Coder(_message.Message):
    __slots__ = ("codec", "tensor", "code", "encoder", "decoder")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    DECODER_FIELD_NUMBER: _ClassVar[int]
    codec: str
    tensor: TensorSpec
    code: TensorSpec
    encoder: str
    decoder: str
    def __init__(self, codec: _Optional[str] = ..., tensor: _Optional[_Union[TensorSpec, _Mapping]] = ..., code: _Optional[_Union[TensorSpec, _Mapping]] = ..., encoder: _Optional[str] = ..., decoder: _Optional[str] = ...) -> None: ...

class HeldVariant(_message.Message):
    __slots__ = ("device", "variant", "blocks", "golden", "blob", "blob_size", "tolerance", "fused", "spare", "version")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    GOLDEN_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    BLOB_SIZE_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    FUSED_FIELD_NUMBER: _ClassVar[int]
    SPARE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    device: str
    variant: str
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    golden: str
    blob: str
    blob_size: int
    tolerance: float
    fused: _containers.RepeatedCompositeFieldContainer[Fused]
    spare: _containers.RepeatedCompositeFieldContainer[Fused]
    version: str
    def __init__(self, device: _Optional[str] = ..., variant: _Optional[str] = ..., blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ..., golden: _Optional[str] = ..., blob: _Optional[str] = ..., blob_size: _Optional[int] = ..., tolerance: _Optional[float] = ..., fused: _Optional[_Iterable[_Union[Fused, _Mapping]]] = ..., spare: _Optional[_Iterable[_Union[Fused, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...

class Measurement(_message.Message):
    __slots__ = ("median", "spread", "runs")
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    median: float
    spread: float
    runs: int
    def __init__(self, median: _Optional[float] = ..., spread: _Optional[float] = ..., runs: _Optional[int] = ...) -> None: ...

class LayerShare(_message.Message):
    __slots__ = ("node", "share")
    NODE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    node: str
    share: float
    def __init__(self, node: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class SegmentTime(_message.Message):
    __slots__ = ("first", "last", "time")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    time: Measurement
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ..., time: _Optional[_Union[Measurement, _Mapping]] = ...) -> None: ...

class CodecTime(_message.Message):
    __slots__ = ("tensor", "codec", "encode", "decode", "wire_bytes")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    ENCODE_FIELD_NUMBER: _ClassVar[int]
    DECODE_FIELD_NUMBER: _ClassVar[int]
    WIRE_BYTES_FIELD_NUMBER: _ClassVar[int]
    tensor: str
    codec: str
    encode: float
    decode: float
    wire_bytes: int
    def __init__(self, tensor: _Optional[str] = ..., codec: _Optional[str] = ..., encode: _Optional[float] = ..., decode: _Optional[float] = ..., wire_bytes: _Optional[int] = ...) -> None: ...

class DeviceProfile(_message.Message):
    __slots__ = ("device", "whole", "layers", "segments", "pseudo", "codecs", "overhead", "threads", "engine", "simulated_slowdown", "send_message", "send_byte", "receive_message", "receive_byte", "activation_peak", "estimated_from")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    PSEUDO_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    OVERHEAD_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_SLOWDOWN_FIELD_NUMBER: _ClassVar[int]
    SEND_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SEND_BYTE_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_BYTE_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_PEAK_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FROM_FIELD_NUMBER: _ClassVar[int]
    device: str
    whole: Measurement
    layers: _containers.RepeatedCompositeFieldContainer[LayerShare]
    segments: _containers.RepeatedCompositeFieldContainer[SegmentTime]
    pseudo: _containers.RepeatedCompositeFieldContainer[LayerShare]
    codecs: _containers.RepeatedCompositeFieldContainer[CodecTime]
    overhead: float
    threads: int
    engine: str
    simulated_slowdown: float
    send_message: float
    send_byte: float
    receive_message: float
    receive_byte: float
    activation_peak: int
    estimated_from: str
    def __init__(self, device: _Optional[str] = ..., whole: _Optional[_Union[Measurement, _Mapping]] = ..., layers: _Optional[_Iterable[_Union[LayerShare, _Mapping]]] = ..., segments: _Optional[_Iterable[_Union[SegmentTime, _Mapping]]] = ..., pseudo: _Optional[_Iterable[_Union[LayerShare, _Mapping]]] = ..., codecs: _Optional[_Iterable[_Union[CodecTime, _Mapping]]] = ..., overhead: _Optional[float] = ..., threads: _Optional[int] = ..., engine: _Optional[str] = ..., simulated_slowdown: _Optional[float] = ..., send_message: _Optional[float] = ..., send_byte: _Optional[float] = ..., receive_message: _Optional[float] = ..., receive_byte: _Optional[float] = ..., activation_peak: _Optional[int] = ..., estimated_from: _Optional[str] = ...) -> None: ...

class LinkProfile(_message.Message):
    __slots__ = ("up", "down", "delay_up", "delay_down", "overhead", "measured", "via")
    UP_FIELD_NUMBER: _ClassVar[int]
    DOWN_FIELD_NUMBER: _ClassVar[int]
    DELAY_UP_FIELD_NUMBER: _ClassVar[int]
    DELAY_DOWN_FIELD_NUMBER: _ClassVar[int]
    OVERHEAD_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    up: float
    down: float
    delay_up: float
    delay_down: float
    overhead: float
    measured: bool
    via: str
    def __init__(self, up: _Optional[float] = ..., down: _Optional[float] = ..., delay_up: _Optional[float] = ..., delay_down: _Optional[float] = ..., overhead: _Optional[float] = ..., measured: bool = ..., via: _Optional[str] = ...) -> None: ...
