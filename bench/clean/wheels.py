"""The wheels that a clean system installs from: one of this tree, and those that it needs.

Law: knows pip and nothing of systems. The folder stands for a registry that has this very release, so that commands
are typed as they will be when there is one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GLIBC = ("2_36", "2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_17", "2_12", "2_5")
INSTALLERS = ("pip", "setuptools", "wheel", "hatchling")
"""What pipx brings up to date before it installs anything, and what builds us where it begins with the sources."""
PATIENCE = 600.0


def gathered(folder: Path, python: str = "3.11", machine: str = "x86_64") -> Path:
    """Fill `folder` with a wheel of this tree and what it needs for a Python of Debian; return it.

    What an earlier run left there is used again, but for our own wheel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("lepton_edge-*.whl"):
        old.unlink()
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    wheel = next(folder.glob("lepton_edge-*.whl"))
    platforms = [f"--platform=manylinux_{one}_{machine}" for one in GLIBC]
    where = [f"--python-version={python}", "--implementation=cp", "--only-binary=:all:", *platforms]
    wanted = [f"lepton-edge[coordinator] @ {wheel.as_uri()}", *INSTALLERS]
    _pip("download", "--dest", str(folder), "--find-links", str(folder), *where, *wanted)
    return folder


def _pip(*words: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words)
    subprocess.run(command, check=True, timeout=PATIENCE, stderr=subprocess.DEVNULL)
