"""The speed probe: short, and it tells a slower device by its slowdown."""

from __future__ import annotations

import pytest

from device_agents.engine import Engine, EngineConfig, speed
from device_agents.engine.speed import speed_probe


async def probed(slowdown: float) -> float:
    engine = Engine(EngineConfig(threads=1, slowdown=slowdown))
    try:
        return await speed_probe(engine)
    finally:
        engine.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PAUSE", 0.0)


async def test_a_simulated_slow_device_probes_slower() -> None:
    fast, slow = await probed(1.0), await probed(20.0)
    assert 0 < fast < 1.0
    assert 5 < slow / fast < 80


async def test_the_first_run_is_cold_and_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([9.0, 1.0, 2.0, 3.0])
    monkeypatch.setattr(speed, "RUNS", 3)
    monkeypatch.setattr(speed.Pacer, "time", lambda self, step: (step(), next(told)))
    assert await probed(1.0) == 2.0


async def test_a_very_slow_device_is_told_by_its_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "BUDGET", 0.0)
    told = iter([9.0])
    monkeypatch.setattr(speed.Pacer, "time", lambda self, step: (step(), next(told)))
    assert await probed(1.0) == 9.0
