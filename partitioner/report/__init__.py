"""A plan explained: as data (`explain`, in `document.py`), and as text for a person (`terminal.render`).

Law: this face is lazy. A command line with the base dependencies renders documents that a coordinator made;
only who makes one needs the planner, and scipy with it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partitioner.report.document import SCHEMA, explain

__all__ = ["SCHEMA", "explain"]


def __getattr__(name: str) -> Any:
    """Import a name of this face at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("partitioner.report.document"), name)
