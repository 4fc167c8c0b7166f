"""Processors by the name of the platform: what a technique must know of them.

Law: data, and one look at this machine. What a platform's kernels are fast with is from measurements and the engine's
documentation (DESIGN section 6); a board that was measured says more than this table.
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from pathlib import Path

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Target
from partitioner.compiled import READ_OPSET

TARGETS = {
    "x86": Target("x86", "uint8", opset=READ_OPSET),
    "x86-novnni": Target("x86-novnni", "uint8", saturates=True, opset=READ_OPSET),
    "raspberrypi": Target("raspberrypi", "int8", opset=READ_OPSET),
    "jetson": Target("jetson", "int8", half=True, opset=READ_OPSET),
    "android": Target("android", "int8", opset=READ_OPSET),
    "arm64": Target("arm64", "int8", opset=READ_OPSET),
}

_CPUINFO = Path("/proc/cpuinfo")
_VNNI = ("avx512_vnni", "avx_vnni", "amx_int8")
_X86, _ARM = ("x86_64", "amd64"), ("aarch64", "arm64")


def target_of(name: str) -> Target:
    """Return the platform called `name`.

    Raises:
        CompressionRefused: there is none.
    """
    if name not in TARGETS:
        raise CompressionRefused(f"there is no platform {name!r}", f"known: {', '.join(TARGETS)}")
    return TARGETS[name]


def this_machine() -> Target:
    """Return the processor that this is."""
    if platform.machine().lower() in _ARM:
        return TARGETS["arm64"]
    return TARGETS["x86" if has_vnni(_flags()) else "x86-novnni"]


def of_processor(architecture: str, features: Collection[str]) -> str:
    """Return the name of the platform of a device that tells this of itself; "" where it is none that is known.

    Both dot product instructions of ARM and their lack want signed bytes of 8 bits: its sums have 32 bits either way.
    An x86 that does not tell its features counts as one that has VNNI.
    """
    kind = architecture.lower()
    if kind in _ARM:
        return "arm64"
    if kind not in _X86:
        return ""
    return "x86" if has_vnni(" ".join(features)) else "x86-novnni"


def common(names: Collection[str]) -> str | None:
    """Return the platform whose models are right on all of `names`; None where there is none.

    Weights of 7 bits are as right where nothing saturates.
    """
    if set(names) == {"x86", "x86-novnni"}:
        return "x86-novnni"
    return next(iter(names)) if len(set(names)) == 1 else None


def has_vnni(flags: str) -> bool:
    """Return whether a processor with these flags sums products of bytes in 32 bits, so that none saturates."""
    return not flags or any(one in flags for one in _VNNI)


def _flags() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux
        return ""
    return next((line for line in lines if line.startswith("flags")), "")


def chosen(platform: Target | str | None) -> Target:
    """Return the target that is given, or called so; this machine's for None or "".

    Raises:
        CompressionRefused: none is called so.
    """
    if isinstance(platform, Target):
        return platform
    return target_of(platform) if platform else this_machine()
