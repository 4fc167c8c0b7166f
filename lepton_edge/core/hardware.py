"""What a machine is, as its agent tells the coordinator when it registers.

Law: a frozen noun without I/O, with a message of the same name and field names in
`protos/lepton_edge/wire/v1/control.proto`; `messages.py` passes it on, and is where others find it.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitioner.units import Bytes


@dataclass(frozen=True)
class Hardware:
    """What a device told about itself; unknown numbers are 0, unknown temperature is -273.15 (degrees Celsius).

    `threads` compute; `power_mode` is what the system calls it ("performance", "nvpmodel 2"), "" where unknown.
    `features` are what the processor can, as the kernel calls it ("avx512_vnni", "asimddp"), of those that integer
    kernels are chosen by; none where unknown (and before protocol 1.1).
    """

    architecture: str
    system: str
    cores: int
    memory_total: Bytes
    memory_available: Bytes
    processor: str
    providers: tuple[str, ...]
    engine: str
    temperature: float = -273.15
    python: str = ""
    threads: int = 0
    power_mode: str = ""
    features: tuple[str, ...] = ()
