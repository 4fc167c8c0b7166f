"""Documents of the model with a picture input: of a board and a cloud over LTE, with all that a solver adds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from partitioner.book import BookOptions, Draft, make_book
from partitioner.book.draft import Regret, Span
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile, Measurement
from partitioner.report import explain
from partitioner.solve.plans import Alternative, Costs, Flip, Plan
from partitioner.solve.problem import Joules, Layout
from partitioner.units import Bytes, DeviceId, PageName, Seconds, megabits

Document = dict[str, Any]
Explain = Callable[..., Document]

NO_OPTIONS = BookOptions()


@pytest.fixture
def explained(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> Explain:
    """Explain the plan, with some input as given and the others as they are."""

    def made(options: BookOptions = NO_OPTIONS, **changed: Any) -> Document:
        given = {"board": board, "cloud": cloud, "link": lte, **changed}
        draft = make_book(compiled, given["board"], given["cloud"], given["link"], options)
        measured = {PageName("local"): Seconds(0.2693)}
        return explain(
            compiled, draft, given["board"], given["cloud"], given["link"], measured=measured, options=options
        )

    return made


@pytest.fixture
def document(explained: Explain) -> Document:
    return explained()


@pytest.fixture
def full_draft(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> Draft:
    """A draft in which a solver has filled everything in; the figures are made up."""
    draft = make_book(compiled, board, cloud, lte)
    plan = solved(compiled, 9, latency=0.0612)
    rival = solved(compiled, len(compiled.graph.layers), latency=0.2405)
    gateway = dataclasses.replace(rival.layout, order=(DeviceId("gateway"),))
    alternatives = (
        Alternative("board alone", rival.layout, rival.costs, 0.2405, 0.1793),
        Alternative(
            "gateway alone", gateway, rival.costs, 0.2405, 0.1793, "gateway needs 412 MB, has 256 MB"
        ),
    )
    flips = (Flip("speed of board", 2.31, "board alone"), Flip("speed of cloud", 0.42, "board alone"))
    return dataclasses.replace(
        draft,
        plan=dataclasses.replace(plan, alternatives=alternatives, flips=flips),
        front=(plan, solved(compiled, 6, latency=0.07), rival),
        spans=(
            Span(megabits(0.1), megabits(2.0), rival.layout, "board alone", Seconds(0.2405), 0.0),
            Span(megabits(2.0), megabits(1000.0), plan.layout, "board to layer5", Seconds(0.055), 20_000.0),
        ),
        regret=Regret(0.004, 0.031, 63, "5.85 Mbit/s, board 2x"),
    )


def solved(compiled: CompiledModel, behind: int, latency: float) -> Plan:
    """Return a plan that cuts behind so many layers, of a made-up latency."""
    whole = frozenset(range(len(compiled.graph.layers)))
    front = frozenset(range(behind))
    stages = (front, whole - front) if front != whole else (whole,)
    layout = Layout((DeviceId("board"), DeviceId("cloud"))[: len(stages)], stages)
    costs = Costs(
        Seconds(latency), Seconds(latency / 2), Joules(0.21), Bytes(12_345), 0.0, (Seconds(latency * 0.8),),
        (Seconds(latency * 0.2),), memory={DeviceId("board"): Bytes(9_000_000)},
    )  # fmt: skip
    return Plan(layout, costs, latency, latency * 0.98, "branch-and-bound")


@pytest.fixture
def full_document(
    compiled: CompiledModel, full_draft: Draft, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> Document:
    options = BookOptions(board_memory=Bytes(60_000_000))
    return explain(compiled, full_draft, board, cloud, lte, options=options)


@pytest.fixture
def faster() -> Callable[[DeviceProfile, float], DeviceProfile]:
    """Return a profile `factor` times as fast, pseudo-nodes and codecs apart."""

    def scaled(profile: DeviceProfile, factor: float) -> DeviceProfile:
        def quicker(one: Measurement) -> Measurement:
            return Measurement(Seconds(one.median / factor), Seconds(one.spread / factor), one.runs)

        segments = tuple(dataclasses.replace(one, time=quicker(one.time)) for one in profile.segments)
        return dataclasses.replace(profile, whole=quicker(profile.whole), segments=segments)

    return scaled
