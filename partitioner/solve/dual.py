"""A bound on the bottleneck where the down-sets are too many: seconds are priced, and the prices are bargained.

Law: pure; knows minimum cuts (`orders.best_cut`), no lattice. Give every device and every directed hop a price per
busy second, all prices together being the weight of the bottleneck. No plan's priced seconds exceed the price of its
bottleneck, so the plan of least priced cost, one minimum cut, costs no more than the best plan does: a lower bound
(Lagrange's relaxation of "each resource is at most the bottleneck"; Held and Karp, 1971). A limit on a sum is priced
likewise: what a plan exceeds it by costs, what it stays below is given back. Prices then rise where the cut was
busy and fall where it was not, by Polyak's steps, and the largest bound is kept. Each cut is a plan itself: the best
that keeps memory and limits is kept too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.costing import evaluate, objective_value, violations, with_codecs
from partitioner.solve.orders import are_many, best_cut, orders
from partitioner.solve.plans import Costs
from partitioner.solve.problem import (
    NO_LIMITS,
    Answer,
    Device,
    Hop,
    HopKey,
    Layout,
    Objective,
    Problem,
    Watts,
)
from partitioner.units import BytesPerSecond, DeviceId

ROUNDS = 60
LEAST_ROUNDS = 6
WORK = 100_000  # layers x stages x orders, over all rounds: a few seconds
ENOUGH = 1e-6  # relative gap at which the bargain ends
CAUTION = 0.9  # times the length of a step, after each that gained nothing
SHORTEST = 1e-300  # a square: prices that change nothing
SUMS = ("latency", "energy", "egress")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Offer:
    """A bound on every plan, and the best plan that was met until then."""

    bound: float
    best: Answer


@dataclass(frozen=True)
class Cut:
    """A bound, the plan that is cheapest at some prices, and how the bound grows with each of them."""

    bound: float
    layout: Layout
    slopes: Floats


@dataclass(frozen=True)
class Goods:
    """What has a price: the devices, the directed hops, then the sums that a limit is set on."""

    devices: tuple[DeviceId, ...]
    hops: tuple[HopKey, ...]
    sums: tuple[str, ...]

    @property
    def resources(self) -> int:
        """Return how many of them are devices and hops."""
        return len(self.devices) + len(self.hops)


def bargained(problem: Problem, known: Answer) -> Answer:
    """Return `known`, a plan of `problem`, with a bound and a plan at least as good, by the method of `known`.

    Args:
        problem: the question; it was checked, and wants a low bottleneck or limits it.
        known: a plan that keeps all limits, and a bound that was proven elsewhere.
    """
    best = known
    for offer in offers(problem, known):
        bound = max(best.lower_bound, offer.bound)
        best = replace(offer.best, lower_bound=min(bound, offer.best.value))
        if best.gap <= ENOUGH:
            break
    return best


def offers(problem: Problem, known: Answer) -> Iterator[Offer]:
    """Yield bounds, each proven, and the best plan so far; nothing where this is no use."""
    coupled = problem.objective.bottleneck > 0 or problem.limits != NO_LIMITS
    if are_many(problem) or not coupled or known.value <= 0:
        return
    goods = goods_of(problem)
    prices, best = _start(problem, goods, known), known
    most, boldness = 0.0, 1.0
    for _ in range(_rounds(problem)):
        cut = bound_at(problem, goods, prices)
        if cut is None:
            return
        best = _better(problem, best, cut.layout)
        yield Offer(cut.bound, best)
        boldness = boldness if cut.bound > most else boldness * CAUTION
        most = max(most, cut.bound)
        step = boldness * (best.value - cut.bound) / max(float(cut.slopes @ cut.slopes), SHORTEST)
        prices = lawful(problem, goods, prices + step * cut.slopes)


def _rounds(problem: Problem) -> int:
    stages = len(problem.order or problem.devices)
    work = max(len(problem.graph.layers), 1) * stages * len(orders(problem))
    return min(max(WORK // work, LEAST_ROUNDS), ROUNDS)


def goods_of(problem: Problem) -> Goods:
    """Return what has a price in `problem`."""
    names = tuple(
        device.name for device in problem.devices if problem.order is None or device.name in problem.order
    )
    hops = (
        tuple(sorted(problem.hops))
        if problem.order is None
        else tuple(sorted(set(_used_hops(problem.order))))
    )
    limited = tuple(name for name in SUMS if np.isfinite(getattr(problem.limits, name)))
    return Goods(names, tuple(hop for hop in hops if hop in problem.hops), limited)


def _used_hops(order: tuple[DeviceId, ...]) -> Iterator[HopKey]:
    for near, far in zip(order, order[1:], strict=False):
        if near != far:
            yield near, far
            yield far, near


def _start(problem: Problem, goods: Goods, known: Answer) -> Floats:
    """Return first prices: by how busy the known plan keeps each resource; sums are free at first."""
    busy = _busy(goods, evaluate(problem, known.layout))[: goods.resources]
    weight = problem.objective.bottleneck
    shares = busy / busy.sum() if busy.sum() > 0 else np.full(len(busy), 1 / max(len(busy), 1))
    return lawful(problem, goods, np.append(weight * shares, np.zeros(len(goods.sums))))


def lawful(problem: Problem, goods: Goods, prices: Floats) -> Floats:
    """Return the nearest prices that are: none below 0; those of resources sum to the bottleneck's weight.

    Where the bottleneck is limited, they may sum to more: what is above the weight is the price of the limit.
    """
    weight, count = problem.objective.bottleneck, goods.resources
    found = np.maximum(prices, 0.0)
    if not np.isfinite(problem.limits.bottleneck) or found[:count].sum() < weight:
        found[:count] = _on_simplex(prices[:count], weight)
    return found


def _on_simplex(point: Floats, total: float) -> Floats:
    """Return the nearest point whose entries are not negative and sum to `total` (Held, Wolfe, Crowder, 1974)."""
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, len(point) + 1)
    above = np.flatnonzero(falling >= excess)
    found: Floats = np.maximum(point - excess[above[-1]], 0.0)
    if not found.any():
        found[int(np.argmax(point))] = 1.0
    found *= total / found.sum()  # exactly, or what is called a bound would be none
    return found


def bound_at(problem: Problem, goods: Goods, prices: Floats) -> Cut | None:
    """Return a bound, the plan that is cheapest at these prices, and how the bound grows with each of them."""
    count = goods.resources
    priced = _priced(problem, goods, prices)
    try:
        answer = best_cut(priced)
    except NoFeasiblePlan:
        return None
    costs = evaluate(priced, answer.layout)
    limits = np.array([float(getattr(problem.limits, name)) for name in goods.sums])
    room = problem.limits.bottleneck if np.isfinite(problem.limits.bottleneck) else 0.0
    above = float(prices[:count].sum()) - problem.objective.bottleneck
    given = float(prices[count:] @ limits) + above * room
    layout = with_codecs(answer.layout, costs)
    true = evaluate(problem, layout)
    slopes = _busy(goods, true) - np.append(np.full(count, room), limits)
    return Cut(answer.lower_bound - given, layout, slopes)


def _priced(problem: Problem, goods: Goods, prices: Floats) -> Problem:
    """Return the additive problem at these prices: watts price devices' seconds, slower hops price hops' seconds."""
    wanted, names = problem.objective, len(goods.devices)
    sums = dict(zip(goods.sums, prices[goods.resources :].tolist(), strict=True))
    second = wanted.latency + sums.get("latency", 0.0)
    joule = wanted.energy + sums.get("energy", 0.0)
    device_price = dict(zip(goods.devices, prices[:names].tolist(), strict=True))
    hop_price = dict(zip(goods.hops, prices[names : goods.resources].tolist(), strict=True))
    radio = {device.name: device.radio_watts for device in problem.devices}
    slower = {
        (near, far): (second + joule * (radio[near] + radio[far]) + price) / (second + 1.0)
        for (near, far), price in hop_price.items()
    }
    hops = {key: _slowed(problem.hops[key], factor) for key, factor in slower.items()}
    devices = tuple(
        _at_watts(device, joule * device.watts + device_price.get(device.name, 0.0))
        for device in problem.devices
    )
    objective = Objective(second, 0.0, 1.0, wanted.egress + sums.get("egress", 0.0))
    return replace(problem, devices=devices, hops=hops, objective=objective, limits=NO_LIMITS)


def _slowed(hop: Hop, factor: float) -> Hop:
    return replace(hop, rate=BytesPerSecond(hop.rate / factor if factor > 0 else math.inf))


def _at_watts(device: Device, watts: float) -> Device:
    return replace(device, watts=Watts(watts), radio_watts=Watts(0.5))  # two radios: one joule a hop's second


def _busy(goods: Goods, costs: Costs) -> Floats:
    resources = [costs.busy.get(name, 0.0) for name in goods.devices]
    resources += [costs.hop_busy.get(hop, 0.0) for hop in goods.hops]
    return np.array([*resources, *(float(getattr(costs, name)) for name in goods.sums)])


def _better(problem: Problem, best: Answer, layout: Layout) -> Answer:
    costs = evaluate(problem, layout)
    value = objective_value(problem, costs)
    if value >= best.value or violations(problem, costs):
        return best
    return replace(best, layout=layout, value=value)
