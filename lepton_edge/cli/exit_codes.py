"""What the exit status of `lepton-edge` means: one table, by error code; `docs/cli.md` prints the same one.

Law: data and look-ups only. A status is never renumbered. Within a status, the error code in the message
    tells more.
"""

from __future__ import annotations

from partitioner.errors import LeptonError

OK = 0
UNEXPECTED = 1
USAGE = 2
ANSWERS_DIFFER = 13
UNWELL = 16
INTERRUPTED = 130

_CODES: dict[int, tuple[str, tuple[str, ...]]] = {
    OK: ("success", ()),
    UNEXPECTED: ("an unexpected failure: a bug, please report it", ()),
    USAGE: ("the command line or a setting is wrong", ("usage_error", "folder_taken")),
    3: (
        "nobody could be reached, or they refused: no answer, not found by mDNS, name taken, other version, "
        "another coordinator in command",
        ("unavailable", "discovery_failed", "already_exists", "incompatible_version", "not_leader"),
    ),
    4: ("the port is in use", ("port_in_use",)),
    5: ("no space left on a disk", ("storage_full",)),
    6: (
        "the input is wrong: name, dtype, shape, picture, file",
        (
            "invalid_input",
            "request_error",
            "compression_refused",
            "too_little_data",
            "unusable_data",
            "corrupt_store",
        ),
    ),
    7: ("no such model, page, device or artifact", ("unknown_model", "unknown_page", "not_found")),
    8: ("the deadline passed", ("deadline_exceeded",)),
    9: (
        "the model or its manifest is at fault, or no device can hold it",
        (
            "invalid_model",
            "unsupported_operator",
            "invalid_manifest",
            "model_too_large",
            "model_error",
            "already_compressed",
        ),
    ),
    10: (
        "no plan, or no compressed model: limits that cannot be met, or measurements that are missing",
        ("no_feasible_plan", "invalid_problem", "plan_error", "profile_error", "budget_not_met"),
    ),
    11: (
        "the service or a device failed; mostly worth another try",
        (
            "overloaded",
            "superseded",
            "stale_epoch",
            "prepare_failed",
            "compute_failed",
            "out_of_memory",
            "service_error",
            "compression_failed",
        ),
    ),
    12: ("an optional extra is not installed", ("missing_extra",)),
    ANSWERS_DIFFER: ("`model check`: some split answers differently from the whole", ()),
    14: ("the peer broke the protocol", ("protocol_error", "corrupt_frame", "bad_signature")),
    15: ("who asks is not known there, or may not do that", ("unauthenticated", "permission_denied")),
    UNWELL: ("`doctor`: something does not work", ()),
    INTERRUPTED: ("interrupted", ()),
}

_STATUS_BY_CODE = {code: status for status, (_, codes) in _CODES.items() for code in codes}


def status_of(error: LeptonError) -> int:
    """Return the exit status for `error`; 11 for a code that only a newer peer knows."""
    return _STATUS_BY_CODE.get(error.code, 11)


def table() -> list[tuple[int, str, tuple[str, ...]]]:
    """Return (status, meaning, error codes) in order."""
    return [(status, meaning, codes) for status, (meaning, codes) in sorted(_CODES.items())]


def epilog() -> str:
    """Return the table for --help, as one paragraph."""
    return "Exit status: " + "; ".join(f"{status} {meaning}" for status, meaning, _ in table()) + "."
