"""What a profile says of a request beside the model: the hop into the engine's thread, frames, bytes."""

from __future__ import annotations

from typing import Any

import pytest

from device_agents.driver import measuring, probing
from device_agents.driver.measuring import Measuring
from lepton_edge.core.links import ProbeSample
from lepton_edge.core.messages import GaugeCommand, Gauged
from partitioner.costs import DeviceProfile, Measurement


class OwnLink:
    """A link to this device that takes 8 ms for an empty frame and back, and 1 ns for a byte."""

    closed = False

    async def probe(self, size_up=0, size_down=0):
        return ProbeSample(size_up, size_down, 0.008 + 1e-9 * size_up, 0.0)

    async def close(self):
        self.closed = True


class TidyEngine:
    """An engine of which only the tidying is asked."""

    async def tidy(self):
        pass


class Command:
    """As much of a ProfileCommand as the answer repeats."""

    command, model, version = "c", "m", "v"


async def test_the_overhead_of_a_request_is_its_thread_hop_and_its_frames(monkeypatch) -> None:
    async def run_profile(*given: Any, **named: Any) -> DeviceProfile:
        return DeviceProfile("board", Measurement(0.1, 0.0, 3), (), overhead=0.0001)

    async def speed_probe(engine: Any) -> float:
        return 0.03

    monkeypatch.setattr(measuring, "run_profile", run_profile)
    monkeypatch.setattr(measuring, "speed_probe", speed_probe)
    monkeypatch.setattr(probing, "REST", 0.0)
    own = OwnLink()

    async def dial_self():
        return own

    rooms: Any = (TidyEngine(), None, None, None)
    measured = await Measuring("board", *rooms, lambda told: None, dial_self).measure(Command())
    found = measured.answer.profile
    assert found.overhead == pytest.approx(0.0081)
    assert found.send_message == found.receive_message == pytest.approx(0.002)
    assert found.send_byte == found.receive_byte == pytest.approx(5e-10)
    assert own.closed
    assert measured.answer.probe == 0.03, "how fast the device is goes with it"
    gauged = await Measuring("board", *rooms, lambda told: None, dial_self).measure(GaugeCommand("g"))
    assert gauged.answer == Gauged("g", 0.03)
