"""A lower bound for any plan: work spread over devices as if it were a fluid (a linear programme).

Law: pure; scipy's HiGHS. Every plan puts each layer on one device. Let it be spread in fractions instead, forget
order, boundaries, segments, messages: the seconds of layers, spent by each device, remain. A device cannot be busier
than the bottleneck; devices of one kind together not more than their number times it; weights that no two layers share
must fit. Whatever is forgotten only adds, so the least value of the programme is a bound for every plan; and where
the programme is infeasible, so is the problem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_diag, coo_array, csr_array, eye, hstack, vstack

from partitioner.solve.labels import Floats
from partitioner.solve.metrics import Metrics, metrics_of
from partitioner.solve.problem import Device, Problem
from partitioner.solve.segments import banned_layers, weights_of

SLACK = 1e-7  # relative; HiGHS keeps constraints within about that
INFEASIBLE = 2  # status of linprog


def spread(problem: Problem, among: Sequence[Sequence[Device]]) -> float:
    """Return a lower bound of the value of every plan on the devices `among` (by kind); inf where there is none."""
    metrics, count = metrics_of(problem), len(problem.graph.layers)
    if not count:
        return 0.0
    seconds = np.array([kind[0].costs.layers for kind in among], dtype=np.float64)  # [kinds, layers]
    rates = np.array([metrics.second(kind[0]) for kind in among]).reshape(len(among), -1)
    entry = np.array([problem.devices[0].costs.overhead] + [0.0] * (len(among) - 1))
    rows, most = _rows(problem, among, metrics, seconds, entry)
    whole = hstack([*(eye(count) for _ in among), coo_array((count, 1))], format="csr")
    price = np.append((seconds * rates[:, :1]).ravel() if _valued(metrics) else np.zeros(seconds.size), 0.0)
    price[-1] = metrics.weight
    may = ~np.array([banned_layers(problem, kind[0]) for kind in among])
    bounds = [(0.0, float(one)) for one in may.ravel()] + [(0.0, None)]
    found = linprog(
        price, A_ub=rows, b_ub=most, A_eq=whole, b_eq=np.ones(count), bounds=bounds, method="highs"
    )
    if found.status == INFEASIBLE:
        return math.inf
    fixed = float(entry @ rates[:, 0]) if _valued(metrics) else 0.0
    return max(0.0, fixed + float(found.fun) * (1 - SLACK)) if found.status == 0 else 0.0


def _valued(metrics: Metrics) -> bool:
    return metrics.sums[:1] == ("value",)


def _rows(
    problem: Problem,
    among: Sequence[Sequence[Device]],
    metrics: Metrics,
    seconds: Floats,
    entry: Floats,
) -> tuple[csr_array, Floats]:
    """Return the inequalities A x <= b over (fractions by kind and layer, bottleneck)."""
    sizes = np.array([float(len(kind)) for kind in among])
    busy = hstack([block_diag([row[None, :] for row in seconds]), coo_array(-sizes[:, None])])
    rows, most = [busy], [-entry]
    if metrics.cap < math.inf:
        rows.append(coo_array(([1.0], ([0], [seconds.size])), shape=(1, seconds.size + 1)))
        most.append(np.array([metrics.cap * (1 + SLACK)]))
    rates = np.array([metrics.second(kind[0]) for kind in among]).reshape(len(among), -1)
    for column, cap in enumerate(metrics.caps):
        if cap < math.inf:
            rows.append(coo_array(np.append((seconds * rates[:, column : column + 1]).ravel(), 0.0)[None, :]))
            most.append(np.array([cap * (1 + SLACK) - float(entry @ rates[:, column])]))
    memory, room = _memory(problem, among)
    return csr_array(vstack([*rows, memory])), np.concatenate([*most, room])


def _memory(problem: Problem, among: Sequence[Sequence[Device]]) -> tuple[coo_array, Floats]:
    weights, count = weights_of(problem), len(problem.graph.layers)
    own = [weights[kind[0].name].own for kind in among]
    scale = max(1.0, *(float(one.max(initial=0.0)) for one in own))
    limited = [index for index, kind in enumerate(among) if kind[0].memory]
    table = np.zeros((len(limited), len(among) * count + 1))
    for row, index in enumerate(limited):
        table[row, index * count : (index + 1) * count] = own[index] / scale
    room = [len(among[one]) * among[one][0].memory / (1 + problem.headroom) / scale for one in limited]
    return coo_array(table), np.array(room) * (1 + SLACK)
