"""A certificate that was issued, as the coordinator remembers it. Pure."""

from __future__ import annotations

from lepton_edge.coordinator.members import Certificate
from lepton_edge.core.identity import Identity
from lepton_edge.core.joining import EARLY
from lepton_edge.security.authority import LONGEST_LEAF, Issued
from partitioner.units import ModelName, Seconds


def record(issued: Issued, machine: str, by: str) -> Certificate:
    """Return the record of a certificate for who is on `machine`; `by` says how it came."""
    facts, who = issued.facts, issued.facts.identity
    models = tuple(ModelName(model) for model in who.models)
    return Certificate(
        f"{who.serial:x}", who.role.value, who.name, facts.key, facts.begins, facts.ends, machine, models, by
    )


def unknown(who: Identity, machine: str, now: Seconds) -> Certificate:
    """Return the record of a certificate that is shown and that nobody remembers, so that it can be revoked.

    It was issued after a backup was made that was restored. It is remembered for as long as one can live.
    """
    models = tuple(ModelName(model) for model in who.models)
    expires = Seconds(now + LONGEST_LEAF)
    return Certificate(
        f"{who.serial:x}", who.role.value, who.name, "", now, expires, machine, models, "before a restore"
    )


def life(held: Certificate) -> Seconds:
    """Return for how long it was given: it began a day before that."""
    return Seconds(max(held.expires - held.begins - EARLY, 1.0))
