"""A second method, a stranger to the first: the space of plans as a mixed-integer linear programme for HiGHS.

Law: pure; it shares the question's nouns with the other solvers and no arithmetic; small graphs only. It is there
to disagree with them (`best_by_milp`), and to look for a better plan than a contraction's (`solve_order`, for
`polish.py`, which costs what it gets itself). Every metric is a linear expression in the variables below, and every
one of them is only ever pushed down by objective and limits, so that "at least" rows define what is charged. The
bottleneck is one variable above all busy seconds.

Variables, for layer i, boundary j (between stages j and j + 1), tensor t: `before[i, j]` is 1 when layer i is in a
stage <= j; `by[j, t, o]` when t crosses boundary j by option o; `used[j]` when a layer lies behind j; `back[j]`
when an output goes back over j; `split[s]` when stage s holds some but not all of the engine's layers; one when a
device holds a weight; the largest activation on a device; the bottleneck.
"""

from __future__ import annotations

import itertools
import math

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostTensor
from partitioner.solve.linear import ONE, Expression, Point, Programme, minus, plus, scaled
from partitioner.solve.problem import Answer, CodecOption, CodecSeconds, Device, Hop, HopKey, Layout, Problem
from partitioner.units import BytesPerSecond, CodecName, DeviceId, TensorName

MOST_LAYERS = 16
MOST_ORDERS = 24
CERTAIN: Expression = {ONE: 1.0}
NOTHING: Expression = {}


def best_by_milp(problem: Problem) -> Answer:
    """Return a best plan, with the bound that HiGHS proved.

    Raises:
        InvalidProblem: more than `MOST_LAYERS` layers or `MOST_ORDERS` orders.
        NoFeasiblePlan: no order of stages has a plan.
    """
    if len(problem.graph.layers) > MOST_LAYERS:
        raise InvalidProblem(f"this solver is for {MOST_LAYERS} layers at most", "use solve()")
    found = [one for order in _orders(problem) if (one := solve_order(problem, order)) is not None]
    if not found:
        raise NoFeasiblePlan("the linear programme of every order of stages is infeasible")
    best = min(found, key=lambda answer: answer.value)
    bound = min(answer.lower_bound for answer in found)
    return Answer(best.layout, best.value, min(bound, best.value), "milp")


def solve_order(
    problem: Problem, order: tuple[DeviceId, ...], most_nodes: int | None = None
) -> Answer | None:
    """Return the best plan whose stages run on a prefix of `order`, or None when there is none.

    With `most_nodes` it is the best that so many nodes of the search showed, and None may mean none of them did.
    """
    model = _Model(problem, order)
    model.shape()
    model.charge()
    model.limit()
    point = model.programme.minimum(model.objective(), most_nodes)
    if point is None:
        return None
    value = model.value(point)
    return Answer(model.layout(point), value, min(point.bound, value), "milp")


def _orders(problem: Problem) -> list[tuple[DeviceId, ...]]:
    if problem.order is not None:
        return [problem.order]
    behind = itertools.permutations(device.name for device in problem.devices[1:])
    found = [(problem.entry, *one) for one in itertools.islice(behind, MOST_ORDERS + 1)]
    if len(found) > MOST_ORDERS:
        raise InvalidProblem(f"this solver tries {MOST_ORDERS} orders at most", "give the order")
    return found


class _Model:
    """The programme of one order, while it is written down."""

    def __init__(self, problem: Problem, order: tuple[DeviceId, ...]) -> None:
        self.problem, self.order = problem, order
        self.graph, self.programme = problem.graph, Programme()
        self.devices = [problem.device(name) for name in order]
        self.boundaries = range(len(order) - 1)
        self.cuts = [[self.programme.binary() for _ in self.boundaries] for _ in self.graph.layers]
        self.by: dict[tuple[int, TensorName], list[tuple[CodecOption, Expression]]] = {}
        self.busy: dict[DeviceId, Expression] = {name: {} for name in order}
        self.hops: dict[HopKey, Expression] = {}
        self.delays: Expression = {}
        self.egress: Expression = {}
        self.loss: Expression = {}
        self.bottleneck: Expression = {}

    def before(self, layer: int, boundary: int) -> Expression:
        """Return 1 where `layer` is in a stage up to `boundary`; a graph input (-1) is there from the start."""
        if layer < 0 or boundary >= len(self.boundaries):
            return CERTAIN
        return self.cuts[layer][boundary] if boundary >= 0 else NOTHING

    def inside(self, layer: int, stage: int) -> Expression:
        """Return 1 where `layer` is in `stage`."""
        return minus(self.before(layer, stage), self.before(layer, stage - 1))

    def shape(self) -> None:
        """Write down what a chain of down-sets is, and who may run what."""
        for boundary in self.boundaries:
            for layer in self.graph.layers:
                more = self.before(layer.index, boundary + 1)
                self.programme.at_least(more, self.before(layer.index, boundary))
            for tensor in self.graph.tensors:
                for consumer in tensor.consumers:
                    earlier = self.before(tensor.producer, boundary)
                    self.programme.at_least(earlier, self.before(consumer, boundary))
        for stage, device in enumerate(self.devices):
            for layer in self.graph.layers:
                pin = self.problem.pins.get(layer.index, device.name)
                if pin != device.name or layer.index in device.lacks:
                    self.programme.at_least(NOTHING, self.inside(layer.index, stage))

    def charge(self) -> None:
        """Write down the busy seconds of devices and hops, the delays, the bytes, the loss."""
        self._spend(self.devices[0], CERTAIN, self.devices[0].costs.overhead)
        for stage, device in enumerate(self.devices):
            self._charge_stage(stage, device)
        for boundary in self.boundaries:
            self._charge_boundary(boundary)
        for boundary in self.boundaries:
            self._charge_home(boundary)

    def _charge_stage(self, stage: int, device: Device) -> None:
        inside = {layer.index: self.inside(layer.index, stage) for layer in self.graph.layers}
        for layer, here in inside.items():
            self._spend(device, here, device.costs.layers[layer])
        split = self.programme.binary()
        engine = [layer.index for layer in self.graph.layers if not layer.pseudo]
        for one, other in itertools.permutations(engine, 2):
            self.programme.at_least(split, minus(inside[one], inside[other]))
        self._spend(device, split, device.costs.segment)

    def _charge_boundary(self, boundary: int) -> None:
        a, b = self.devices[boundary : boundary + 2]
        used = self.programme.binary()
        behind = [minus(CERTAIN, self.before(layer.index, boundary)) for layer in self.graph.layers]
        self.programme.at_least_each(used, behind)
        if a.name == b.name:  # nothing crosses a hop, but what must not cross must not
            self._spend(b, used, b.costs.overhead)
            self._forbid_crossings(boundary)
            return
        if not {(a.name, b.name), (b.name, a.name)} <= set(self.problem.hops):
            self.programme.at_least(NOTHING, used)
        self._spend(b, used, b.costs.overhead)
        self.delays = plus(self.delays, scaled(used, self._hop(a, b).delay))
        self._spend(a, used, a.costs.send_message)
        self._spend(b, used, b.costs.receive_message)
        for tensor in self.graph.tensors:
            self._charge_crossing(boundary, tensor)

    def _forbid_crossings(self, boundary: int) -> None:
        for tensor in self.graph.tensors:
            for consumer in () if self._options(tensor) else tensor.consumers:
                earlier = self.before(tensor.producer, boundary)
                self.programme.at_least(self.before(consumer, boundary), earlier)

    def _charge_crossing(self, boundary: int, tensor: CostTensor) -> None:
        a, b = self.devices[boundary : boundary + 2]
        choices = [(option, self.programme.binary()) for option in self._options(tensor)]
        self.by[boundary, tensor.name] = choices
        crosses = plus(*(variable for _, variable in choices))
        for consumer in tensor.consumers:
            need = minus(self.before(tensor.producer, boundary), self.before(consumer, boundary))
            self.programme.at_least(crosses, need)
        if tensor.producer >= 0 and not self.graph.layers[tensor.producer].pseudo:
            self._spend(a, crosses, tensor.size * a.costs.leaving)
            self._spend(b, crosses, tensor.size * b.costs.entering)
        for option, variable in choices:
            key = (tensor.name, option.codec)
            self._spend(a, variable, a.codecs.get(key, CodecSeconds()).encode)
            self._spend(b, variable, b.codecs.get(key, CodecSeconds()).decode)
            self._send(a, b, variable, option.wire_bytes)
            self.loss = plus(self.loss, scaled(variable, option.loss))

    def _charge_home(self, boundary: int) -> None:
        """An output goes back over `boundary` from every stage behind it, up to the entry's next stage."""
        a, b = self.devices[boundary : boundary + 2]
        if a.name == b.name:
            return
        later = range(boundary + 1, len(self.order))
        turn = next((stage for stage in later if self.order[stage] == self.order[0]), len(self.order))
        back = self.programme.binary()
        for tensor in self.graph.tensors:
            if tensor.is_output and tensor.producer >= 0:
                last = self.before(tensor.producer, turn - 1)
                goes = minus(last, self.before(tensor.producer, boundary))
                self.programme.at_least(back, goes)
                self._send(b, a, goes, tensor.size)
        self.delays = plus(self.delays, scaled(back, self._hop(b, a).delay))
        self._spend(b, back, b.costs.send_message)
        self._spend(a, back, a.costs.receive_message)

    def limit(self) -> None:
        """Write down the memory, the bottleneck and the limits that sum."""
        limits = self.problem.limits
        self.bottleneck = self.programme.real()
        self.programme.at_least_each(self.bottleneck, [*self.busy.values(), *self.hops.values()])
        for metric, most in (
            (self._latency(), limits.latency),
            (self.bottleneck, limits.bottleneck),
            (self._energy(), limits.energy),
            (self.egress, limits.egress),
            (self.loss, limits.loss),
        ):
            if math.isfinite(most):
                self.programme.at_least({ONE: most}, metric)
        for device in {one.name: one for one in self.devices}.values():
            if device.memory:
                self.programme.at_least(
                    {ONE: device.memory / (1 + self.problem.headroom)}, self._memory(device)
                )

    def _memory(self, device: Device) -> Expression:
        stages = [stage for stage, name in enumerate(self.order) if name == device.name]
        here = [plus(*(self.inside(layer.index, s) for s in stages)) for layer in self.graph.layers]
        peak = self.programme.real()
        if device.activations:
            peaks = [scaled(one, alive) for one, alive in zip(here, device.activations, strict=True)]
            self.programme.at_least_each(peak, peaks)
        sizes = self.problem.sizes_on(device)
        if not sizes:
            return plus(peak, *(scaled(here[layer.index], layer.weights) for layer in self.graph.layers))
        total = peak
        for name, size in sizes.items():
            held = self.programme.binary()
            users = [layer.index for layer in self.graph.layers if name in layer.weight_names]
            self.programme.at_least_each(held, (here[user] for user in users))
            total = plus(total, scaled(held, size))
        return total

    def objective(self) -> Expression:
        """Return what is minimised."""
        wish = self.problem.objective
        return plus(
            scaled(self._latency(), wish.latency),
            scaled(self.bottleneck, wish.bottleneck),
            scaled(self._energy(), wish.energy),
            scaled(self.egress, wish.egress),
        )

    def value(self, point: Point) -> float:
        """Return the objective at `point`; its bottleneck from the whole variables, not HiGHS' rounded one."""
        busiest = max(point.of(one) for one in [*self.busy.values(), *self.hops.values()])
        wish = self.problem.objective
        additive = plus(self.objective(), scaled(self.bottleneck, -wish.bottleneck))
        return point.of(additive) + wish.bottleneck * busiest

    def layout(self, point: Point) -> Layout:
        """Return the layout that `point` stands for."""
        layers = range(len(self.graph.layers))
        stages = [
            frozenset(layer for layer in layers if point.of(self.inside(layer, stage)) > 0.5)
            for stage in range(len(self.order))
        ]
        count = max([stage for stage, held in enumerate(stages) if held], default=0) + 1
        return Layout(self.order[:count], tuple(stages[:count]), self._codecs(point))

    def _codecs(self, point: Point) -> dict[tuple[int, TensorName], CodecName]:
        chosen = {}
        for (boundary, name), choices in self.by.items():
            taken = [option.codec for option, variable in choices if point.of(variable) > 0.5]
            if taken:
                chosen[boundary, name] = taken[0]
        return chosen

    def _latency(self) -> Expression:
        return plus(self.delays, *self.busy.values(), *self.hops.values())

    def _energy(self) -> Expression:
        own = [
            scaled(self.busy[device.name], device.watts)
            for device in {one.name: one for one in self.devices}.values()
        ]
        radios = [
            scaled(seconds, self.problem.device(a).radio_watts + self.problem.device(b).radio_watts)
            for (a, b), seconds in self.hops.items()
        ]
        return plus(*own, *radios)

    def _spend(self, device: Device, when: Expression, seconds: float) -> None:
        self.busy[device.name] = plus(self.busy[device.name], scaled(when, seconds))

    def _send(self, a: Device, b: Device, when: Expression, size: float) -> None:
        hop = self._hop(a, b)
        self._spend(a, when, size * a.costs.send_byte)
        self._spend(b, when, size * b.costs.receive_byte)
        before = self.hops.get((a.name, b.name), NOTHING)
        self.hops[a.name, b.name] = plus(before, scaled(when, size * hop.overhead / hop.rate))
        self.egress = plus(self.egress, scaled(when, size))

    def _hop(self, a: Device, b: Device) -> Hop:
        return self.problem.hops.get((a.name, b.name), Hop(BytesPerSecond(math.inf)))

    def _options(self, tensor: CostTensor) -> list[CodecOption]:
        """Return the codecs that `tensor` may cross by; none when it must not cross."""
        wishes = self.problem
        prepared = tensor.producer < 0 or self.graph.layers[tensor.producer].from_input
        if tensor.name in wishes.stay or (wishes.keep_input and prepared):
            return []
        raw = (CodecOption(CodecName("raw"), tensor.size),)
        return [option for option in wishes.options.get(tensor.name) or raw if option.allowed]
