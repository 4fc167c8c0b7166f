"""A crowd on a mock: everybody asks until the time is over, some on one connection after the other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import crowd
from lepton_edge.client import AsyncClient, MockTransport, failure, reply
from lepton_edge.core.errors import Overloaded
from lepton_edge.core.frames import Frame


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "given").write_bytes(b"x")
    made: list[AsyncClient] = []

    async def answer(frame: Frame) -> Frame:
        await asyncio.sleep(0.005)
        if frame.page == "full":
            return failure(frame, Overloaded("full"))
        return reply(frame, {"y": np.ones(1, np.float32)})

    def new_client(job: dict[str, Any]) -> AsyncClient:
        made.append(AsyncClient(transport=MockTransport(answer), retries=0))
        return made[-1]

    monkeypatch.setattr(crowd, "new_client", new_client)
    return {"input": "x", "file": str(tmp_path / "given"), "model": "net", "seconds": 0.2, "made": made}


async def lived(job: dict[str, Any], member: crowd.Member) -> crowd.Member:
    await crowd.live(crowd.new_client(job), member, job, asyncio.get_running_loop().time())
    return member


async def test_one_who_stays_has_one_connection_and_as_many_in_flight_as_said(job: dict[str, Any]) -> None:
    one, many = await lived(job, crowd.Member("local", 1)), await lived(job, crowd.Member("local", 4))
    assert len(job["made"]) <= 4, "each once, and once at the end"
    assert 5 < len(one.ended) < 45
    assert len(many.ended) > 2.5 * len(one.ended)
    assert one.answered_within(10) == len(one.ended) == len(one.latencies)
    assert not one.errors
    assert not one.strayed


async def test_one_who_leaves_comes_back_on_another_connection(job: dict[str, Any]) -> None:
    leaver = await lived(job, crowd.Member("local", 1, stays=3))
    assert len(job["made"]) >= len(leaver.ended) // 3


async def test_what_is_refused_is_counted_and_does_not_become_a_loop(job: dict[str, Any]) -> None:
    refused = await lived(job, crowd.Member("full", 1))
    assert 1 < sum(refused.errors.values()) < 25
    assert list(refused.errors) == ["overloaded: full"]
    assert refused.ended == []
    (read,) = json.loads(crowd.told([refused]))
    assert crowd.Member(**read) == refused
