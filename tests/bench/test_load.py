"""The load's sums: who gets how much, and whether memory grows."""

from __future__ import annotations

import json
import os
import time

import pytest

from bench import load
from bench.crowd import Member
from bench.load import Memory, growth, jain, members, shared_out, spread


def test_one_in_eight_floods_and_another_comes_and_goes_on_every_page_alike() -> None:
    made = members(64, ["local", "cut"], 8, 8)
    floods = [one["page"] for one in made if one["in_flight"] == load.FLOOD]
    assert sorted(floods) == ["cut"] * 4 + ["local"] * 4
    assert sum(one["page"] == "cut" for one in made) == 32
    leavers = [one for one in made if one["stays"]]
    assert len(leavers) == 8
    assert {one["in_flight"] for one in leavers} == {1}
    assert all(one["in_flight"] == 1 and not one["stays"] for one in members(64, ["local"], 0, 0))
    assert sorted(map(len, shared_out(made, 4))) == [16] * 4


def test_fairness_is_told_two_ways() -> None:
    assert spread([10, 12]) == pytest.approx(1.2)
    assert spread([0, 3]) == float("inf")
    assert jain([5, 5, 5, 5]) == 1
    assert jain([20, 0, 0, 0]) == 0.25


def test_growth_is_from_the_second_fifth_to_the_last() -> None:
    seen = [0, 0, *[100] * 2, *[0] * 4, *[110] * 2]
    assert growth(seen) == (100, 110)


def test_equals_are_compared_with_equals_and_errors_are_told() -> None:
    fair = Member("local", 1, ended=[0.1, 0.2, 0.3], latencies=[0.1] * 3)
    late = Member("local", 1, ended=[0.1, 0.9, 1.7], latencies=[0.1, 0.8, 0.8])
    flood = Member("local", 8, ended=[0.1] * 30, latencies=[0.1] * 30)
    rows = list(load._group_rows("t", [fair, late, flood], 1.0))
    by_name = {row.what: row for row in rows}
    uneven = by_name["t: 2 on local, 1 in flight: most / fewest answers"]
    assert (uneven.value, uneven.met) == (1.5, False), "what ended too late does not count"
    assert by_name["t: 1 on local, 8 in flight: most / fewest answers"].met
    assert by_name["t: 2 on local, 1 in flight: p99"].value == 800
    assert by_name["t: local: a flooding client's answers / a polite one's"].value == 12.0
    fair.errors["overloaded: full"] += 2
    assert next(iter(load._error_rows("t", [fair, late], 6, 1.0))).met is False


def test_memory_is_looked_at_while_the_body_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "EVERY", 0.01)
    memory = Memory({"me": os.getpid()})
    with memory:
        time.sleep(0.1)
    looked = len(memory.seen["me"])
    assert looked >= 2
    assert min(memory.seen["me"]) > 1 << 20
    time.sleep(0.05)
    assert len(memory.seen["me"]) == looked
    assert json.dumps(memory.seen)
