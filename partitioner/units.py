"""Units and identities, the lowest floor of the house.

Law: this file imports nothing of the project. A number that has a unit, or a string that names a thing, has its own
type here, so that seconds are never added to bytes and a device is never mistaken for a model.
"""

from __future__ import annotations

from typing import NewType

Seconds = NewType("Seconds", float)
Bytes = NewType("Bytes", int)
BytesPerSecond = NewType("BytesPerSecond", float)

DeviceId = NewType("DeviceId", str)
ModelName = NewType("ModelName", str)
ModelVersion = NewType("ModelVersion", str)  # first 16 hex digits of the sha256 of what was pushed
Epoch = NewType("Epoch", int)  # counts the activated books of one model; 0 means "none yet"
PageName = NewType("PageName", str)  # "local", "cloud-raw", "cloud-jpeg", "cut-12", ...
BlockIndex = NewType("BlockIndex", int)
TensorName = NewType("TensorName", str)
NodeName = NewType("NodeName", str)
CodecName = NewType("CodecName", str)
Sha256 = NewType("Sha256", str)  # 64 lower-case hex digits
RequestId = NewType("RequestId", str)  # made by the client; 32 hex digits


def megabits(rate: float) -> BytesPerSecond:
    """Convert Mbit/s, the unit of people and providers, to bytes per second."""
    return BytesPerSecond(rate * 1e6 / 8)


def milliseconds(value: float) -> Seconds:
    """Convert milliseconds to seconds."""
    return Seconds(value / 1e3)
