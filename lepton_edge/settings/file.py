"""The TOML file of settings: one table for each kind of process.

Law: reads one file and returns one table; what the settings in it mean is not known here.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

from lepton_edge.core.errors import UsageError
from lepton_edge.settings.rooms import ROOMS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_table(path: Path | None, table: str) -> dict[str, Any]:
    """Return the table `[table]` of the TOML file at `path`; empty without a file.

    pydantic-settings' own source takes a file that is not there for an empty one, and drops tables that nobody reads.

    Raises:
        UsageError: the file cannot be read, is not TOML, or has a table that nobody reads.
    """
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the settings in {path}: {error}", "check the file") from error
    tables = [room.table for room in ROOMS]
    for name in document:
        if name not in tables:
            near = difflib.get_close_matches(name, tables, 1)
            hint = f"did you mean [{near[0]}]?" if near else f"known are {', '.join(tables)}"
            raise UsageError(f"{path}: there is no table {name!r}", hint)
    found = document.get(table, {})
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {table!r} is not a table", f"write [{table}] on a line of its own")
    return found
