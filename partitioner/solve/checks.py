"""A problem that contradicts itself is refused before anybody solves it.

Law: every number and name of a problem is looked at once, here; solvers trust them. Zero costs, no layers and
disconnected graphs are no contradiction. Each refusal says what is wrong, whose it is, and what to do.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable
from itertools import combinations, pairwise
from numbers import Real

from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor
from partitioner.predict import StageCosts
from partitioner.solve.forms import check_forms
from partitioner.solve.problem import CodecOption, Device, Hop, Problem
from partitioner.units import DeviceId

PROFILE_AGAIN = "profile the device again"
LARGEST = 1e60  # of any cost, price or factor: what is larger overflows where five of them are multiplied
MOST_BYTES = 2**53  # 9 petabytes: what a float64 counts exactly
MOST_HEADROOM = 1e3
MOST_DEVICES = 256  # in any order
MOST_PLACES = 5_000_000  # layers x stages


def check(problem: Problem) -> None:
    """Refuse a problem that contradicts itself.

    Raises:
        InvalidProblem: a cyclic or misnumbered graph; a layer, tensor or device that is not there; a number that
            is NaN, negative, infinite or absurdly large; a part of another type; a link that is missing in one
            direction, or between given neighbours; more devices or stages than any solver here looks at.
    """
    check_forms(problem)
    _check_graph(problem.graph)
    _check_devices(problem)
    _check_hops(problem)
    _check_wishes(problem)
    for name, options in problem.options.items():
        _check_options(name, options)
    _check_weights(problem)
    _check_prices(problem)


def _check_graph(graph: CostGraph) -> None:
    count = len(graph.layers)
    if [layer.index for layer in graph.layers] != list(range(count)):
        raise InvalidProblem("the layers of a graph are numbered from 0 in topological order")
    names: set[str] = set()
    for tensor in graph.tensors:
        _check_tensor(tensor, count)
        if tensor.name in names:
            raise InvalidProblem(f"two tensors of the graph are called {tensor.name}")
        names.add(tensor.name)


def _check_tensor(tensor: CostTensor, count: int) -> None:
    if not -1 <= tensor.producer < count or any(not 0 <= one < count for one in tensor.consumers):
        raise InvalidProblem(f"tensor {tensor.name} names a layer that the graph does not have")
    if any(consumer < tensor.producer for consumer in tensor.consumers):
        raise InvalidProblem(f"the graph is cyclic or not in topological order at tensor {tensor.name}")
    _check_bytes(f"the size of tensor {tensor.name}", (tensor.size,), "bytes are whole: 0 or more")
    if tensor.size != int(tensor.size):
        raise InvalidProblem(f"tensor {tensor.name} has {tensor.size} bytes", "bytes are whole")


def _check_devices(problem: Problem) -> None:
    names = [device.name for device in problem.devices]
    if not names:
        raise InvalidProblem("there is no device", "start an agent")
    if len(set(names)) < len(names):
        raise InvalidProblem(f"two devices have one name ({', '.join(names)})", "rename one of them")
    if problem.order is None and len(names) > MOST_DEVICES:
        raise InvalidProblem(
            f"{len(names)} devices in any order are too many to look at",
            f"give an order, or at most {MOST_DEVICES} devices",
        )
    for device in problem.devices:
        _check_device(device, len(problem.graph.layers))
    if problem.order is not None:
        _check_order(problem, problem.order)


def _check_device(device: Device, count: int) -> None:
    _check_costs(device.name, device.costs, count)
    for (tensor, codec), seconds in device.codecs.items():
        what = f"the time of codec {codec} on {tensor} on {device.name}"
        _check_numbers(what, (seconds.encode, seconds.decode), PROFILE_AGAIN)
    _check_bytes(f"the memory of {device.name}", (device.memory,), "declare it in bytes; 0 means no limit")
    _check_numbers(f"the power of {device.name}", (device.watts, device.radio_watts), "declare it in watts")
    if device.activations and len(device.activations) != count:
        raise InvalidProblem(
            f"{len(device.activations)} activations of {device.name} for a graph of {count} layers",
            PROFILE_AGAIN,
        )
    _check_bytes(f"an activation on {device.name}", device.activations, PROFILE_AGAIN)
    _check_layers(f"device {device.name} lacks", device.lacks, count)


def _check_costs(name: DeviceId, costs: StageCosts, count: int) -> None:
    if len(costs.layers) != count:
        raise InvalidProblem(
            f"{len(costs.layers)} layer costs of {name} for a graph of {count} layers", PROFILE_AGAIN
        )
    fixed = (costs.entering, costs.leaving, costs.segment, costs.overhead)
    messages = (costs.send_message, costs.send_byte, costs.receive_message, costs.receive_byte)
    _check_numbers(f"a cost of {name}", (*costs.layers, *fixed, *messages), PROFILE_AGAIN)


def _check_order(problem: Problem, order: tuple[DeviceId, ...]) -> None:
    if not order or order[0] != problem.entry:
        first = order[0] if order else "nobody"
        raise InvalidProblem(
            f"the order of stages begins with {first}, but requests enter at {problem.entry}",
            f"begin the order with {problem.entry}; its stage may stay empty",
        )
    if len(order) * len(problem.graph.layers) > MOST_PLACES:
        raise InvalidProblem(
            f"{len(order)} stages of {len(problem.graph.layers)} layers are too many to look at",
            "give a shorter order",
        )
    for name in order:
        problem.device(name)
    for near, far in pairwise(order):
        if near != far:
            _check_link(problem, near, far)


def _check_link(problem: Problem, near: DeviceId, far: DeviceId) -> None:
    there, back = (near, far) in problem.hops, (far, near) in problem.hops
    if not there and not back:
        raise InvalidProblem(f"there is no link between {near} and {far}", "measure or declare it, both ways")
    if not (there and back):
        tail, head = (near, far) if back else (far, near)
        raise InvalidProblem(
            f"no link leads from {tail} to {head} (the way from {head} to {tail} is there)",
            "measure or declare both directions",
        )


def _check_hops(problem: Problem) -> None:
    for (tail, head), hop in problem.hops.items():
        _check_hop(tail, head, hop)
    if problem.order is not None:
        return  # its neighbours were looked at; other pairs are no matter
    for one, other in combinations((device.name for device in problem.devices), 2):
        if ((one, other) in problem.hops) != ((other, one) in problem.hops):
            _check_link(problem, one, other)


def _check_hop(tail: DeviceId, head: DeviceId, hop: Hop) -> None:
    if not _is_number(hop.rate) or not hop.rate >= 1 / LARGEST:  # NaN is not
        raise InvalidProblem(
            f"the link from {tail} to {head} has the rate {hop.rate} bytes/s", "measure it again"
        )
    _check_numbers(f"the delay from {tail} to {head}", (hop.delay,), "measure it again")
    _check_numbers(
        f"the overhead from {tail} to {head}", (hop.overhead,), "it multiplies payload bytes: 1.046"
    )


def _check_wishes(problem: Problem) -> None:
    count = len(problem.graph.layers)
    _check_layers("pinned is", problem.pins, count)
    for layer, name in problem.pins.items():
        if name not in {device.name for device in problem.devices}:
            known = ", ".join(device.name for device in problem.devices)
            raise InvalidProblem(
                f"layer {problem.graph.layers[layer].name} is pinned to {name}, which is gone (there is: {known})",
                "start that device, or drop the pin",
            )
    names = {tensor.name for tensor in problem.graph.tensors}
    if unknown := sorted((problem.stay | problem.options.keys()) - names):
        raise InvalidProblem(f"no tensor of the graph is called {', '.join(unknown)}", "see `plan explain`")


def _check_options(name: str, options: tuple[CodecOption, ...]) -> None:
    for option in options:
        what = f"codec {option.codec} of tensor {name}"
        _check_bytes(f"the bytes of {what}", (option.wire_bytes,), PROFILE_AGAIN)
        if option.allowed:  # what is not allowed may well be lossy beyond measure
            _check_numbers(f"the loss of {what}", (option.loss,), "measure it again, or forbid the codec")


def _check_weights(problem: Problem) -> None:
    for sizes in (problem.weight_bytes, *(one.weight_bytes or {} for one in problem.devices)):
        _check_bytes("the bytes of a weight", sizes.values(), "push the model again")
    _check_bytes(
        "the weights of a layer", (one.weights for one in problem.graph.layers), "push the model again"
    )
    _check_numbers("the headroom", (problem.headroom,), "it is a fraction, such as 0.2", MOST_HEADROOM)


def _check_prices(problem: Problem) -> None:
    weights = dataclasses.astuple(problem.objective)
    _check_numbers("a weight of the objective", weights, "a weight is a price: 0 or more")
    for field in dataclasses.fields(problem.limits):
        limit = getattr(problem.limits, field.name)
        if not _is_number(limit) or not (0 <= limit <= LARGEST or limit == math.inf):
            raise InvalidProblem(
                f"the limit on {field.name} is {limit}", "a limit is 0 or more; infinite for none"
            )


def _check_layers(what: str, layers: Iterable[int], count: int) -> None:
    strange = sorted(one for one in layers if not 0 <= one < count)
    if strange:
        raise InvalidProblem(f"{what} layer {strange[0]}, which the graph of {count} layers does not have")


def _check_bytes(what: str, numbers: Iterable[float], hint: str) -> None:
    _check_numbers(what, numbers, hint, MOST_BYTES)


def _check_numbers(what: str, numbers: Iterable[float], hint: str, most: float = LARGEST) -> None:
    for number in numbers:
        if not _is_number(number):
            raise InvalidProblem(f"{what} is no number ({number!r})", hint)
        if not 0 <= _plain(number) <= most:  # NaN is not
            raise InvalidProblem(f"{what} is {_fault(number)}", hint)


def _is_number(found: object) -> bool:
    return isinstance(found, Real)


def _plain(number: float) -> float:
    """Return the number as Python's: numpy's narrow ones overflow where they are compared with wide ones."""
    return number if isinstance(number, int) else float(number)


def _fault(number: float) -> str:
    if number < 0:
        return f"negative ({number:g})" if number >= -sys.float_info.max else "negative"
    if number > sys.float_info.max:
        return "infinite (inf)" if number == math.inf else "too large"
    return f"NaN ({number})" if math.isnan(number) else f"too large ({number:g})"
