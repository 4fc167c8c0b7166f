"""As whom a command asks: what `--key` and `--insecure` said before its name.

Law: a noun, filled once by `main.py` and read by `connect.py`; imports nothing of the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Asking:
    """The key file, and whether to ask in the open; None where the command line said nothing of it."""

    key: Path | None = None
    insecure: bool | None = None


asking = Asking()
