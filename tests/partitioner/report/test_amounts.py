"""A plan's worth in words."""

from __future__ import annotations

import pytest

from partitioner.report.amounts import amount, better, bound_words, figure, objective_of, value_of


@pytest.mark.parametrize(
    ("objective", "worth", "gain", "bound"),
    [
        ("latency", "takes 50.0 ms", "30.0 ms faster", "No plan can be faster than 50.0 ms"),
        ("throughput", "answers 20/s", "60.0 % more answers a second", "No plan can answer more than 20/s"),
        ("energy", "takes 0.05 J", "37.5 % less energy", "No plan can take less energy than 0.05 J"),
        ("egress", "sends 0 B", "37.5 % fewer bytes", "No plan can send less than 0 B"),
        (
            "1 x latency + 2 x energy",
            "weighs 0.05",
            "37.5 % less in the weighted sum",
            "No plan can weigh less than 0.05",
        ),
    ],
)
def test_each_objective_has_its_words(objective: str, worth: str, gain: str, bound: str) -> None:
    assert amount(objective, 0.05) == worth
    assert better(objective, 0.05, 0.08) == gain
    assert bound_words(objective, 0.05) == bound


def test_nothing_to_divide_by() -> None:
    assert figure("throughput", 0.0) == "–"
    assert better("throughput", 0.0, 0.1) == "endlessly many more answers a second"
    assert better("energy", 0.0, 0.0) == "0 % less energy"


def test_an_older_document_is_about_latency() -> None:
    assert objective_of({}) == "latency"
    assert value_of({"predicted": {"latency": 0.3}}) == 0.3
