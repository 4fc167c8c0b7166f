"""What a model is to others: whose variant it is and how it differs, or which variants it has.

Law: pure functions of the state, documents out, as `reports.py`.
"""

from __future__ import annotations

from typing import Any

from lepton_edge.coordinator.orders import variants_of
from lepton_edge.coordinator.records import ModelRecord
from lepton_edge.coordinator.state import State

Json = dict[str, Any]


def relatives_of(state: State, record: ModelRecord) -> Json:
    """Return the variants of a model, and how it differs from the one whose variant it is; null where that is gone."""
    base = state.models.get(record.variant_of) if record.variant_of else None
    return {
        "variants": [
            {"model": one.name, "version": one.version, "weights_bytes": one.weights}
            for one in variants_of(state, record.name)
        ],
        "differs": _differs(record, base) if base is not None else None,
    }


def _differs(record: ModelRecord, base: ModelRecord) -> Json:
    own, its = set(record.operators), set(base.operators)
    return {
        "from": base.name,
        "weights_bytes": record.weights,
        "its_weights_bytes": base.weights,
        "operators": sorted(own - its),
        "without": sorted(its - own),
    }
