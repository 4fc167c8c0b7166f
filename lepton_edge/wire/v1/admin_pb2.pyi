from lepton_edge.wire.v1 import frame_pb2 as _frame_pb2
from lepton_edge.wire.v1 import keys_pb2 as _keys_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Serving(_message.Message):
    __slots__ = ("model", "entries")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    model: str
    entries: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[str] = ..., entries: _Optional[_Iterable[str]] = ...) -> None: ...

class Description(_message.Message):
    __slots__ = ("kind", "name", "software", "protocol_major", "protocol_minor", "coordinator", "entries", "near", "serving", "doors")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAJOR_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MINOR_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEAR_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    DOORS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    software: str
    protocol_major: int
    protocol_minor: int
    coordinator: str
    entries: _containers.RepeatedCompositeFieldContainer[Peer]
    near: str
    serving: _containers.RepeatedCompositeFieldContainer[Serving]
    doors: _containers.RepeatedCompositeFieldContainer[Peer]
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., software: _Optional[str] = ..., protocol_major: _Optional[int] = ..., protocol_minor: _Optional[int] = ..., coordinator: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[Peer, _Mapping]]] = ..., near: _Optional[str] = ..., serving: _Optional[_Iterable[_Union[Serving, _Mapping]]] = ..., doors: _Optional[_Iterable[_Union[Peer, _Mapping]]] = ...) -> None: ...

class Relay(_message.Message):
    __slots__ = ("device", "addresses")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    device: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, device: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class Peer(_message.Message):
    __slots__ = ("device", "addresses", "via", "dial_after")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    DIAL_AFTER_FIELD_NUMBER: _ClassVar[int]
    device: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    via: _containers.RepeatedCompositeFieldContainer[Relay]
    dial_after: float
    def __init__(self, device: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., via: _Optional[_Iterable[_Union[Relay, _Mapping]]] = ..., dial_after: _Optional[float] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("command", "stage", "done", "total", "message")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    command: str
    stage: str
    done: int
    total: int
    message: str
    def __init__(self, command: _Optional[str] = ..., stage: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class ListDevices(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModels(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShowModel(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RemoveModel(_message.Message):
    __slots__ = ("name", "dry_run")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    name: str
    dry_run: bool
    def __init__(self, name: _Optional[str] = ..., dry_run: bool = ...) -> None: ...

class ShapeBinding(_message.Message):
    __slots__ = ("tensor", "shape")
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    tensor: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, tensor: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class PushModel(_message.Message):
    __slots__ = ("name", "shapes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHAPES_FIELD_NUMBER: _ClassVar[int]
    name: str
    shapes: _containers.RepeatedCompositeFieldContainer[ShapeBinding]
    def __init__(self, name: _Optional[str] = ..., shapes: _Optional[_Iterable[_Union[ShapeBinding, _Mapping]]] = ...) -> None: ...

class Upload(_message.Message):
    __slots__ = ("part", "data", "last")
    PART_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    part: str
    data: bytes
    last: bool
    def __init__(self, part: _Optional[str] = ..., data: _Optional[bytes] = ..., last: bool = ...) -> None: ...

class ShowProfile(_message.Message):
    __slots__ = ("name", "measure", "refresh", "devices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    measure: bool
    refresh: bool
    devices: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., measure: bool = ..., refresh: bool = ..., devices: _Optional[_Iterable[str]] = ...) -> None: ...

class Wishes(_message.Message):
    __slots__ = ("latency", "throughput", "energy", "egress", "min_throughput", "max_latency", "max_energy", "max_egress", "max_loss", "keep_output", "stay", "first_layers", "own_cut", "measure", "board_memory", "cloud_memory", "board_watts", "cloud_watts", "radio_watts", "board_lacks", "cloud_lacks", "board_variant", "cloud_variant")
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    THROUGHPUT_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    MIN_THROUGHPUT_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_ENERGY_FIELD_NUMBER: _ClassVar[int]
    MAX_EGRESS_FIELD_NUMBER: _ClassVar[int]
    MAX_LOSS_FIELD_NUMBER: _ClassVar[int]
    KEEP_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    STAY_FIELD_NUMBER: _ClassVar[int]
    FIRST_LAYERS_FIELD_NUMBER: _ClassVar[int]
    OWN_CUT_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    BOARD_MEMORY_FIELD_NUMBER: _ClassVar[int]
    CLOUD_MEMORY_FIELD_NUMBER: _ClassVar[int]
    BOARD_WATTS_FIELD_NUMBER: _ClassVar[int]
    CLOUD_WATTS_FIELD_NUMBER: _ClassVar[int]
    RADIO_WATTS_FIELD_NUMBER: _ClassVar[int]
    BOARD_LACKS_FIELD_NUMBER: _ClassVar[int]
    CLOUD_LACKS_FIELD_NUMBER: _ClassVar[int]
    BOARD_VARIANT_FIELD_NUMBER: _ClassVar[int]
    CLOUD_VARIANT_FIELD_NUMBER: _ClassVar[int]
    latency: float
    throughput: float
    energy: float
    egress: float
    min_throughput: float
    max_latency: float
    max_energy: float
    max_egress: float
    max_loss: float
    keep_output: bool
    stay: _containers.RepeatedScalarFieldContainer[str]
    first_layers: int
    own_cut: str
    measure: bool
    board_memory: int
    cloud_memory: int
    board_watts: float
    cloud_watts: float
    radio_watts: float
    board_lacks: _containers.RepeatedScalarFieldContainer[str]
    cloud_lacks: _containers.RepeatedScalarFieldContainer[str]
    board_variant: str
    cloud_variant: str
    def __init__(self, latency: _Optional[float] = ..., throughput: _Optional[float] = ..., energy: _Optional[float] = ..., egress: _Optional[float] = ..., min_throughput: _Optional[float] = ..., max_latency: _Optional[float] = ..., max_energy: _Optional[float] = ..., max_egress: _Optional[float] = ..., max_loss: _Optional[float] = ..., keep_output: bool = ..., stay: _Optional[_Iterable[str]] = ..., first_layers: _Optional[int] = ..., own_cut: _Optional[str] = ..., measure: bool = ..., board_memory: _Optional[int] = ..., cloud_memory: _Optional[int] = ..., board_watts: _Optional[float] = ..., cloud_watts: _Optional[float] = ..., radio_watts: _Optional[float] = ..., board_lacks: _Optional[_Iterable[str]] = ..., cloud_lacks: _Optional[_Iterable[str]] = ..., board_variant: _Optional[str] = ..., cloud_variant: _Optional[str] = ...) -> None: ...

class Deploy(_message.Message):
    __slots__ = ("name", "keep_input_on_board", "dry_run", "board", "cloud", "page", "wishes", "refresh", "queue", "replicas", "canary", "canary_requests", "fixed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEEP_INPUT_ON_BOARD_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    CLOUD_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    WISHES_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    CANARY_FIELD_NUMBER: _ClassVar[int]
    CANARY_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    FIXED_FIELD_NUMBER: _ClassVar[int]
    name: str
    keep_input_on_board: bool
    dry_run: bool
    board: str
    cloud: str
    page: str
    wishes: Wishes
    refresh: bool
    queue: str
    replicas: _containers.RepeatedScalarFieldContainer[str]
    canary: float
    canary_requests: int
    fixed: bool
    def __init__(self, name: _Optional[str] = ..., keep_input_on_board: bool = ..., dry_run: bool = ..., board: _Optional[str] = ..., cloud: _Optional[str] = ..., page: _Optional[str] = ..., wishes: _Optional[_Union[Wishes, _Mapping]] = ..., refresh: bool = ..., queue: _Optional[str] = ..., replicas: _Optional[_Iterable[str]] = ..., canary: _Optional[float] = ..., canary_requests: _Optional[int] = ..., fixed: bool = ...) -> None: ...

class PinPlan(_message.Message):
    __slots__ = ("name", "behind", "page", "dry_run", "board")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    behind: str
    page: str
    dry_run: bool
    board: str
    def __init__(self, name: _Optional[str] = ..., behind: _Optional[str] = ..., page: _Optional[str] = ..., dry_run: bool = ..., board: _Optional[str] = ...) -> None: ...

class LinkChange(_message.Message):
    __slots__ = ("up", "down", "delay")
    UP_FIELD_NUMBER: _ClassVar[int]
    DOWN_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    up: float
    down: float
    delay: float
    def __init__(self, up: _Optional[float] = ..., down: _Optional[float] = ..., delay: _Optional[float] = ...) -> None: ...

class DeviceSpeed(_message.Message):
    __slots__ = ("device", "times")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    device: str
    times: float
    def __init__(self, device: _Optional[str] = ..., times: _Optional[float] = ...) -> None: ...

class WhatIf(_message.Message):
    __slots__ = ("name", "link", "speeds", "wishes", "keep_input_on_board", "board")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    SPEEDS_FIELD_NUMBER: _ClassVar[int]
    WISHES_FIELD_NUMBER: _ClassVar[int]
    KEEP_INPUT_ON_BOARD_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    link: LinkChange
    speeds: _containers.RepeatedCompositeFieldContainer[DeviceSpeed]
    wishes: Wishes
    keep_input_on_board: bool
    board: str
    def __init__(self, name: _Optional[str] = ..., link: _Optional[_Union[LinkChange, _Mapping]] = ..., speeds: _Optional[_Iterable[_Union[DeviceSpeed, _Mapping]]] = ..., wishes: _Optional[_Union[Wishes, _Mapping]] = ..., keep_input_on_board: bool = ..., board: _Optional[str] = ...) -> None: ...

class ExplainPlan(_message.Message):
    __slots__ = ("name", "epoch", "board", "privacy")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    name: str
    epoch: int
    board: str
    privacy: bool
    def __init__(self, name: _Optional[str] = ..., epoch: _Optional[int] = ..., board: _Optional[str] = ..., privacy: bool = ...) -> None: ...

class ShowStatus(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShowEvents(_message.Message):
    __slots__ = ("since", "age", "follow", "model", "device", "kind")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    since: int
    age: float
    follow: bool
    model: str
    device: str
    kind: str
    def __init__(self, since: _Optional[int] = ..., age: _Optional[float] = ..., follow: bool = ..., model: _Optional[str] = ..., device: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class DrainDevice(_message.Message):
    __slots__ = ("device", "undo", "force")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    device: str
    undo: bool
    force: bool
    def __init__(self, device: _Optional[str] = ..., undo: bool = ..., force: bool = ...) -> None: ...

class RemoveDevice(_message.Message):
    __slots__ = ("device", "force")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    device: str
    force: bool
    def __init__(self, device: _Optional[str] = ..., force: bool = ...) -> None: ...

class RollBack(_message.Message):
    __slots__ = ("name", "board")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    board: str
    def __init__(self, name: _Optional[str] = ..., board: _Optional[str] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("schema", "json")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    schema: str
    json: str
    def __init__(self, schema: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class MoveModel(_message.Message):
    __slots__ = ("name", "source", "target", "board")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    source: str
    target: str
    board: str
    def __init__(self, name: _Optional[str] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., board: _Optional[str] = ...) -> None: ...

class CheckDoors(_message.Message):
    __slots__ = ("device",)
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    device: str
    def __init__(self, device: _Optional[str] = ...) -> None: ...

class AdminCall(_message.Message):
    __slots__ = ("list_devices", "list_models", "show_model", "remove_model", "push_model", "upload", "show_profile", "deploy", "explain_plan", "show_status", "pin_plan", "what_if", "show_events", "drain_device", "remove_device", "roll_back", "move_model", "check_doors", "create_token", "list_tokens", "revoke_token", "list_joining", "approve_device", "revoke_device", "create_key", "list_keys", "revoke_key")
    LIST_DEVICES_FIELD_NUMBER: _ClassVar[int]
    LIST_MODELS_FIELD_NUMBER: _ClassVar[int]
    SHOW_MODEL_FIELD_NUMBER: _ClassVar[int]
    REMOVE_MODEL_FIELD_NUMBER: _ClassVar[int]
    PUSH_MODEL_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    SHOW_PROFILE_FIELD_NUMBER: _ClassVar[int]
    DEPLOY_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_PLAN_FIELD_NUMBER: _ClassVar[int]
    SHOW_STATUS_FIELD_NUMBER: _ClassVar[int]
    PIN_PLAN_FIELD_NUMBER: _ClassVar[int]
    WHAT_IF_FIELD_NUMBER: _ClassVar[int]
    SHOW_EVENTS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_DEVICE_FIELD_NUMBER: _ClassVar[int]
    REMOVE_DEVICE_FIELD_NUMBER: _ClassVar[int]
    ROLL_BACK_FIELD_NUMBER: _ClassVar[int]
    MOVE_MODEL_FIELD_NUMBER: _ClassVar[int]
    CHECK_DOORS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIST_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REVOKE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIST_JOINING_FIELD_NUMBER: _ClassVar[int]
    APPROVE_DEVICE_FIELD_NUMBER: _ClassVar[int]
    REVOKE_DEVICE_FIELD_NUMBER: _ClassVar[int]
    CREATE_KEY_FIELD_NUMBER: _ClassVar[int]
    LIST_KEYS_FIELD_NUMBER: _ClassVar[int]
    REVOKE_KEY_FIELD_NUMBER: _ClassVar[int]
    list_devices: ListDevices
    list_models: ListModels
    show_model: ShowModel
    remove_model: RemoveModel
    push_model: PushModel
    upload: Upload
    show_profile: ShowProfile
    deploy: Deploy
    explain_plan: ExplainPlan
    show_status: ShowStatus
    pin_plan: PinPlan
    what_if: WhatIf
    show_events: ShowEvents
    drain_device: DrainDevice
    remove_device: RemoveDevice
    roll_back: RollBack
    move_model: MoveModel
    check_doors: CheckDoors
    create_token: _keys_pb2.CreateToken
    list_tokens: _keys_pb2.ListTokens
    revoke_token: _keys_pb2.RevokeToken
    list_joining: _keys_pb2.ListJoining
    approve_device: _keys_pb2.ApproveDevice
    revoke_device: _keys_pb2.RevokeDevice
    create_key: _keys_pb2.CreateKey
    list_keys: _keys_pb2.ListKeys
    revoke_key: _keys_pb2.RevokeKey
    def __init__(self, list_devices: _Optional[_Union[ListDevices, _Mapping]] = ..., list_models: _Optional[_Union[ListModels, _Mapping]] = ..., show_model: _Optional[_Union[ShowModel, _Mapping]] = ..., remove_model: _Optional[_Union[RemoveModel, _Mapping]] = ..., push_model: _Optional[_Union[PushModel, _Mapping]] = ..., upload: _Optional[_Union[Upload, _Mapping]] = ..., show_profile: _Optional[_Union[ShowProfile, _Mapping]] = ..., deploy: _Optional[_Union[Deploy, _Mapping]] = ..., explain_plan: _Optional[_Union[ExplainPlan, _Mapping]] = ..., show_status: _Optional[_Union[ShowStatus, _Mapping]] = ..., pin_plan: _Optional[_Union[PinPlan, _Mapping]] = ..., what_if: _Optional[_Union[WhatIf, _Mapping]] = ..., show_events: _Optional[_Union[ShowEvents, _Mapping]] = ..., drain_device: _Optional[_Union[DrainDevice, _Mapping]] = ..., remove_device: _Optional[_Union[RemoveDevice, _Mapping]] = ..., roll_back: _Optional[_Union[RollBack, _Mapping]] = ..., move_model: _Optional[_Union[MoveModel, _Mapping]] = ..., check_doors: _Optional[_Union[CheckDoors, _Mapping]] = ..., create_token: _Optional[_Union[_keys_pb2.CreateToken, _Mapping]] = ..., list_tokens: _Optional[_Union[_keys_pb2.ListTokens, _Mapping]] = ..., revoke_token: _Optional[_Union[_keys_pb2.RevokeToken, _Mapping]] = ..., list_joining: _Optional[_Union[_keys_pb2.ListJoining, _Mapping]] = ..., approve_device: _Optional[_Union[_keys_pb2.ApproveDevice, _Mapping]] = ..., revoke_device: _Optional[_Union[_keys_pb2.RevokeDevice, _Mapping]] = ..., create_key: _Optional[_Union[_keys_pb2.CreateKey, _Mapping]] = ..., list_keys: _Optional[_Union[_keys_pb2.ListKeys, _Mapping]] = ..., revoke_key: _Optional[_Union[_keys_pb2.RevokeKey, _Mapping]] = ...) -> None: ...

class AdminEvent(_message.Message):
    __slots__ = ("progress", "document", "wire_error")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    WIRE_ERROR_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    document: Document
    wire_error: _frame_pb2.WireError
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., document: _Optional[_Union[Document, _Mapping]] = ..., wire_error: _Optional[_Union[_frame_pb2.WireError, _Mapping]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("serial", "at", "kind", "cause", "message", "device", "model", "epoch", "before", "after", "predicted_before", "predicted_after", "measured_before", "measured_after", "verdict")
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_AFTER_FIELD_NUMBER: _ClassVar[int]
    MEASURED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    MEASURED_AFTER_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    serial: int
    at: float
    kind: str
    cause: str
    message: str
    device: str
    model: str
    epoch: int
    before: str
    after: str
    predicted_before: float
    predicted_after: float
    measured_before: float
    measured_after: float
    verdict: str
    def __init__(self, serial: _Optional[int] = ..., at: _Optional[float] = ..., kind: _Optional[str] = ..., cause: _Optional[str] = ..., message: _Optional[str] = ..., device: _Optional[str] = ..., model: _Optional[str] = ..., epoch: _Optional[int] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., predicted_before: _Optional[float] = ..., predicted_after: _Optional[float] = ..., measured_before: _Optional[float] = ..., measured_after: _Optional[float] = ..., verdict: _Optional[str] = ...) -> None: ...
