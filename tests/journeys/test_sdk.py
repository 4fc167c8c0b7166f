"""An application's day by the SDK: push, deploy, ask, and be answered whatever happens to the cloud."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge
from lepton_edge import errors

pytestmark = pytest.mark.journey
measured = pytest.mark.measured(board=("board", "--simulate-slow", "4"), cloud=("cloud",))


@pytest.fixture
def served(house: Any, small: Path) -> Any:
    """A house with a board, a cloud, and the small model deployed by the SDK."""
    house.start_coordinator()
    house.board = house.start_agent("board", "board", "--simulate-slow", "4", "--port", "0")
    house.start_agent("cloud", "cloud")
    stages: list[str] = []
    with lepton_edge.Client(house.coordinator) as client:
        assert (
            client.push("small", small, progress=lambda step: stages.append(step.stage))["model"] == "small"
        )
        assert client.deploy("small", progress=lambda step: stages.append(step.stage))["epoch"] == 1
    house.stages = stages
    return house


def asked(number: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(number).standard_normal((1, 3, 32, 32)).astype(np.float32)}


def expected(model: Path, inputs: dict[str, Any]) -> Any:
    return onnxruntime.InferenceSession(str(model)).run(None, inputs)[0]


def test_every_thread_gets_its_own_right_answer_and_every_result_tells_its_story(
    served: Any, small: Path
) -> None:
    with lepton_edge.Client(served.coordinator) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda number: client.infer("small", asked(number)), range(24)))
        split = client.infer("small", asked(0), page="cloud-raw", metadata={"camera": "north"})
        plan = client.explain("small")
        chosen = client.infer("small", asked(0), page=plan["page"])
    assert {"compiling", "measuring", "planning", "preparing"} <= set(served.stages)
    for number, result in enumerate(results):
        np.testing.assert_allclose(result["y"], expected(small, asked(number)), rtol=1e-4, atol=1e-5)
    assert len({result.request_id for result in results}) == 24
    assert chosen.page == plan["page"]
    # Who names no page gets what costs least at its moment: the entry may turn between any two of these.
    assert {result.page for result in results} <= {
        row["page"] for row in plan["candidates"] if row["in_book"]
    }
    client_hop, board, cloud = split.hops
    assert (client_hop.device, board.device, cloud.device) == ("client", "board", "cloud")
    assert board.simulated_slowdown == 4.0
    assert split.metadata == {"camera": "north"}
    assert cloud.compute > 0
    assert client_hop.total >= board.total >= cloud.total > 0
    assert split.latency == pytest.approx(client_hop.total)


@measured
async def test_a_cloud_killed_in_flight_costs_no_answer(served: Any, small: Path) -> None:
    async with lepton_edge.AsyncClient(served.coordinator) as client:
        await client.infer("small", asked(0), page="cloud-raw")
        calls = [asyncio.create_task(client.infer("small", asked(n), page="cloud-raw")) for n in range(12)]
        await asyncio.sleep(0.005)
        served.kill("cloud")
        results = await asyncio.gather(*calls)
        late = await client.infer("small", asked(99), page="cloud-raw")
    for number, result in enumerate(results):
        np.testing.assert_allclose(result["y"], expected(small, asked(number)), rtol=1e-4, atol=1e-5)
    assert late.page == "local"
    assert late.reason.startswith("fallback")


@measured
def test_errors_arrive_typed_and_say_what_to_do(served: Any) -> None:
    assert "measuring" not in served.stages, "who measured before remembers it, and so do journeys"
    with lepton_edge.Client(served.board) as client:
        with pytest.raises(errors.InvalidInput, match="float32") as wrong:
            client.infer("small", {"x": np.zeros((1, 3, 32, 32), np.float64)})
        assert wrong.value.fault == "caller"
        assert wrong.value.hint
        with pytest.raises(errors.InvalidInput, match="'z'"):
            client.infer("small", {"z": np.zeros(3, np.float32)})
        with pytest.raises(errors.UnknownModel):
            client.infer("nonet", asked(0))
        with pytest.raises(errors.UnknownPage):
            client.infer("small", asked(0), page="nopage")
        with pytest.raises(errors.DeadlineExceeded):
            client.infer("small", asked(0), deadline=1e-6)
        with pytest.raises(errors.UnknownModel):
            client.explain("nonet")
        assert client.infer("small", asked(0))["y"].shape == (1, 10), "nobody else paid for it"


@measured
def test_an_entry_that_restarts_without_a_network_still_answers(served: Any, small: Path) -> None:
    with lepton_edge.Client(served.board) as client:
        client.infer("small", asked(0))
        port = served.board.rpartition(":")[2]
        for name in ("coordinator", "cloud", "board"):
            served.kill(name)
        served.start_agent("board", "board", "--simulate-slow", "4", "--port", port, registered=False)
        result = answered_in_the_end(client)
    np.testing.assert_allclose(result["y"], expected(small, asked(1)), rtol=1e-4, atol=1e-5)
    assert result.page == "local"


def answered_in_the_end(client: lepton_edge.Client) -> lepton_edge.Result:
    """Ask until the agent has opened what it had: until then the error is retryable, never "unknown"."""
    for _ in range(100):
        try:
            return client.infer("small", asked(1))
        except errors.Unavailable:
            time.sleep(0.1)
    pytest.fail("the board never opened its saved epoch")
