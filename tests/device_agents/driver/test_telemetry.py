"""What an agent tells of itself, and the synthetic inference that shows it still computes."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from device_agents.driver.telemetry import Health
from device_agents.machine import State
from lepton_edge.core.errors import PrepareFailed
from lepton_edge.core.messages import LinkReport


class Holdings:
    def __init__(self, answer):
        self.answer = answer

    async def check(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _health(answer=True):
    engine = SimpleNamespace(resident=lambda: 123)
    return Health(State("board"), engine, Holdings(answer), lambda: (LinkReport("cloud"),))


def test_an_agent_that_never_computed_says_so() -> None:
    told = _health().telemetry()
    assert (told.seconds_since_success, told.resident, told.requests_active) == (-1.0, 123, 0)
    assert told.memory_available > 0
    assert told.links == (LinkReport("cloud"),)


@pytest.mark.parametrize(
    ("answer", "success"),
    [(True, True), (False, False), (PrepareFailed("block 3 computes something else"), False)],
)
async def test_a_synthetic_inference_counts_only_when_it_ran_rightly(answer, success) -> None:
    health = _health(answer)
    await health._synthetic()
    assert (health.telemetry().seconds_since_success >= 0) == success


def test_the_last_success_of_either_kind_counts() -> None:
    health = _health()
    health._state.last_success = time.monotonic() - 5
    assert health.telemetry().seconds_since_success == pytest.approx(5, abs=0.5)
