"""What this device is: architecture, cores, memory, processor, temperature, engine.

Law: reads the system, changes nothing, needs no root, and never fails: what cannot be found out is 0, "" or
UNKNOWN_TEMPERATURE. Linux is tested; macOS and Windows are written for and unverified.
"""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path

import onnxruntime
import psutil

from lepton_edge.core.messages import Hardware
from partitioner.units import Bytes

UNKNOWN_TEMPERATURE = -273.15
THERMAL_ZONES = Path("/sys/class/thermal")
PROCESSOR_FILES = (Path("/sys/firmware/devicetree/base/model"), Path("/proc/device-tree/model"))
CPUINFO = Path("/proc/cpuinfo")
NVPMODEL = Path("/var/lib/nvpmodel/status")
GOVERNORS = (
    Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    Path("/sys/devices/system/cpu/cpufreq/policy0/scaling_governor"),
)
CGROUP_MEMORY = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
CGROUP_USED = (Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"))
CPUINFO_KEYS = ("model name", "Model", "Hardware", "Processor", "cpu model")
FEATURES = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
"""What integer and half-precision kernels are chosen by; a processor tells a hundred more."""
PROCESSOR_SENSORS = ("cpu", "soc", "x86_pkg", "acpitz", "package")


def probe() -> Hardware:
    """Return what this device is, now."""
    total, available = memory()
    return Hardware(
        architecture=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        cores=cores(),
        memory_total=total,
        memory_available=available,
        processor=processor(),
        providers=tuple(onnxruntime.get_available_providers()),
        engine=f"onnxruntime {onnxruntime.__version__}",
        temperature=temperature(),
        python=platform.python_version(),
        threads=cores(),
        power_mode=power_mode(),
        features=features(),
    )


def cores() -> int:
    """Return the physical cores that this process may use: at least 1."""
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
    return max(1, min(physical, affinity))


def memory() -> tuple[Bytes, Bytes]:
    """Return total and available bytes of memory; a container's limit counts as its memory."""
    system = psutil.virtual_memory()
    limit = _first_number(CGROUP_MEMORY)
    if not 0 < limit < system.total:
        return Bytes(system.total), Bytes(system.available)
    left = max(0, limit - _first_number(CGROUP_USED))
    return Bytes(limit), Bytes(min(left, system.available))


def processor() -> str:
    """Return the processor's or board's name as people know it: "Raspberry Pi 5 Model B Rev 1.0"."""
    for file in PROCESSOR_FILES:
        if name := _text(file).strip("\0 \n"):
            return name
    return _cpuinfo_name(_text(CPUINFO)) or platform.processor() or platform.machine()


def features() -> tuple[str, ...]:
    """Return which of `FEATURES` the first processor has; none where the system does not tell (not Linux)."""
    lines = _text(CPUINFO).splitlines()
    told = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    has = set(told.partition(":")[2].split())
    return tuple(one for one in FEATURES if one in has)


def power_mode() -> str:
    """Return what the system calls its power mode: a Jetson's ("nvpmodel 2"), else the governor ("performance")."""
    if mode := _jetson_mode(_text(NVPMODEL)):
        return mode
    for file in GOVERNORS:
        if governor := _text(file).strip():
            return governor
    return ""


def _jetson_mode(status: str) -> str:
    """Return the mode of nvpmodel's status file ("pmode:0002"): its number, the names differ by board."""
    name, _, number = status.strip().partition(":")
    return f"nvpmodel {int(number)}" if name == "pmode" and number.isdigit() else ""


def temperature() -> float:
    """Return the hottest processor sensor in degrees Celsius, or UNKNOWN_TEMPERATURE."""
    readings = [_zone_temperature(zone) for zone in _zones()]
    known = [value for value in readings if -40.0 < value < 150.0]
    return max(known, default=UNKNOWN_TEMPERATURE)


def _zones() -> list[Path]:
    with contextlib.suppress(OSError):
        zones = sorted(THERMAL_ZONES.glob("thermal_zone*"))
        return [zone for zone in zones if _is_processor(_text(zone / "type"))] or zones
    return []


def _is_processor(kind: str) -> bool:
    return any(word in kind.lower() for word in PROCESSOR_SENSORS)


def _zone_temperature(zone: Path) -> float:
    with contextlib.suppress(ValueError):
        return int(_text(zone / "temp")) / 1000.0
    return UNKNOWN_TEMPERATURE


def _cpuinfo_name(text: str) -> str:
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    return next((named[key] for key in CPUINFO_KEYS if named.get(key)), "")


def _first_number(files: tuple[Path, ...]) -> int:
    for file in files:
        with contextlib.suppress(ValueError):
            return int(_text(file))
    return 0


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace")
    return ""
