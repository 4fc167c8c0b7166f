"""What was said of settings, as it was written: which layer wins, but not whether it can be.

Law: light, pydantic is not loaded here. For what a command must know before the settings are built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lepton_edge.settings.file import read_table
from lepton_edge.settings.rooms import Room


def said(
    room: Room[Any], flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return the settings that somebody set, in any layer, each as the winning layer has it.

    Raises:
        UsageError: the file cannot be read.
    """
    variables = {name: environment.get(room.variable(name), "") for name in room.settings()}
    return {
        **read_table(file, room.table),
        **{name: value for name, value in variables.items() if value},
        **{name: value for name, value in flags.items() if value is not None},
    }
