"""A proof on clean machines: what it needs is looked for and gathered, and its folder is gone afterwards.

Law: knows no proof in particular.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.clean.machine import missing
from bench.clean.wheels import gathered


def proven(prove: Callable[[Path, Path], bool], prefix: str) -> int:
    """Gather the wheels, then prove in a folder of its own; return the status: 2 where tools are missing."""
    if lacking := missing():
        print(
            f"missing: {', '.join(lacking)}; apt-get install debootstrap systemd-container", file=sys.stderr
        )
        return 2
    wheels = gathered(Path(tempfile.gettempdir()) / "lepton-wheels")
    with tempfile.TemporaryDirectory(prefix=prefix) as directory:
        return 0 if prove(Path(directory), wheels) else 1
