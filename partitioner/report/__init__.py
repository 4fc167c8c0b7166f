"""A plan explained: as data (`explain`), and as text for a terminal (`terminal.render`, which needs rich)."""

from __future__ import annotations

from partitioner.report.explain import SCHEMA, explain

__all__ = ["SCHEMA", "explain"]
