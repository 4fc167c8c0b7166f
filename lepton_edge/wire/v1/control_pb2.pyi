from lepton_edge.wire.v1 import admin_pb2 as _admin_pb2
from lepton_edge.wire.v1 import frame_pb2 as _frame_pb2
from lepton_edge.wire.v1 import keys_pb2 as _keys_pb2
from lepton_edge.wire.v1 import plan_pb2 as _plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Hardware(_message.Message):
    __slots__ = ("architecture", "system", "cores", "memory_total", "memory_available", "processor", "providers", "engine", "temperature", "python", "threads", "power_mode", "features")
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_TOTAL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PROCESSOR_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    POWER_MODE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    architecture: str
    system: str
    cores: int
    memory_total: int
    memory_available: int
    processor: str
    providers: _containers.RepeatedScalarFieldContainer[str]
    engine: str
    temperature: float
    python: str
    threads: int
    power_mode: str
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, architecture: _Optional[str] = ..., system: _Optional[str] = ..., cores: _Optional[int] = ..., memory_total: _Optional[int] = ..., memory_available: _Optional[int] = ..., processor: _Optional[str] = ..., providers: _Optional[_Iterable[str]] = ..., engine: _Optional[str] = ..., temperature: _Optional[float] = ..., python: _Optional[str] = ..., threads: _Optional[int] = ..., power_mode: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class Leader(_message.Message):
    __slots__ = ("identity", "term", "incarnation")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    identity: str
    term: int
    incarnation: str
    def __init__(self, identity: _Optional[str] = ..., term: _Optional[int] = ..., incarnation: _Optional[str] = ...) -> None: ...

class EpochStatus(_message.Message):
    __slots__ = ("model", "version", "epoch", "state", "leader")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    epoch: int
    state: str
    leader: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., epoch: _Optional[int] = ..., state: _Optional[str] = ..., leader: _Optional[str] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("device", "role", "incarnation", "software", "protocol_major", "protocol_minor", "hardware", "data_addresses", "simulated_slowdown", "epochs", "watts", "radio_watts", "probe", "relay", "leader", "adopt", "machine", "custom_domains")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAJOR_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MINOR_FIELD_NUMBER: _ClassVar[int]
    HARDWARE_FIELD_NUMBER: _ClassVar[int]
    DATA_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_SLOWDOWN_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    WATTS_FIELD_NUMBER: _ClassVar[int]
    RADIO_WATTS_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    RELAY_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    ADOPT_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    device: str
    role: str
    incarnation: str
    software: str
    protocol_major: int
    protocol_minor: int
    hardware: Hardware
    data_addresses: _containers.RepeatedScalarFieldContainer[str]
    simulated_slowdown: float
    epochs: _containers.RepeatedCompositeFieldContainer[EpochStatus]
    watts: float
    radio_watts: float
    probe: float
    relay: bool
    leader: Leader
    adopt: bool
    machine: str
    custom_domains: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, device: _Optional[str] = ..., role: _Optional[str] = ..., incarnation: _Optional[str] = ..., software: _Optional[str] = ..., protocol_major: _Optional[int] = ..., protocol_minor: _Optional[int] = ..., hardware: _Optional[_Union[Hardware, _Mapping]] = ..., data_addresses: _Optional[_Iterable[str]] = ..., simulated_slowdown: _Optional[float] = ..., epochs: _Optional[_Iterable[_Union[EpochStatus, _Mapping]]] = ..., watts: _Optional[float] = ..., radio_watts: _Optional[float] = ..., probe: _Optional[float] = ..., relay: bool = ..., leader: _Optional[_Union[Leader, _Mapping]] = ..., adopt: bool = ..., machine: _Optional[str] = ..., custom_domains: _Optional[_Iterable[str]] = ...) -> None: ...

class StageReport(_message.Message):
    __slots__ = ("model", "epoch", "page", "first", "last", "count", "median", "spread", "total")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    model: str
    epoch: int
    page: str
    first: int
    last: int
    count: int
    median: float
    spread: float
    total: float
    def __init__(self, model: _Optional[str] = ..., epoch: _Optional[int] = ..., page: _Optional[str] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., count: _Optional[int] = ..., median: _Optional[float] = ..., spread: _Optional[float] = ..., total: _Optional[float] = ...) -> None: ...

class LinkReport(_message.Message):
    __slots__ = ("peer", "connected", "via", "up", "down", "round_trip", "samples", "age", "error", "p99", "under_way")
    PEER_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    DOWN_FIELD_NUMBER: _ClassVar[int]
    ROUND_TRIP_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    UNDER_WAY_FIELD_NUMBER: _ClassVar[int]
    peer: str
    connected: bool
    via: str
    up: float
    down: float
    round_trip: float
    samples: int
    age: float
    error: str
    p99: float
    under_way: int
    def __init__(self, peer: _Optional[str] = ..., connected: bool = ..., via: _Optional[str] = ..., up: _Optional[float] = ..., down: _Optional[float] = ..., round_trip: _Optional[float] = ..., samples: _Optional[int] = ..., age: _Optional[float] = ..., error: _Optional[str] = ..., p99: _Optional[float] = ..., under_way: _Optional[int] = ...) -> None: ...

class QueueReport(_message.Message):
    __slots__ = ("model", "active", "waiting", "wait")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    model: str
    active: int
    waiting: int
    wait: float
    def __init__(self, model: _Optional[str] = ..., active: _Optional[int] = ..., waiting: _Optional[int] = ..., wait: _Optional[float] = ...) -> None: ...

class TurnReport(_message.Message):
    __slots__ = ("serial", "model", "epoch", "before", "after", "cause", "predicted_before", "predicted_after", "measured", "requests", "over", "age")
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_AFTER_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    serial: int
    model: str
    epoch: int
    before: str
    after: str
    cause: str
    predicted_before: float
    predicted_after: float
    measured: float
    requests: int
    over: bool
    age: float
    def __init__(self, serial: _Optional[int] = ..., model: _Optional[str] = ..., epoch: _Optional[int] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., cause: _Optional[str] = ..., predicted_before: _Optional[float] = ..., predicted_after: _Optional[float] = ..., measured: _Optional[float] = ..., requests: _Optional[int] = ..., over: bool = ..., age: _Optional[float] = ...) -> None: ...

class EpochReport(_message.Message):
    __slots__ = ("model", "epoch", "answered", "failed", "mean", "slow", "logs", "squares")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SLOW_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    SQUARES_FIELD_NUMBER: _ClassVar[int]
    model: str
    epoch: int
    answered: int
    failed: int
    mean: float
    slow: float
    logs: float
    squares: float
    def __init__(self, model: _Optional[str] = ..., epoch: _Optional[int] = ..., answered: _Optional[int] = ..., failed: _Optional[int] = ..., mean: _Optional[float] = ..., slow: _Optional[float] = ..., logs: _Optional[float] = ..., squares: _Optional[float] = ...) -> None: ...

class LoadReport(_message.Message):
    __slots__ = ("model", "epoch", "busy", "runs")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    model: str
    epoch: int
    busy: float
    runs: int
    def __init__(self, model: _Optional[str] = ..., epoch: _Optional[int] = ..., busy: _Optional[float] = ..., runs: _Optional[int] = ...) -> None: ...

class Telemetry(_message.Message):
    __slots__ = ("load", "memory_available", "resident", "temperature", "requests_active", "requests_served", "requests_failed", "seconds_since_success", "stages", "links", "queues", "turns", "busy", "throttled", "epochs", "loads", "workers")
    LOAD_FIELD_NUMBER: _ClassVar[int]
    MEMORY_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_SERVED_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FAILED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_SINCE_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    TURNS_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    THROTTLED_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    LOADS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    load: float
    memory_available: int
    resident: int
    temperature: float
    requests_active: int
    requests_served: int
    requests_failed: int
    seconds_since_success: float
    stages: _containers.RepeatedCompositeFieldContainer[StageReport]
    links: _containers.RepeatedCompositeFieldContainer[LinkReport]
    queues: _containers.RepeatedCompositeFieldContainer[QueueReport]
    turns: _containers.RepeatedCompositeFieldContainer[TurnReport]
    busy: float
    throttled: bool
    epochs: _containers.RepeatedCompositeFieldContainer[EpochReport]
    loads: _containers.RepeatedCompositeFieldContainer[LoadReport]
    workers: int
    def __init__(self, load: _Optional[float] = ..., memory_available: _Optional[int] = ..., resident: _Optional[int] = ..., temperature: _Optional[float] = ..., requests_active: _Optional[int] = ..., requests_served: _Optional[int] = ..., requests_failed: _Optional[int] = ..., seconds_since_success: _Optional[float] = ..., stages: _Optional[_Iterable[_Union[StageReport, _Mapping]]] = ..., links: _Optional[_Iterable[_Union[LinkReport, _Mapping]]] = ..., queues: _Optional[_Iterable[_Union[QueueReport, _Mapping]]] = ..., turns: _Optional[_Iterable[_Union[TurnReport, _Mapping]]] = ..., busy: _Optional[float] = ..., throttled: bool = ..., epochs: _Optional[_Iterable[_Union[EpochReport, _Mapping]]] = ..., loads: _Optional[_Iterable[_Union[LoadReport, _Mapping]]] = ..., workers: _Optional[int] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("command", "error", "opened", "resident")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    command: str
    error: _frame_pb2.WireError
    opened: _containers.RepeatedScalarFieldContainer[float]
    resident: int
    def __init__(self, command: _Optional[str] = ..., error: _Optional[_Union[_frame_pb2.WireError, _Mapping]] = ..., opened: _Optional[_Iterable[float]] = ..., resident: _Optional[int] = ...) -> None: ...

class Profiled(_message.Message):
    __slots__ = ("command", "model", "version", "profile", "probe")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    command: str
    model: str
    version: str
    profile: _plan_pb2.DeviceProfile
    probe: float
    def __init__(self, command: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[str] = ..., profile: _Optional[_Union[_plan_pb2.DeviceProfile, _Mapping]] = ..., probe: _Optional[float] = ...) -> None: ...

class Gauged(_message.Message):
    __slots__ = ("command", "probe")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    command: str
    probe: float
    def __init__(self, command: _Optional[str] = ..., probe: _Optional[float] = ...) -> None: ...

class Probed(_message.Message):
    __slots__ = ("command", "peer", "link")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    command: str
    peer: str
    link: _plan_pb2.LinkProfile
    def __init__(self, command: _Optional[str] = ..., peer: _Optional[str] = ..., link: _Optional[_Union[_plan_pb2.LinkProfile, _Mapping]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("device", "lease", "heartbeat", "software", "term", "leader")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    device: str
    lease: float
    heartbeat: float
    software: str
    term: int
    leader: Leader
    def __init__(self, device: _Optional[str] = ..., lease: _Optional[float] = ..., heartbeat: _Optional[float] = ..., software: _Optional[str] = ..., term: _Optional[int] = ..., leader: _Optional[_Union[Leader, _Mapping]] = ...) -> None: ...

class Rejected(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: _frame_pb2.WireError
    def __init__(self, error: _Optional[_Union[_frame_pb2.WireError, _Mapping]] = ...) -> None: ...

class Seal(_message.Message):
    __slots__ = ("statement", "signature")
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    statement: bytes
    signature: bytes
    def __init__(self, statement: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Prepare(_message.Message):
    __slots__ = ("command", "epoch", "book", "hold", "peers", "seal")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    command: str
    epoch: int
    book: _plan_pb2.PlanBook
    hold: _containers.RepeatedScalarFieldContainer[int]
    peers: _containers.RepeatedCompositeFieldContainer[_admin_pb2.Peer]
    seal: Seal
    def __init__(self, command: _Optional[str] = ..., epoch: _Optional[int] = ..., book: _Optional[_Union[_plan_pb2.PlanBook, _Mapping]] = ..., hold: _Optional[_Iterable[int]] = ..., peers: _Optional[_Iterable[_Union[_admin_pb2.Peer, _Mapping]]] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class Activate(_message.Message):
    __slots__ = ("command", "model", "epoch", "share")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    command: str
    model: str
    epoch: int
    share: float
    def __init__(self, command: _Optional[str] = ..., model: _Optional[str] = ..., epoch: _Optional[int] = ..., share: _Optional[float] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("command", "model", "epoch", "elsewhere")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    command: str
    model: str
    epoch: int
    elsewhere: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, command: _Optional[str] = ..., model: _Optional[str] = ..., epoch: _Optional[int] = ..., elsewhere: _Optional[_Iterable[str]] = ...) -> None: ...

class Retire(_message.Message):
    __slots__ = ("command", "model", "epoch")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    command: str
    model: str
    epoch: int
    def __init__(self, command: _Optional[str] = ..., model: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class ProfileSegment(_message.Message):
    __slots__ = ("first", "last", "block")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    block: _plan_pb2.Block
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ..., block: _Optional[_Union[_plan_pb2.Block, _Mapping]] = ...) -> None: ...

class CodecTrial(_message.Message):
    __slots__ = ("tensor", "codec")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    tensor: _plan_pb2.TensorSpec
    codec: str
    def __init__(self, tensor: _Optional[_Union[_plan_pb2.TensorSpec, _Mapping]] = ..., codec: _Optional[str] = ...) -> None: ...

class ProfileCommand(_message.Message):
    __slots__ = ("command", "model", "version", "whole", "pseudo", "segments", "codecs", "golden", "blob", "blob_size", "repeats", "budget", "coders", "seal")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    PSEUDO_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    CODECS_FIELD_NUMBER: _ClassVar[int]
    GOLDEN_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    BLOB_SIZE_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    CODERS_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    command: str
    model: str
    version: str
    whole: _plan_pb2.Block
    pseudo: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Block]
    segments: _containers.RepeatedCompositeFieldContainer[ProfileSegment]
    codecs: _containers.RepeatedCompositeFieldContainer[CodecTrial]
    golden: str
    blob: str
    blob_size: int
    repeats: int
    budget: float
    coders: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Coder]
    seal: Seal
    def __init__(self, command: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[str] = ..., whole: _Optional[_Union[_plan_pb2.Block, _Mapping]] = ..., pseudo: _Optional[_Iterable[_Union[_plan_pb2.Block, _Mapping]]] = ..., segments: _Optional[_Iterable[_Union[ProfileSegment, _Mapping]]] = ..., codecs: _Optional[_Iterable[_Union[CodecTrial, _Mapping]]] = ..., golden: _Optional[str] = ..., blob: _Optional[str] = ..., blob_size: _Optional[int] = ..., repeats: _Optional[int] = ..., budget: _Optional[float] = ..., coders: _Optional[_Iterable[_Union[_plan_pb2.Coder, _Mapping]]] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class ProbeCommand(_message.Message):
    __slots__ = ("command", "peer", "sizes", "budget")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    command: str
    peer: _admin_pb2.Peer
    sizes: _containers.RepeatedScalarFieldContainer[int]
    budget: float
    def __init__(self, command: _Optional[str] = ..., peer: _Optional[_Union[_admin_pb2.Peer, _Mapping]] = ..., sizes: _Optional[_Iterable[int]] = ..., budget: _Optional[float] = ...) -> None: ...

class GaugeCommand(_message.Message):
    __slots__ = ("command",)
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    command: str
    def __init__(self, command: _Optional[str] = ...) -> None: ...

class Revoked(_message.Message):
    __slots__ = ("serials",)
    SERIALS_FIELD_NUMBER: _ClassVar[int]
    serials: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, serials: _Optional[_Iterable[str]] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("sha256", "offset", "packed")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    offset: int
    packed: bool
    def __init__(self, sha256: _Optional[str] = ..., offset: _Optional[int] = ..., packed: bool = ...) -> None: ...

class FetchChunk(_message.Message):
    __slots__ = ("offset", "total", "data", "packed")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    offset: int
    total: int
    data: bytes
    packed: bool
    def __init__(self, offset: _Optional[int] = ..., total: _Optional[int] = ..., data: _Optional[bytes] = ..., packed: bool = ...) -> None: ...

class AgentSays(_message.Message):
    __slots__ = ("hello", "telemetry", "outcome", "progress", "profiled", "probed", "epoch_status", "gauged")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PROFILED_FIELD_NUMBER: _ClassVar[int]
    PROBED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_STATUS_FIELD_NUMBER: _ClassVar[int]
    GAUGED_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    telemetry: Telemetry
    outcome: Outcome
    progress: _admin_pb2.Progress
    profiled: Profiled
    probed: Probed
    epoch_status: EpochStatus
    gauged: Gauged
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., telemetry: _Optional[_Union[Telemetry, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, _Mapping]] = ..., progress: _Optional[_Union[_admin_pb2.Progress, _Mapping]] = ..., profiled: _Optional[_Union[Profiled, _Mapping]] = ..., probed: _Optional[_Union[Probed, _Mapping]] = ..., epoch_status: _Optional[_Union[EpochStatus, _Mapping]] = ..., gauged: _Optional[_Union[Gauged, _Mapping]] = ...) -> None: ...

class CoordinatorSays(_message.Message):
    __slots__ = ("welcome", "rejected", "prepare", "activate", "drain", "retire", "profile_command", "probe_command", "gauge_command", "revoked")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    PREPARE_FIELD_NUMBER: _ClassVar[int]
    ACTIVATE_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    RETIRE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    PROBE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    GAUGE_COMMAND_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    rejected: Rejected
    prepare: Prepare
    activate: Activate
    drain: Drain
    retire: Retire
    profile_command: ProfileCommand
    probe_command: ProbeCommand
    gauge_command: GaugeCommand
    revoked: Revoked
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., rejected: _Optional[_Union[Rejected, _Mapping]] = ..., prepare: _Optional[_Union[Prepare, _Mapping]] = ..., activate: _Optional[_Union[Activate, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., retire: _Optional[_Union[Retire, _Mapping]] = ..., profile_command: _Optional[_Union[ProfileCommand, _Mapping]] = ..., probe_command: _Optional[_Union[ProbeCommand, _Mapping]] = ..., gauge_command: _Optional[_Union[GaugeCommand, _Mapping]] = ..., revoked: _Optional[_Union[Revoked, _Mapping]] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
