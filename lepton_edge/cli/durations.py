"""Durations as people write them: 90s, 10m, 2h, 1d.

Law: words in, seconds out.
"""

from __future__ import annotations

import re

from lepton_edge.core.errors import UsageError
from partitioner.units import Seconds

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHAPE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd])")


def read_duration(given: str, where: str) -> Seconds:
    """Return the seconds that "90s", "10m", "2h" or "1d" means; `where` names the option in the error.

    Raises:
        UsageError: it is none of these.
    """
    read = _SHAPE.fullmatch(given.strip())
    if read is None or float(read[1]) <= 0:
        raise UsageError(
            f"{where}: {given!r} is no duration", "write a number and its unit: 90s, 10m, 2h, 1d"
        )
    return Seconds(float(read[1]) * _UNITS[read[2]])
