"""Whom a command asks, and as whom: what `--coordinator`, `--key` and `--insecure` said, wherever they stand.

Law: a noun, filled once by `main.py` and `asking_options.py`, read by `connect.py`; imports nothing of the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Asking:
    """The key file, whether to ask in the open, and the address; None where the command line said nothing of it."""

    key: Path | None = None
    insecure: bool | None = None
    coordinator: str | None = None


asking = Asking()
