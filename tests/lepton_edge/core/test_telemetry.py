"""A heartbeat: every field of every noun in it comes over the wire, and an older agent's is read without it."""

from __future__ import annotations

import dataclasses

import pytest

from lepton_edge.core import telemetry
from lepton_edge.core.peers import LinkReport
from lepton_edge.wire import convert

NOUNS = (
    telemetry.StageReport,
    telemetry.QueueReport,
    telemetry.TurnReport,
    telemetry.EpochReport,
    telemetry.LoadReport,
)
WORDS = {"model": "net", "page": "cut-1", "before": "a", "after": "b", "cause": "slow", "over": True}


def example(kind: type) -> object:
    """Return a noun with another value in each field than an empty message has."""
    values = {
        field.name: WORDS.get(field.name, number + 2) for number, field in enumerate(dataclasses.fields(kind))
    }
    return kind(**values)


FULL = telemetry.Telemetry(
    0.5, 1, 2, 40.0, 3, 7, 1, 2.0,
    stages=(example(telemetry.StageReport),), queues=(example(telemetry.QueueReport),),
    turns=(example(telemetry.TurnReport),), busy=0.25, throttled=True, epochs=(example(telemetry.EpochReport),),
    loads=(example(telemetry.LoadReport),), workers=4,
)  # type: ignore[arg-type]  # fmt: skip


def test_every_field_of_a_heartbeat_comes_over_the_wire() -> None:
    assert convert.AGENT_SAYS.decode(convert.AGENT_SAYS.encode(FULL)) == FULL


def test_a_short_heartbeat_says_that_nothing_else_is_known() -> None:
    short = telemetry.Telemetry(0.5, 1, 2, 40.0, 3, 7, 1, 2.0)  # type: ignore[arg-type]
    found = convert.AGENT_SAYS.decode(convert.AGENT_SAYS.encode(short))
    assert found == short
    assert isinstance(found, telemetry.Telemetry)
    assert (found.stages, found.links, found.epochs, found.workers, found.throttled) == ((), (), (), 0, False)


@pytest.mark.parametrize("kind", [telemetry.Telemetry, LinkReport, *NOUNS])
def test_what_is_told_does_not_change_on_its_way(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
