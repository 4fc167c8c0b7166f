"""What tells this machine from one that its storage was copied to: a hash of what does not lie on the storage.

Law: reads the system as any user may, so that it is the same for whoever runs the agent; changes nothing, never fails.
It is told by the machine itself: it finds copies made by mistake, and proves nothing against somebody who lies.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

SERIALS = (
    Path("/sys/firmware/devicetree/base/serial-number"),
    Path("/proc/device-tree/serial-number"),
)
INTERFACES = Path("/sys/class/net")
MACHINE_ID = Path("/etc/machine-id")
PERMANENT = "0"  # of addr_assign_type: the address is the hardware's own


def fingerprint(declared: str = "") -> str:
    """Return 64 hexadecimal digits that are others on another machine; "" where nothing tells machines apart.

    `declared` is what a person says instead, for containers that move. A board has a serial number; else the addresses
    of built-in network interfaces count; else the system's machine id, which copies with the storage.
    """
    known = declared or _serial() or _addresses() or _text(MACHINE_ID)
    return hashlib.sha256(f"lepton-edge machine:{known}".encode()).hexdigest() if known else ""


def _serial() -> str:
    return next((found for file in SERIALS if (found := _text(file).strip("\0 "))), "")


def _addresses() -> str:
    found: list[str] = []
    with contextlib.suppress(OSError):
        found = sorted(_text(one / "address") for one in INTERFACES.iterdir() if _is_built_in(one))
    return ",".join(found)


def _is_built_in(interface: Path) -> bool:
    """Say whether an interface is hardware that stays: neither a virtual one nor a dongle."""
    device = interface / "device"
    return (
        device.exists()
        and "/usb" not in str(device.resolve())
        and _text(interface / "addr_assign_type") == PERMANENT
    )


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace").strip()
    return ""
