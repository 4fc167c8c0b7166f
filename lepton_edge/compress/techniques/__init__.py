"""Every technique that comes with Lepton Edge, by name.

Law: a table and nothing else; a technique's module is imported when it is asked for, because some need an extra. A
user's own step is any object that keeps `technique.Technique`; it is handed to the search, not entered here.
"""

from __future__ import annotations

import importlib

from lepton_edge.compress.technique import Technique
from lepton_edge.core.errors import NotFound

HOMES: dict[str, str] = {
    "dynamic_int8": "dynamic_int8:TECHNIQUE",
    "half": "half:TECHNIQUE",
    "mixed_int8": "mixed:TECHNIQUE",
    "weight_only": "weight_only:TECHNIQUE",
    "clean": "clean:TECHNIQUE",
    "static_int8": "static_int8:TECHNIQUE",
    "bottleneck": "bottleneck:BOTTLENECK",
    "distill": "distill:DISTILL",
    "finetune": "finetune:FINETUNE",
    "prune_channels": "prune_channels:PRUNE_CHANNELS",
    "qat": "qat:QAT",
    "prune": "prune:TECHNIQUE",
    "share": "share:TECHNIQUE",
}
"""Technique by name: "module:attribute" in this folder (the attribute is an instance)."""


def technique(name: str) -> Technique:
    """Return the technique `name`.

    Raises:
        NotFound: there is none of that name.
    """
    if name not in HOMES:
        raise NotFound(f"there is no technique {name!r}", f"known: {', '.join(sorted(HOMES))}")
    module, _, attribute = HOMES[name].partition(":")
    found: Technique = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return found
