"""What computes on this machine besides its processor, and what a Raspberry Pi says of its supply and heat.

Law: reads files as Linux has them, below `root`, so that a test can bring a Jetson's; changes nothing, never fails.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

FILES = {
    "an NVIDIA graphics processor": ("dev/nvidia0", "proc/driver/nvidia/version"),
    "a Jetson's graphics processor": ("dev/nvhost-gpu", "dev/nvgpu", "etc/nv_tegra_release"),
    "a Hailo accelerator": ("dev/hailo0",),
    "a Coral accelerator": ("dev/apex_0",),
    "a Rockchip accelerator": ("sys/kernel/debug/rknpu", "dev/rknpu"),
}
GRAPHICS = {"0x10de": "an NVIDIA graphics processor", "0x1002": "an AMD graphics processor"}
"""By the vendor on the PCI bus, where the device's class says that it draws or computes: without a driver, too."""
DRAWS = ("0x0300", "0x0302", "0x0380", "0x1200")
BOARDS = {
    ("0x1e60", ""): "a Hailo accelerator",
    ("0x1ac1", "0x089a"): "a Coral accelerator",
    ("1a6e", "089a"): "a Coral accelerator",
    ("18d1", "9302"): "a Coral accelerator",
}
"""By vendor and product on the PCI bus, or on USB; "" for any product."""
PI_FLAGS = "sys/devices/platform/soc*/soc*:firmware/get_throttled"
PI_MODEL = "proc/device-tree/model"
VOLTAGE = "rpi_volt"
LOW_NOW = 1
"""Of a Pi's flags: the supply is too low now; all that kernels tell that have no `get_throttled`."""
PATIENCE = 3.0  # seconds for a command of the system


def accelerators(root: Path) -> tuple[str, ...]:
    """Return what computes here besides the processor, each once; a Jetson has one graphics processor."""
    found = [name for name, files in FILES.items() if any((root / file).exists() for file in files)]
    found += [*_on_pci(root), *_on_usb(root)]
    jetson = any("Jetson" in name for name in found)
    return tuple(dict.fromkeys(name for name in found if not (jetson and "NVIDIA" in name)))


def _on_pci(root: Path) -> Iterable[str]:
    for device in sorted(_all(root, "sys/bus/pci/devices/*")):
        vendor, product = text(device / "vendor").strip(), text(device / "device").strip()
        known = BOARDS.get((vendor, product)) or BOARDS.get((vendor, ""))
        if known is None and text(device / "class").startswith(DRAWS):
            known = GRAPHICS.get(vendor)
        if known:
            yield known


def _on_usb(root: Path) -> Iterable[str]:
    for device in sorted(_all(root, "sys/bus/usb/devices/*")):
        known = BOARDS.get((text(device / "idVendor").strip(), text(device / "idProduct").strip()))
        if known:
            yield known


def flags(root: Path) -> int | None:
    """Return a Raspberry Pi's flags of heat and voltage; None where there are none, or nobody lets us read them."""
    told = next((text(file).strip() for file in sorted(_all(root, PI_FLAGS))), "")
    if not told and root == Path("/") and shutil.which("vcgencmd"):
        told = said(["vcgencmd", "get_throttled"]).partition("=")[2].strip()
    with contextlib.suppress(ValueError):
        return int(told, 16) if told else _voltage(root)
    return _voltage(root)


def is_pi(root: Path) -> bool:
    """Say whether this is a Raspberry Pi."""
    return text(root / PI_MODEL).startswith("Raspberry Pi")


def _voltage(root: Path) -> int | None:
    """Return whether the kernel's own watch over the supply sounds now, as flags; None where it keeps none."""
    for sensor in sorted(_all(root, "sys/class/hwmon/hwmon*")):
        if text(sensor / "name").strip() == VOLTAGE:
            return LOW_NOW if text(sensor / "in0_lcrit_alarm").strip() == "1" else 0
    return None


def said(command: list[str]) -> str:
    """Return what a command of the system says; "" where it fails."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.stdout
    return ""


def text(file: Path) -> str:
    """Return what is in a file; "" where it cannot be read."""
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace")
    return ""


def _all(root: Path, pattern: str) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(root.glob(pattern))
    return []
