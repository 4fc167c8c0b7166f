"""What can go wrong while the system runs: one tree, one code each, one map to gRPC status codes.

Law: errors are nouns; this file imports only `partitioner.errors`. An error that crosses the wire travels as
its `code`, message, hint, fault and retryable flag, and is rebuilt on the other side by `from_code`. The
ground's errors are re-exported, so that an application finds the whole tree in `lepton_edge.errors`.

    LeptonError
    ├── RequestError             the caller is at fault
    │   ├── InvalidInput             wrong name, dtype, shape, or a picture that cannot be decoded
    │   │   └── UsageError               a command line or a setting that cannot be followed
    │   ├── UnknownModel             no such model, or none of it active
    │   ├── UnknownPage              the book has no such page
    │   ├── NotFound                 no such device, artifact, ...
    │   ├── AlreadyExists            two agents with one name, a model name that is taken
    │   ├── Unauthenticated          no certificate, or none that counts: expired, revoked, of another authority
    │   ├── PermissionDenied         known, and may not do that
    │   ├── Superseded               a newer request of the same caller took its place while it waited
    │   └── DeadlineExceeded         the deadline passed (or was past on arrival)
    ├── ServiceError             we, a device or the network are at fault; mostly retryable
    │   ├── Unavailable              nobody can answer now: try again
    │   ├── NotLeader                a coordinator that may not, or no longer, command
    │   ├── Overloaded               a bounded queue is full: try again later
    │   ├── StaleEpoch               the epoch is retired or not known here
    │   ├── PrepareFailed            a device could not prepare an epoch
    │   ├── StorageFull              no space left on the disk
    │   ├── OutOfMemory              no memory left, or no more threads allowed
    │   ├── PortInUse                an address cannot be listened on
    │   ├── DiscoveryFailed          mDNS found nothing; says why
    │   └── ComputeFailed            the engine failed on valid input
    └── ProtocolError            the peer broke the protocol
        ├── BadSignature             what is to be run is not what the coordinator signed
        ├── CorruptFrame             bad checksum, sizes that disagree, limits passed
        └── IncompatibleVersion      the peer speaks no version that we do
"""

from __future__ import annotations

from partitioner import errors as base
from partitioner.errors import Fault as Fault
from partitioner.errors import InvalidManifest as InvalidManifest
from partitioner.errors import InvalidModel as InvalidModel
from partitioner.errors import InvalidProblem as InvalidProblem
from partitioner.errors import LeptonError as LeptonError
from partitioner.errors import ModelError as ModelError
from partitioner.errors import ModelTooLarge as ModelTooLarge
from partitioner.errors import NoFeasiblePlan as NoFeasiblePlan
from partitioner.errors import PlanError as PlanError
from partitioner.errors import ProfileError as ProfileError
from partitioner.errors import UnsupportedOperator as UnsupportedOperator


class RequestError(LeptonError):
    """The caller is at fault."""

    code = "request_error"
    fault = "caller"


class InvalidInput(RequestError):
    """Wrong name, dtype or shape, or a picture that cannot be decoded."""

    code = "invalid_input"


class UsageError(InvalidInput):
    """A command line or a setting that cannot be followed; the message names the option or variable."""

    code = "usage_error"


class UnknownModel(RequestError):
    """No such model, or none of its versions is active here."""

    code = "unknown_model"


class UnknownPage(RequestError):
    """The active book has no page of that name."""

    code = "unknown_page"


class NotFound(RequestError):
    """No such device, artifact or other named thing."""

    code = "not_found"


class AlreadyExists(RequestError):
    """The name is taken."""

    code = "already_exists"


class Unauthenticated(RequestError):
    """The caller did not prove who it is: no certificate or token, or one that is expired, revoked or another's."""

    code = "unauthenticated"


class PermissionDenied(RequestError):
    """The caller is known, and may not do what it asked for."""

    code = "permission_denied"


class Superseded(RequestError):
    """A newer request of the same caller took its place while it waited, as the model's queue policy has it.

    Not an error to retry: the answer to the newer request is the one that is wanted.
    """

    code = "superseded"


class DeadlineExceeded(RequestError):
    """The deadline passed before an answer was ready."""

    code = "deadline_exceeded"
    retryable = True


class ServiceError(LeptonError):
    """The service, a device or the network is at fault."""

    code = "service_error"
    retryable = True


class Unavailable(ServiceError):
    """Nobody can answer now."""

    code = "unavailable"
    fault = "network"


class NotLeader(ServiceError):
    """A coordinator may not command, or no longer: another one does."""

    code = "not_leader"


class Overloaded(ServiceError):
    """A bounded queue is full."""

    code = "overloaded"


class StaleEpoch(ServiceError):
    """The epoch is retired, or not known here."""

    code = "stale_epoch"


class PrepareFailed(ServiceError):
    """A device could not prepare an epoch."""

    code = "prepare_failed"
    fault = "device"


class StorageFull(ServiceError):
    """No space is left on a disk."""

    code = "storage_full"
    fault = "device"


class OutOfMemory(ServiceError):
    """A device has no memory left, or may begin no more threads."""

    code = "out_of_memory"
    fault = "device"


class PortInUse(ServiceError):
    """An address cannot be listened on."""

    code = "port_in_use"
    fault = "caller"
    retryable = False


class DiscoveryFailed(ServiceError):
    """No coordinator was found by mDNS."""

    code = "discovery_failed"
    fault = "network"


class ComputeFailed(ServiceError):
    """The engine failed on valid input."""

    code = "compute_failed"
    fault = "device"


class ProtocolError(LeptonError):
    """The peer broke the protocol."""

    code = "protocol_error"
    fault = "network"


class BadSignature(ProtocolError):
    """What is to be run is not signed, by another, or was changed since."""

    code = "bad_signature"


class CorruptFrame(ProtocolError):
    """Bad checksum, sizes that disagree, or a limit passed."""

    code = "corrupt_frame"


class IncompatibleVersion(ProtocolError):
    """The peer speaks no version that we do."""

    code = "incompatible_version"


def _tree(root: type[LeptonError]) -> list[type[LeptonError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


BY_CODE: dict[str, type[LeptonError]] = {kind.code: kind for kind in _tree(base.LeptonError)}

GRPC_STATUS: dict[str, str] = {
    "invalid_input": "INVALID_ARGUMENT",
    "invalid_model": "INVALID_ARGUMENT",
    "unsupported_operator": "INVALID_ARGUMENT",
    "invalid_manifest": "INVALID_ARGUMENT",
    "invalid_problem": "INVALID_ARGUMENT",
    "usage_error": "INVALID_ARGUMENT",
    "request_error": "INVALID_ARGUMENT",
    "model_too_large": "FAILED_PRECONDITION",
    "no_feasible_plan": "FAILED_PRECONDITION",
    "stale_epoch": "FAILED_PRECONDITION",
    "not_leader": "FAILED_PRECONDITION",
    "prepare_failed": "FAILED_PRECONDITION",
    "incompatible_version": "FAILED_PRECONDITION",
    "unknown_model": "NOT_FOUND",
    "unknown_page": "NOT_FOUND",
    "not_found": "NOT_FOUND",
    "already_exists": "ALREADY_EXISTS",
    "unauthenticated": "UNAUTHENTICATED",
    "permission_denied": "PERMISSION_DENIED",
    "deadline_exceeded": "DEADLINE_EXCEEDED",
    "superseded": "ABORTED",
    "unavailable": "UNAVAILABLE",
    "discovery_failed": "UNAVAILABLE",
    "overloaded": "RESOURCE_EXHAUSTED",
    "storage_full": "RESOURCE_EXHAUSTED",
    "out_of_memory": "RESOURCE_EXHAUSTED",
    "corrupt_frame": "DATA_LOSS",
    "bad_signature": "DATA_LOSS",
}
"""gRPC status names by error code; every other code is INTERNAL."""


def from_code(
    code: str, message: str, hint: str = "", fault: Fault = "service", retryable: bool = False
) -> LeptonError:
    """Rebuild an error that arrived over the wire; a code from a newer peer becomes a plain LeptonError."""
    kind = BY_CODE.get(code)
    if kind is not None:
        return kind(message, hint)
    unknown = type("LeptonError", (LeptonError,), {"code": code, "fault": fault, "retryable": retryable})
    error: LeptonError = unknown(message, hint)
    return error
