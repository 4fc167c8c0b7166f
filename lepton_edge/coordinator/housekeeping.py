"""Which files are still needed, so that the others can be deleted.

Law: pure functions of the state; nothing here deletes.
"""

from __future__ import annotations

from lepton_edge.coordinator.records import OVER, ModelRecord
from lepton_edge.coordinator.state import State
from partitioner.plan import PlanBook
from partitioner.units import ModelName, ModelVersion, Sha256


def wanted_versions(state: State) -> set[tuple[ModelName, ModelVersion]]:
    """Return the compiled models that a name means, or that an epoch runs on."""
    named = {(record.name, record.version) for record in state.models.values()}
    running = [one for one in state.epochs.values() if one.state not in OVER]
    variants = {(held.variant, held.version) for e in running if e.book for held in e.book.variants}
    return named | {(e.model, e.version) for e in running} | {(ModelName(name), v) for name, v in variants}


def runs_as_variant(state: State, name: ModelName) -> ModelName | None:
    """Return a model of which devices run `name` as its variant, None where no epoch does."""
    running = [one for one in state.epochs.values() if one.state not in OVER and one.book is not None]
    return next(
        (e.model for e in running if e.book and any(h.variant == name for h in e.book.variants)), None
    )


def wanted_artifacts(state: State) -> set[Sha256]:
    """Return the artifacts that an agent may still ask for."""
    wanted = {sha256 for record in state.models.values() for sha256 in _of_model(record)}
    for epoch in state.epochs.values():
        if epoch.book is not None:
            wanted |= of_book(epoch.book)
    return wanted


def _of_model(record: ModelRecord) -> set[Sha256]:
    return {spec.labels for spec in record.outputs if spec.labels}


def of_book(book: PlanBook) -> set[Sha256]:
    """Return the artifacts that a book is made of."""
    held = {sha256 for one in book.variants for sha256 in of_book(book.held_by(one.device))}
    pieces = {one.block.artifact for one in (*book.fused, *book.spare)}
    blocks = {block.artifact for block in book.blocks} | pieces
    coders = {name for one in book.coders for name in (one.encoder, one.decoder)}
    return (held | blocks | coders | {book.golden} | {spec.labels for spec in book.outputs}) - {Sha256("")}
