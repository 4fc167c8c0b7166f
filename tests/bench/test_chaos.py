"""What a chaos run counts: faults that bite, kind by kind, and what did not come back."""

from __future__ import annotations

from typing import Any

import pytest

from bench.chaos import testimony
from bench.chaos.faults import STRIKES
from bench.chaos.forgery import OF_PAPERS
from bench.chaos.judge import Evidence, Struck, rows
from bench.chaos.rest import left_in
from bench.chaos.schedule import FEWEST, Fault, kinds, schedule
from bench.chaos.witnesses import Witnesses


def _evidence(*struck: Struck, fewest: int = 1, of: tuple[str, ...] = ("pin",)) -> Evidence:
    return Evidence(list(struck), kinds=frozenset(of), fewest=fewest)


def _struck(kind: str = "pin", back: float | None = 0.5, bit: bool = True, aimed: bool = True) -> Struck:
    return Struck(Fault(0, kind, "north", 0.1, 0.5, "any"), 1.0, 2.0, aimed=aimed, back=back, bit=bit)


def _met(evidence: Evidence, what: str) -> bool | None:
    (row,) = [row for row in rows(evidence) if row.what.endswith(what)]
    return row.met


@pytest.mark.parametrize(
    ("evidence", "enough"),
    [
        (_evidence(_struck()), True),
        (_evidence(_struck(bit=False)), False),
        (_evidence(_struck(aimed=False)), False),
        (_evidence(_struck(), fewest=2), False),
        (_evidence(), False),
        (_evidence(fewest=0), True),
    ],
)
def test_a_kind_must_bite_often_enough(evidence: Evidence, enough: bool) -> None:
    assert _met(evidence, "faults: pin") == enough


def test_what_is_never_back_is_not_as_it_must_be() -> None:
    assert _met(_evidence(_struck()), "did not return to the plan in time") is True
    assert _met(_evidence(_struck(back=None)), "did not return to the plan in time") is False


def test_every_kind_strikes_more_often_than_it_must() -> None:
    of = kinds(("north", "south"), ("east", "west"), ("anna",))
    every = [one for each in schedule(3, 500, of) for one in (each, each.beside) if one]
    for kind in of:
        times = sum(one.kind == kind.name for one in every)
        assert times == FEWEST if kind.sure else times > FEWEST


def test_papers_have_faults_of_their_own_where_there_are_some() -> None:
    sides = ("north", "south"), ("east", "west"), ("anna",)
    names = [kind.name for kind in kinds(*sides)]
    assert set(names) == set(STRIKES), "a kind that nothing does, or that nobody may be struck by"
    more = [kind.name for kind in kinds(*sides, secure=True)]
    assert more[: len(names)] == names, "a seed means the same faults as before"
    assert set(more) - set(names) == set(OF_PAPERS)


def test_what_is_believed_though_revoked_is_not_as_it_must_be() -> None:
    evidence = _evidence(_struck())
    assert _met(evidence, "believed though revoked, or not though valid") is True
    evidence.believed = ["#3 a revoked token let stranger-3 in"]
    assert _met(evidence, "believed though revoked, or not though valid") is False


def test_what_is_left_at_rest_is_told() -> None:
    def device(name: str, running: int, *epochs: tuple[str, str]) -> dict[str, Any]:
        held = [{"model": model, "epoch": 3, "state": state} for model, state in epochs]
        telemetry = {"requests_active": running}
        return {"device": name, "connected": name != "west", "telemetry": telemetry, "epochs": held}

    assert left_in([device("north", 0, ("chaos", "active"))]) == []
    assert left_in([device("west", 0)]) == ["west is away"]
    assert left_in([device("north", 2)]) == ["north is at work for 2"]
    left = left_in([device("east", 0, ("chaos", "draining"), ("ballast-3", "active"))])
    assert left == ["east holds epoch 3 of chaos, draining", "east holds epoch 3 of ballast-3, active"]
    ready = [device("east", 0, ("chaos", "ready"))]
    assert left_in(ready) == ["east holds epoch 3 of chaos, ready"]
    assert left_in(ready, {("chaos", 3)}) == []
    assert left_in([device("east", 0, ("chaos", "draining"))], {("chaos", 3)}) != []


def test_only_the_requests_of_those_asked_about_are_aimed_at(tmp_path) -> None:
    witnesses = Witnesses({}, tmp_path)
    for name, at in (("anna", 1.0), ("clara", 2.0)):
        witnesses.now[name] = testimony.Testimony(name, {0: at})
    assert len(witnesses.ages({"anna"})) == 1
    assert witnesses.ages({"anna"})[0] > witnesses.ages({"clara"})[0]
    assert witnesses.ages(set()) == []
