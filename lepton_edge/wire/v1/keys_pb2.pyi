from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class JoinRequest(_message.Message):
    __slots__ = ("token", "secret", "request", "name", "machine", "software", "replace", "held")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    token: str
    secret: str
    request: bytes
    name: str
    machine: str
    software: str
    replace: bool
    held: str
    def __init__(self, token: _Optional[str] = ..., secret: _Optional[str] = ..., request: _Optional[bytes] = ..., name: _Optional[str] = ..., machine: _Optional[str] = ..., software: _Optional[str] = ..., replace: bool = ..., held: _Optional[str] = ...) -> None: ...

class RenewRequest(_message.Message):
    __slots__ = ("request", "machine", "certificate", "proof")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    machine: str
    certificate: bytes
    proof: bytes
    def __init__(self, request: _Optional[bytes] = ..., machine: _Optional[str] = ..., certificate: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("certificate", "authority", "pending", "retry_after", "replaced")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    authority: bytes
    pending: bool
    retry_after: float
    replaced: str
    def __init__(self, certificate: _Optional[bytes] = ..., authority: _Optional[bytes] = ..., pending: bool = ..., retry_after: _Optional[float] = ..., replaced: _Optional[str] = ...) -> None: ...

class CreateToken(_message.Message):
    __slots__ = ("ttl", "uses", "role", "models")
    TTL_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    ttl: float
    uses: int
    role: str
    models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ttl: _Optional[float] = ..., uses: _Optional[int] = ..., role: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ...) -> None: ...

class ListTokens(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RevokeToken(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class ListJoining(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ApproveDevice(_message.Message):
    __slots__ = ("device", "refuse", "fingerprint")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    device: str
    refuse: bool
    fingerprint: str
    def __init__(self, device: _Optional[str] = ..., refuse: bool = ..., fingerprint: _Optional[str] = ...) -> None: ...

class RevokeDevice(_message.Message):
    __slots__ = ("device",)
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    device: str
    def __init__(self, device: _Optional[str] = ...) -> None: ...

class CreateKey(_message.Message):
    __slots__ = ("name", "request", "role", "models", "ttl")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    name: str
    request: bytes
    role: str
    models: _containers.RepeatedScalarFieldContainer[str]
    ttl: float
    def __init__(self, name: _Optional[str] = ..., request: _Optional[bytes] = ..., role: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., ttl: _Optional[float] = ...) -> None: ...

class ListKeys(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RevokeKey(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...
