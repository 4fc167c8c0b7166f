"""What a model is to others: whose variant it is and how it differs, or which variants it has.

Law: pure functions of the state. A variant is one of the version that it was made of: with another version's weights it
would answer wrong without anybody seeing it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from lepton_edge.coordinator.records import ModelRecord
from lepton_edge.coordinator.state import State
from partitioner.units import ModelName, ModelVersion

Json = dict[str, Any]


def bound(state: State, pushed: ModelRecord) -> list[ModelRecord]:
    """Return what was pushed, and the variants that waited for it, each bound to the version whose variant it is."""
    base = state.models.get(pushed.variant_of) if pushed.variant_of != pushed.name else None
    own = dataclasses.replace(pushed, variant_version=base.version) if base is not None else pushed
    waiting = [one for one in all_variants(state, pushed.name) if not one.variant_version]
    return [own, *(dataclasses.replace(one, variant_version=pushed.version) for one in waiting)]


def all_variants(state: State, model: ModelName) -> list[ModelRecord]:
    """Return the models that were pushed as variants of `model`, of whatever version."""
    return [one for one in state.models.values() if one.variant_of == model and one.name != model]


def variants_of(state: State, model: ModelName, version: ModelVersion) -> list[ModelRecord]:
    """Return the variants of one version of a model."""
    return [one for one in all_variants(state, model) if one.variant_version in ("", version)]


def outdated(state: State, model: ModelName, version: ModelVersion) -> tuple[ModelName, ...]:
    """Return the variants of a model that are of another version of it."""
    return tuple(one.name for one in all_variants(state, model) if one.variant_version not in ("", version))


def relatives_of(state: State, record: ModelRecord) -> Json:
    """Return the variants of a model, and how it differs from the one whose variant it is; null where that is gone."""
    base = state.models.get(record.variant_of) if record.variant_of else None
    return {
        "variants": [
            {
                "model": one.name,
                "version": one.version,
                "weights_bytes": one.weights,
                "of_version": one.variant_version,
            }
            for one in all_variants(state, record.name)
        ],
        "differs": _differs(record, base) if base is not None else None,
    }


def _differs(record: ModelRecord, base: ModelRecord) -> Json:
    own, its = set(record.operators), set(base.operators)
    return {
        "from": base.name,
        "of_version": record.variant_version,
        "outdated": record.variant_version not in ("", base.version),
        "weights_bytes": record.weights,
        "its_weights_bytes": base.weights,
        "operators": sorted(own - its),
        "without": sorted(its - own),
    }
