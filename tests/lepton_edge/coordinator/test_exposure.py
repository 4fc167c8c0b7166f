"""What leaves the board is asked of a worker where somebody wants to know, and of no one else."""

from __future__ import annotations

from typing import Any, cast

from lepton_edge.coordinator import exposure
from lepton_edge.coordinator.jobs import Jobs
from lepton_edge.core.calls import ExplainPlan, ShowModel


def row(page: str, *tensors: str) -> dict[str, Any]:
    return {"page": page, "frontier": [{"tensor": one} for one in tensors]}


DOCUMENT = {
    "model": "net",
    "version": "v1",
    "page": "cut-2",
    "candidates": [row("local"), row("cloud-raw", "x"), row("cut-2", "a", "b"), row("cut-2-again", "a", "b")],
}


class Asked:
    """Jobs that remember what was asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def privacy(self, *asked: Any) -> dict[str, Any]:
        self.calls.append(asked)
        return {"samples": 9}


async def test_it_is_measured_where_it_is_asked_for() -> None:
    asked = Asked()
    told = await exposure.added(cast(Jobs, asked), ExplainPlan("net", privacy=True), DOCUMENT)  # type: ignore[arg-type]
    note = told["privacy"].pop("note")
    assert told == {**DOCUMENT, "privacy": {"samples": 9}}
    assert note.startswith("No privacy proof.")
    assert asked.calls == [("net", "v1", {"cut-2": ["a", "b"], "cloud-raw": ["x"]})]
    assert list(asked.calls[0][2]) == ["cut-2", "cloud-raw"], "the page that serves comes first"


async def test_nothing_is_measured_otherwise() -> None:
    asked = Asked()
    for call in (ExplainPlan("net"), ShowModel("net")):  # type: ignore[arg-type]
        assert await exposure.added(cast(Jobs, asked), call, DOCUMENT) == DOCUMENT
    assert asked.calls == []
