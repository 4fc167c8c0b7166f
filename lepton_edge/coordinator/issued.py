"""A certificate that was issued, as the coordinator remembers it. Pure."""

from __future__ import annotations

from lepton_edge.coordinator.members import Certificate
from lepton_edge.security.authority import EARLY, Issued
from partitioner.units import ModelName, Seconds


def record(issued: Issued, machine: str, by: str) -> Certificate:
    """Return the record of a certificate for who is on `machine`; `by` says how it came."""
    facts, who = issued.facts, issued.facts.identity
    models = tuple(ModelName(model) for model in who.models)
    return Certificate(
        f"{who.serial:x}", who.role.value, who.name, facts.key, facts.begins, facts.ends, machine, models, by
    )


def renew_at(held: Certificate) -> Seconds:
    """Return when it is to be renewed: at two thirds of its life."""
    return Seconds(held.begins + (held.expires - held.begins) * 2 / 3)


def life(held: Certificate) -> Seconds:
    """Return for how long it was given: it began a day before that."""
    return Seconds(max(held.expires - held.begins - EARLY, 1.0))
