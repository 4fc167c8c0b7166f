"""What holds this device back: other processes that use its processor, and heat or voltage that slow it.

Law: reads the system and remembers its last look, changes nothing, never fails: what cannot be read is not told. A look
costs some tens of microseconds: the files are found once. Linux is tested; elsewhere only other processes are seen.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil

UNKNOWN = -1.0
SYSTEM = Path("/sys")
PI_FLAGS = "devices/platform/soc*/soc*:firmware/get_throttled"
"""Of a Raspberry Pi: the number in the path is there from the fifth on."""
PI_NOW = 0xF
"""Of a Raspberry Pi's flags those of now: under-voltage, frequency capped, throttled, soft temperature limit."""
COUNTERS = "devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"
COOLERS = "class/thermal/cooling_device*"
PROCESSOR_COOLERS = ("cpufreq", "processor", "cpu")


class Strain:
    """Looks at the device from one heartbeat to the next; `system` is where Linux tells of itself."""

    def __init__(self, system: Path = SYSTEM) -> None:
        self._sources = _found(system)
        self._counted = _counts(self._sources.counters)
        self._all, self._idle = _processor()
        self._own = _own()

    def busy(self) -> float:
        """Return the part of the processor's time, over all cores, that other processes took since the last look.

        0 to 1; `UNKNOWN` where no time has passed.
        """
        every, idle = _processor()
        own = _own()
        passed = every - self._all
        others = passed - (idle - self._idle) - (own - self._own)
        self._all, self._idle, self._own = every, idle, own
        return min(1.0, max(0.0, others / passed)) if passed > 0 else UNKNOWN

    def throttled(self) -> bool:
        """Return whether heat or a weak supply slows the device now, or has since the last look."""
        counted, before = _counts(self._sources.counters), self._counted
        self._counted = counted
        if any(now > then for now, then in zip(counted, before, strict=True)):
            return True
        if self._sources.flags is not None and _number(self._sources.flags, 16) & PI_NOW:
            return True
        return any(_number(cooler) > 0 for cooler in self._sources.coolers)


@dataclass(frozen=True)
class _Sources:
    """The files that tell of throttling: a Pi's flags, counters that only grow, coolers that are at work above 0."""

    flags: Path | None = None
    counters: list[Path] = field(default_factory=list)
    coolers: list[Path] = field(default_factory=list)


def _found(system: Path) -> _Sources:
    with contextlib.suppress(OSError):
        coolers = [one / "cur_state" for one in sorted(system.glob(COOLERS)) if _slows_processor(one)]
        flags = next(iter(sorted(system.glob(PI_FLAGS))), None)
        return _Sources(flags, sorted(system.glob(COUNTERS)), coolers)
    return _Sources()


def _slows_processor(cooler: Path) -> bool:
    """Whether a cooling device slows the processor: fans and displays do not."""
    kind = _text(cooler / "type").lower()
    return any(word in kind for word in PROCESSOR_COOLERS)


def _processor() -> tuple[float, float]:
    """Return all seconds of all cores since the start, and those in which they were idle or waited for a disk."""
    times = psutil.cpu_times()
    # Linux counts a guest's time as a user's as well.
    twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return sum(times) - twice, times.idle + getattr(times, "iowait", 0.0)


def _own() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _counts(files: list[Path]) -> list[int]:
    return [_number(file) for file in files]


def _number(file: Path, base: int = 10) -> int:
    with contextlib.suppress(ValueError):
        return int(_text(file).strip() or "0", base)
    return 0


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace")
    return ""
