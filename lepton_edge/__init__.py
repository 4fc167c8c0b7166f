"""Lepton Edge: run a model on the board, in the cloud, or split between them, and know which is best.

Law: this is the public face, and it is lazy: `import lepton_edge` imports nothing heavy, so that a command
line or a board pays only for what it uses. Everything named in `__all__` is public and kept; everything else
is a room.

    with lepton_edge.Client("192.168.1.20:8010") as client:
        result = client.infer("mobilenetv2", {"input": pathlib.Path("coffee.jpg").read_bytes()})
        print(result.labels[0].label, result.page, result.latency)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lepton_edge.core.version import __version__

if TYPE_CHECKING:
    from lepton_edge.client import AsyncClient, Client, MockTransport
    from lepton_edge.compress.face import compress
    from lepton_edge.core import errors
    from lepton_edge.core.calls import LinkChange, Wishes
    from lepton_edge.core.errors import LeptonError
    from lepton_edge.core.results import Result

_ROOMS = ("compress", "errors")
"""Public names that are modules; `compress` can be called."""

_HOMES = {
    "AsyncClient": "lepton_edge.client",
    "Client": "lepton_edge.client",
    "LinkChange": "lepton_edge.core.calls",
    "MockTransport": "lepton_edge.client",
    "Result": "lepton_edge.core.results",
    "LeptonError": "lepton_edge.core.errors",
    "Wishes": "lepton_edge.core.calls",
    "compress": "lepton_edge.compress",
    "errors": "lepton_edge.core.errors",
}

__all__ = [
    "AsyncClient",
    "Client",
    "LeptonError",
    "LinkChange",
    "MockTransport",
    "Result",
    "Wishes",
    "__version__",
    "compress",
    "errors",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lepton_edge' has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    value = home if name in _ROOMS else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name the public face only."""
    return sorted(__all__)
