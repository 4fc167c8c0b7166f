"""The planning example runs as it stands, on the demo's model, and what it prints holds together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples import planning
from examples.demo.prepare import Ingredients

COSTS = re.compile(r": ([\d.]+) ms, ([\d.]+)/s: (.*)")


def test_it_answers_every_wish_and_says_what_is_beyond_anybody(
    ingredients: Ingredients, capsys: pytest.CaptureFixture[str]
) -> None:
    planning.main(str(ingredients.model))
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r"refused: the limit on latency is to blame.* 5 ms asked / what to do", lines[-1])
    found = {line.split(":")[0]: COSTS.search(line) for line in lines if COSTS.search(line)}
    latency, rate = ({name: float(one[group]) for name, one in found.items() if one} for group in (1, 2))
    soon, often, asked = (
        "least latency",
        "most answers a second",
        "20 answers a second, each as soon as that allows",
    )
    assert latency[soon] <= latency[asked] <= latency[often]
    assert rate[soon] < 20 <= rate[asked] <= rate[often], "the floor binds, or the example shows nothing"
    front = [COSTS.search(line) for line in lines if line.startswith("on the Pareto front")]
    times, rates = ([float(one[group]) for one in front if one] for group in (1, 2))
    assert len(times) > 2
    assert (times, rates) == (sorted(times), sorted(rates))
    assert (times[0], times[-1], rates[-1]) == (latency[soon], latency[often], rate[often])


def test_each_plan_comes_with_its_bound_its_rivals_and_what_would_change_it(
    ingredients: Ingredients, capsys: pytest.CaptureFixture[str]
) -> None:
    planning.main(str(ingredients.model))
    printed = capsys.readouterr().out
    bounds = re.findall(r"costs ([\d.]+), and no plan less than ([\d.]+) \((.*)\)", printed)
    assert [(value, method) for value, _, method in bounds] == [
        (least, method) for _, least, method in bounds
    ], "proven optimal"
    assert {method for _, _, method in bounds} == {"min-cut", "down-sets"}
    assert "board alone +" in printed
    assert "speed of board x" in printed
    assert "rate of board -> gateway x" in printed


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        SystemExit, match=r"gone\.onnx cannot be read: No such file.* / what to do: check the path"
    ):
        planning.main(str(tmp_path / "gone.onnx"))
