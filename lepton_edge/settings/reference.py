"""The settings as a table of a document.

Law: words out of the nouns themselves, so that no table tells what is no longer so; which flags there are is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from lepton_edge.core.config import NO_METRICS, Setting
from lepton_edge.settings.rooms import Room

_GIB = 1 << 30


def markdown(room: Room[Any], flags: Mapping[str, str]) -> str:
    """Return the settings of `room` as a table; `flags` has those of a setting ("`--port`") by its name."""
    told = room.settings()
    rows = [
        f"| {flags.get(one.name, '')} | `{room.variable(one.name)}` | `{one.name}` "
        f"| {_default(told[one.name], one.default)} | {_means(told[one.name])} |"
        for one in fields(room.noun)
    ]
    head = f"| flag | variable | in `[{room.table}]` | default | means |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def _default(told: Setting, value: Any) -> str:
    if told.usual or value is MISSING:
        return told.usual
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value >= _GIB:
        return f"{value // _GIB} GiB"
    if value == NO_METRICS and told.words:
        return "off"
    if isinstance(value, float):
        return f"{value:.15g}"
    return f"`{value}`" if isinstance(value, str) and value else str(value)


def _means(told: Setting) -> str:
    """Return what a setting means, and the words that it may be where that does not name them."""
    unnamed = [f"`{one}`" for one in told.choices if one and f"`{one}`" not in told.told]
    return f"{told.told}: {', '.join(unnamed)}" if len(unnamed) > 1 else told.told
