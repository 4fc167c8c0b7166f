"""Who comes back after its certificate has ended: a board that was without a network for long.

Law: pure. TLS refuses such a certificate, so that its owner comes as a stranger and proves that the key is its own.
It gets another one where nothing has been given to its name since, and nobody has revoked it; a person is needed
otherwise, or when it comes back too late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lepton_edge.coordinator.members import Certificate
from lepton_edge.core.errors import InvalidInput, Unauthenticated
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.joining import RenewRequest, revoked
from lepton_edge.security import certificates, proving
from partitioner.units import Seconds

LATE = Seconds(365 * 86400.0)
"""How long after its end a device's certificate still gets another one."""
JOIN = "join again: lepton-edge token create where the coordinator runs, lepton-edge agent join there"


def matters(held: Certificate, now: Seconds) -> bool:
    """Say whether a certificate is to be remembered: until its end, and a device's that counts a year longer."""
    longer = LATE if held.role == Role.AGENT.value and not held.revoked else 0.0
    return now < held.expires + longer


def proven(request: RenewRequest, known: Mapping[str, Certificate], now: Seconds) -> Certificate:
    """Return the certificate that `request` proves to be its own.

    Raises:
        Unauthenticated: it is none of a device here, ended too long ago, was revoked, or another one was given since.
    """
    try:
        facts = certificates.read(request.certificate[: proving.LONGEST])
    except InvalidInput:
        raise Unauthenticated("no certificate was shown", "join the coordinator, or give a key") from None
    held = known.get(f"{facts.identity.serial:x}")
    if held is None or held.role != Role.AGENT.value or held.key != facts.key or not matters(held, now):
        raise Unauthenticated(f"the certificate of {facts.identity.name!r} is not known here any more", JOIN)
    if not proving.is_proven(request.certificate, request.request, request.proof):
        raise Unauthenticated(
            f"that is not {held.name!r}: the key of its certificate did not sign this", JOIN
        )
    if held.revoked:
        raise revoked(held.identity)
    if _newer(held, known.values()):
        raise Unauthenticated(f"{held.name!r} was given another certificate since this one", JOIN)
    return held


def owner(held: Certificate | None) -> Identity:
    """Return whom a certificate names; raise Unauthenticated where there is none."""
    if held is None:
        raise Unauthenticated("no certificate was shown", "join the coordinator, or give a key")
    return held.identity


def _newer(held: Certificate, known: Iterable[Certificate]) -> bool:
    return any((one.role, one.name) == (held.role, held.name) and one.begins > held.begins for one in known)
