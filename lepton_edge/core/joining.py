"""How one who has no certificate yet is let in, and how certificates are renewed: what is said on the wire.

Law: frozen nouns without I/O, with messages of the same names and fields in
`protos/lepton_edge/wire/v1/control.proto`. `lepton_edge/security` makes and checks what they carry.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lepton_edge.core.errors import Unauthenticated
from lepton_edge.core.identity import Identity, Role
from partitioner.units import Seconds

EARLY = Seconds(86400.0)
"""A certificate begins so long before it is given: boards have no clock before they have a network."""
FINGERPRINT = 8
"""Digits: 32 bits, against who must make such a key while a person looks at the other one."""


@dataclass(frozen=True)
class JoinRequest:
    """Ask for a certificate with a token.

    Attributes:
        token: its id; secret: what proves that it was given to who asks.
        request: a certificate signing request, PEM; the key to it stays where it was made.
        name: the device or key that wants to join.
        machine: a hash that is another on another machine; "" where nothing tells machines apart.
        software: the release that asks.
        replace: end an agent of that name which is connected.
        held: the serial (hexadecimal) of the certificate that it has under that name already; "" for none.
    """

    token: str
    secret: str = field(repr=False)
    request: bytes
    name: str
    machine: str = ""
    software: str = ""
    replace: bool = False
    held: str = ""


@dataclass(frozen=True)
class RenewRequest:
    """Ask for a new certificate with the one that is held.

    One that has ended proves nothing to TLS: it is given here as `certificate`, PEM, and `proof` is what its key signed
    of this request (`security/proving.py`).
    """

    request: bytes
    machine: str = ""
    certificate: bytes = b""
    proof: bytes = b""


@dataclass(frozen=True)
class Joined:
    """The answer: a certificate and the authorities to believe, PEM; or `pending`: ask again after `retry_after` s.

    `replaced` says whose place was taken by it, for a person; "" where nobody's was.
    """

    certificate: bytes = b""
    authority: bytes = b""
    pending: bool = False
    retry_after: Seconds = Seconds(0.0)
    replaced: str = ""


def fingerprint(key: str) -> str:
    """Return how a person compares two keys: the first digits of `key`, the SHA-256 of a public key, hexadecimal."""
    return key[:FINGERPRINT].upper()


def renew_at(begins: Seconds, ends: Seconds) -> Seconds:
    """Return when a certificate is to be renewed, seconds since 1970: at two thirds of the life it was given for."""
    given = max(ends - begins - EARLY, 0.0)
    return Seconds(ends - given / 3)


def revoked(who: Identity) -> Unauthenticated:
    """Return what whoever shows a certificate that was revoked hears, and whoever is shown it."""
    if who.role is Role.AGENT:
        hint = "let it join again: lepton-edge token create where the coordinator runs, lepton-edge agent join there"
    else:
        hint = "ask for another key: lepton-edge client key create, where the coordinator runs"
    return Unauthenticated(f"the certificate of {who.role.value} {who.name!r} is revoked", hint)
