"""What a doctor looks at, and what it finds.

Law: frozen nouns without I/O. What could not be found out is None, "" or empty, and no finding follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lepton_edge.core.messages import Hardware
from partitioner.units import Bytes, DeviceId, Seconds


class Level(str, Enum):
    """How bad a finding is: all is well, worth knowing, worth repairing, does not work."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `check` names it ("clock"), `said` tells it, `fix` says what to do about it."""

    check: str
    level: Level
    said: str
    fix: str = ""


@dataclass(frozen=True)
class Machine:
    """The machine that the doctor runs on.

    Attributes:
        bits: of this Python, 32 or 64; `architecture` is what the kernel calls itself.
        today: seconds since 1970 by this machine's clock.
        synchronised: whether something sets that clock; None where that cannot be told.
        wheels: (distribution, version) of what is needed here, "" where it is not installed.
        accelerators: what computes here besides the processor, as people know it.
        hardware: what an agent tells of itself; None where no agent's engine was asked.
        flags: a Raspberry Pi's of heat and voltage (`vcgencmd get_throttled`), None where nobody tells them.
        pi: whether this is a Raspberry Pi.
        route: this machine's address on the interface of the default route, "" without one.
    """

    system: str
    architecture: str
    bits: int
    python: tuple[int, ...]
    today: float
    synchronised: bool | None
    memory_total: Bytes
    memory_available: Bytes
    state_directory: str
    writable: bool
    disk_free: Bytes | None
    wheels: tuple[tuple[str, str], ...] = ()
    accelerators: tuple[str, ...] = ()
    hardware: Hardware | None = None
    flags: int | None = None
    container: bool = False
    route: str = ""
    multicast: bool = True
    pi: bool = False


@dataclass(frozen=True)
class Certificate:
    """What proves who asks: of whom it is ("agent pi"), from when until when, in seconds since 1970."""

    owner: str
    begins: Seconds
    ends: Seconds


@dataclass(frozen=True)
class Figures:
    """Where a process shows its figures ("host:port"), and why it is not ready, "" where it is."""

    address: str
    not_ready: str = ""


@dataclass(frozen=True)
class Door:
    """An address that a device has registered, as the coordinator found it; `why` is empty where it answers."""

    device: DeviceId
    address: str
    why: str = ""
    seconds: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class Coordinator:
    """What became of asking a coordinator; `why` and `hint` say why it could not be asked.

    `skew` are the seconds by which its clock is ahead of this machine's, known to `doubt` seconds. `devices` are those
    that it has registered, True where they are attached. `doors_why` says why it did not try the doors.
    """

    address: str
    why: str = ""
    hint: str = ""
    name: str = ""
    software: str = ""
    protocol: tuple[int, int] = (0, 0)
    seconds: Seconds = Seconds(0.0)
    skew: Seconds | None = None
    doubt: Seconds = Seconds(0.0)
    devices: tuple[tuple[DeviceId, bool], ...] = ()
    doors: tuple[Door, ...] = ()
    doors_why: str = ""
