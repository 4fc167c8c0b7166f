"""The facts of this machine.

Law: reads the system, changes nothing but a probe file in the state directory, needs no root, never fails. `root` is
where Linux keeps its files, so that a test can bring a Raspberry Pi's.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import struct
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from lepton_edge.core.messages import Hardware
from lepton_edge.doctor import devices
from lepton_edge.doctor.facts import Machine
from lepton_edge.link import discovery
from partitioner.units import Bytes

WHEELS = (
    "onnxruntime",
    "numpy",
    "grpcio",
    "protobuf",
    "zeroconf",
    "psutil",
    "zstandard",
    "lz4",
    "pillow",
    "cryptography",
)
ENGINES = ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
SYNCHRONISED = "run/systemd/timesync/synchronized"


def facts(state_directory: Path, hardware: Hardware | None = None, root: Path = Path("/")) -> Machine:
    """Return what can be found out of this machine; `hardware` is what an agent says of it."""
    memory = psutil.virtual_memory()
    return Machine(
        system=_name(root),
        architecture=platform.machine(),
        bits=8 * struct.calcsize("P"),
        python=sys.version_info[:3],
        today=time.time(),
        synchronised=synchronised(root),
        memory_total=hardware.memory_total if hardware else Bytes(memory.total),
        memory_available=hardware.memory_available if hardware else Bytes(memory.available),
        state_directory=str(state_directory),
        writable=writable(state_directory),
        disk_free=free(state_directory),
        wheels=tuple((name, installed(name)) for name in (*WHEELS, *ENGINES)),
        accelerators=devices.accelerators(root),
        hardware=hardware,
        flags=devices.flags(root),
        pi=devices.is_pi(root),
        container=discovery.in_container(root),
        route=discovery.default_route_address(),
        multicast=discovery.can_multicast(),
    )


def _name(root: Path) -> str:
    """Return the system's name: that of its distribution, and the kernel's."""
    kernel = f"{platform.system()} {platform.release()}"
    lines = devices.text(root / "etc/os-release").splitlines()
    told = next((line.partition("=")[2].strip('"') for line in lines if line.startswith("PRETTY_NAME=")), "")
    return f"{told} ({kernel})" if told else kernel


def installed(distribution: str) -> str:
    """Return the version of an installed distribution; "" where there is none."""
    with contextlib.suppress(PackageNotFoundError):
        return version(distribution) or ""
    return ""


def synchronised(root: Path) -> bool | None:
    """Return whether something keeps the clock right; None where that cannot be told."""
    if (root / SYNCHRONISED).exists():
        return True
    if root == Path("/") and shutil.which("timedatectl"):
        told = devices.said(["timedatectl", "show", "-p", "NTPSynchronized", "--value"]).strip()
        return {"yes": True, "no": False}.get(told)
    return None


def writable(folder: Path) -> bool:
    """Return whether this user can write there, or make the folder."""
    there = _existing(folder)
    if there != folder:
        return os.access(there, os.W_OK | os.X_OK)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def free(folder: Path) -> Bytes | None:
    """Return the bytes that are free where `folder` is or would be made."""
    with contextlib.suppress(OSError):
        return Bytes(shutil.disk_usage(_existing(folder)).free)
    return None


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest above it that there is."""
    for one in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            if one.exists():
                return one
    return Path("/")


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()
