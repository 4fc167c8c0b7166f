"""What an idle board need not hold: structlog draws in rich for tracebacks that no agent ever draws (4.8 MB).

Law: imported first by the agent's command line, for this effect alone. A process that has either already keeps them.
"""

from __future__ import annotations

import importlib
import sys


def structlog_without_rich() -> None:
    """Import structlog as where rich is not installed; rich can be imported afterwards, for `--help` say."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # what Python takes for "is not there"
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]


structlog_without_rich()
