"""Which colour a device has, everywhere on the page.

Law: as the room's.
"""

from __future__ import annotations

from typing import Any

COLOURS = 4  # d0..d3 and n0..n3 in style.py
OF_ROLE = {"board": 0, "cloud": 1}


def palette(document: dict[str, Any]) -> dict[str, int]:
    """Return the number of each device's colour: the board's, the cloud's, then others as the plan meets them."""
    found = {one["device"]: OF_ROLE[one["role"]] for one in document["devices"]}
    layers = (document.get("graph") or {}).get("layers", [])
    for layer in sorted(layers, key=lambda layer: int(layer["stage"])):
        found.setdefault(layer["device"], max(len(found), len(OF_ROLE)) % COLOURS)
    return found
