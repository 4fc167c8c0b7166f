"""What may come, and what a fresh solve would do then: the yardstick of a book that devices hold.

Law: questions to the full book and to `solve`, bounded in number by the size of the graph; chooses nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partitioner.book.draft import Regret
from partitioner.book.full import MOST_SOLVES, envelope, is_linear
from partitioner.book.scenarios import Scenario, plausible, with_loads, with_rate
from partitioner.book.setting import Setting
from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.plan import Prediction
from partitioner.solve.planner import solve
from partitioner.solve.problem import Problem
from partitioner.units import megabits

FEW_LAYERS = 300  # a larger graph is asked about fewer loads
FEW_LOADS = ((1.0, 2.0), (1.0, 4.0))
FEW_SOLVES = 16  # for each full book of a large graph; its gaps say what that leaves open
STEPS_FOR = ((60, 5), (FEW_LAYERS, 3), (math.inf, 1))  # layers, rates: where each answer is a search

Values = NDArray[np.float64]
Found = tuple[Scenario, float, frozenset[int]]


@dataclass(frozen=True)
class Outlook:
    """Scenarios in which something can run, with the value of the best plan of all there (`fresh`).

    `wanted` are the board's parts of those plans, each with the weight of the scenarios that it is best in,
    the heaviest first.
    """

    scenarios: tuple[Scenario, ...]
    fresh: tuple[float, ...]
    wanted: tuple[tuple[frozenset[int], float], ...]


def outlook(setting: Setting, *, hard: bool = False) -> Outlook:
    """Return what may come: other rates, and loads of either side.

    Along the rate it is exact (see `full.py`) where the wish is a straight line there. Else each of a few rates is
    a solve, and nothing is asked about loads; of a large graph only what was measured. With `hard` (each answer is
    a search, as under a memory that binds) less is asked, as of a large graph.
    """
    found = list(_by_lines(setting, hard) if is_linear(setting.wish) else _by_solves(setting))
    weights: dict[frozenset[int], float] = {}
    for scenario, _, board in found:
        weights[board] = weights.get(board, 0.0) + scenario.weight
    wanted = sorted(weights.items(), key=lambda row: (-row[1], len(row[0])))
    return Outlook(tuple(row[0] for row in found), tuple(row[1] for row in found), tuple(wanted))


def solves_for(graph: CostGraph, *, hard: bool = False) -> int:
    """Return how many questions a book may ask for each full book: a large graph takes long to answer one."""
    return MOST_SOLVES if len(graph.layers) <= FEW_LAYERS and not hard else FEW_SOLVES


def regret(setting: Setting, pages: Sequence[Prediction], known: Outlook) -> Regret | None:
    """Return how much worse the best of `pages` is than a fresh solve, over all that may come.

    Scenarios in which no page keeps the limits are told in `worst_at`. None when there is nothing to compare.
    """
    if not known.scenarios or not pages:
        return None
    values = page_values(setting, pages, known.scenarios).min(axis=0)
    kept = np.isfinite(values)
    if not kept.any():
        return None
    more = excess(values[kept], np.array(known.fresh)[kept])
    scenarios = [one for one, keeps in zip(known.scenarios, kept, strict=True) if keeps]
    worst = int(np.argmax(more))
    where = _describe(setting, scenarios[worst])
    if lost := len(known.scenarios) - len(scenarios):
        where += f"; in {lost} more no page keeps the limits"
    return Regret(mean_excess(values, known), float(more[worst]), len(scenarios), where)


def excess(values: Values, fresh: Values) -> Values:
    """Return by how much `values` are larger than `fresh`, relatively; never below 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(fresh > 0, values / fresh, 1.0)
    found: Values = np.maximum(ratio - 1.0, 0.0)
    return found


def mean_excess(values: Values, known: Outlook) -> float:
    """Return the weighted mean excess of `values` over a fresh solve; infinite when no scenario has a value."""
    kept = np.isfinite(values)
    if not kept.any():
        return math.inf
    weights = np.array([one.weight for one in known.scenarios])[kept]
    return float(excess(values[kept], np.array(known.fresh)[kept]) @ weights / weights.sum())


def page_values(setting: Setting, pages: Sequence[Prediction], scenarios: Sequence[Scenario]) -> Values:
    """Return the objective of each page in each scenario, float64 [pages, scenarios]; infinite over a limit.

    A page's codecs and stages stay as they are; its seconds scale with the loads and the rate, delays stay.
    """
    board, cloud, up, down, delay, size = (column[:, None] for column in _columns(setting, pages))
    table = np.array([(one.board, one.cloud, 1 / one.rate) for one in scenarios]).T
    near, far, there, back = board * table[0], cloud * table[1], up * table[2], down * table[2]
    watts = setting.near.watts, setting.far.watts, setting.near.radio_watts + setting.far.radio_watts
    latency = near + far + there + back + delay
    bottleneck = np.maximum(np.maximum(near, far), np.maximum(there, back))
    energy = watts[0] * near + watts[1] * far + watts[2] * (there + back)
    egress = size + 0.0 * latency
    wanted, limits = setting.problem.objective, setting.problem.limits
    found: Values = (
        wanted.latency * latency
        + wanted.bottleneck * bottleneck
        + wanted.energy * energy
        + wanted.egress * egress
    )
    over = (latency > limits.latency) | (bottleneck > limits.bottleneck)
    over |= (energy > limits.energy) | (egress > limits.egress)
    found[over] = np.inf
    return found


def _columns(setting: Setting, pages: Sequence[Prediction]) -> Values:
    """Return seconds on board and cloud, on the wire up and down, of delay, and bytes, by page: [6, pages]."""
    link = setting.link
    rows = []
    for one in pages:
        waits = (link.delay_up if one.uplink else 0.0, link.delay_down if one.downlink else 0.0)
        wire = max(one.uplink - waits[0], 0.0), max(one.downlink - waits[1], 0.0)
        rows.append((one.board, one.cloud, *wire, sum(waits), one.bytes_up + one.bytes_down))
    found: Values = np.array(rows, dtype=np.float64).T
    return found


def _by_lines(setting: Setting, hard: bool) -> Iterator[Found]:
    small = len(setting.graph.layers) <= FEW_LAYERS and not hard
    scenarios = plausible() if small else plausible(*FEW_LOADS)
    for loads, group in itertools.groupby(scenarios, key=lambda one: (one.board, one.cloud)):
        alike = list(group)
        problem = with_loads(setting.wish, loads)
        rates = [one.rate for one in alike]
        lines = envelope(problem, 1 / max(rates), 1 / min(rates), solves_for(setting.graph, hard=hard))
        for one in alike:
            line = lines.at(1 / one.rate)
            yield one, line.at(1 / one.rate), line.layout.stages[0]


def _by_solves(setting: Setting) -> Iterator[Found]:
    steps = next(steps for most, steps in STEPS_FOR if len(setting.graph.layers) <= most)
    for one in plausible((1.0,), (1.0,), steps):
        if found := _solved(with_rate(setting.wish, one.rate), one):
            yield found


def _solved(problem: Problem, scenario: Scenario) -> Found | None:
    try:
        plan = solve(problem, alternatives=False)
    except NoFeasiblePlan:
        return None
    return scenario, plan.value, plan.layout.stages[0]


def _describe(setting: Setting, scenario: Scenario) -> str:
    parts = [f"a link of {_plain(setting.link.up * scenario.rate / megabits(1.0))} Mbit/s"]
    parts += [f"board loaded {scenario.board:g}x"] if scenario.board != 1.0 else []
    parts += [f"cloud loaded {scenario.cloud:g}x"] if scenario.cloud != 1.0 else []
    return ", ".join(parts)


def _plain(number: float) -> str:
    """Return three digits of a number, never as a power of ten: "1,160", "23.4"."""
    rounded = float(f"{number:.3g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:g}"
