"""The settings of a service as TOML.

Law: writes what `tomllib` reads back as it was; knows no setting in particular.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def toml(table: str, values: Mapping[str, Any]) -> str:
    """Return `[table]` with these values; those that are None, "" or empty are left out."""
    rows = [f"{name} = {_value(value)}" for name, value in values.items() if value not in (None, "", (), [])]
    return "\n".join([f"[{table}]", *rows]) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(one) for one in value)}]"
    return json.dumps(str(value), ensure_ascii=True)  # TOML's basic strings escape as JSON's do
