"""The certificate that this process shows, and what is to be said of it.

Law: reads what is public of it; the key beside it is never looked at.
"""

from __future__ import annotations

from lepton_edge.core.identity import Role
from lepton_edge.doctor.facts import Certificate, Finding, Level
from lepton_edge.security import certificates
from lepton_edge.wire.tls import Trust

LATE = 1 / 6
"""Of its life: it should have been renewed when a third was left."""
DAY = 86400.0
AGAIN = "an agent joins again: lepton-edge agent join HOST:PORT --token LE1...; a client needs another key"
REVOKED = "is revoked"
"""As whoever refuses it says (core/joining.py)."""
COMES_BACK = "let it reach its coordinator: within a year it is given another one by itself"


def certificate_of(trust: Trust | None) -> Certificate | None:
    """Return the certificate that is shown; None where all goes in the open.

    Raises:
        InvalidInput: it cannot be read.
    """
    if trust is None or not trust.credentials.certificate:
        return None
    facts = certificates.read(trust.credentials.certificate)
    return Certificate(f"{facts.identity.role.value} {facts.identity.name}", facts.begins, facts.ends)


def findings(held: Certificate | None, today: float, refused: str = "") -> list[Finding]:
    """Return what is to be said of a certificate at the time `today`, seconds since 1970. Pure.

    `refused` is what the coordinator said when it was shown, "" where it answered.
    """
    if held is None:
        fix = "without --insecure everybody proves who they are, and nobody listens in"
        return [
            Finding(
                "certificate",
                Level.NOTE,
                "all goes in the open: nobody is asked who they are",
                fix,
            )
        ]
    if REVOKED in refused:
        said = f"the certificate of {held.owner} was revoked: it counts no more"
        return [Finding("certificate", Level.PROBLEM, said, AGAIN)]
    return [_judged(held, today)]


def _is_agent(held: Certificate) -> bool:
    return held.owner.startswith(f"{Role.AGENT.value} ")


def _judged(held: Certificate, today: float) -> Finding:
    left = held.ends - today
    if today < held.begins:
        said = f"the certificate of {held.owner} is not valid yet: this machine's clock is wrong"
        return Finding("certificate", Level.PROBLEM, said, "set the clock: timedatectl set-ntp true")
    if left < 0:
        said = f"the certificate of {held.owner} ended {-left / DAY:.1f} days ago: nobody believes it"
        return Finding(
            "certificate", Level.PROBLEM, said, f"{COMES_BACK}; else {AGAIN}" if _is_agent(held) else AGAIN
        )
    said = f"the certificate of {held.owner} counts for {left / DAY:.1f} more days"
    if left < LATE * (held.ends - held.begins):
        fix = "an agent renews it by itself while it is attached to the coordinator: see above why it is not"
        return Finding("certificate", Level.WARNING, f"{said} and was not renewed in time", fix)
    return Finding("certificate", Level.OK, said)
