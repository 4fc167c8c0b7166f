"""What the space of plans gives away: the least cost when every layer may run anywhere, back and forth.

Law: pure enumeration beside the oracle; no plan comes out of it, only a figure to report.
"""

from __future__ import annotations

import numpy as np

from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor
from partitioner.solve.exhaustive import allowed_options, assignments, held, layers_of
from partitioner.solve.problem import Device, Problem
from partitioner.solve.tally import (
    NOTHING,
    Column,
    Mask,
    Stages,
    Table,
    codec_price,
    memory_needs,
)


def ping_pong(problem: Problem) -> float:
    """Return the least value when any layer may run on any device; infinite when nothing is feasible.

    It is optimistic on purpose. Its definition: every layer runs on any one device (pins, lacks and memory are
    kept; limits and `order` are not asked). A tensor made on a (a graph input: on the entry) goes from a to each
    other device that consumes it, once each, straight over hop a -> b, by the codec that costs least there; what
    may not cross does not leave its device. An output goes straight from its device to the entry, raw. Layers,
    codecs, wire bytes, `leaving`, `entering`, `send_byte` and `receive_byte` cost what they cost in a plan. A
    directed hop that carries a tensor pays its delay, `send_message` and `receive_message` once, as if all
    messages went together; a device that holds some but not all of the engine's layers pays `segment` once; the
    entry, and each other device with a layer, `overhead`.

    Raises:
        InvalidProblem: too many assignments, or an objective with a bottleneck.
    """
    if not problem.objective.additive:
        raise InvalidProblem("ping-pong is defined for objectives that are sums")
    unordered = CostGraph(problem.graph.layers, ())
    placed = assignments(unordered, [layers_of(problem, device) for device in problem.devices])
    table = Table(problem.devices, placed, {})
    values = _own_values(problem, table)
    for sender in range(len(problem.devices)):
        for receiver in range(len(problem.devices)):
            if sender != receiver:
                values += _hop_values(problem, placed, sender, receiver)
    for device, needed in memory_needs(problem, table):
        values[(needed > device.memory) & bool(device.memory)] = np.inf
    return float(values.min(initial=np.inf))


def _own_values(problem: Problem, table: Table) -> Column:
    """Return what layers, overheads and segments cost in every row."""
    engine = [layer.index for layer in problem.graph.layers if not layer.pseudo]
    total = table.zeros()
    for index, device in enumerate(table.devices):
        here = table.stages == index
        seconds = here @ np.array(device.costs.layers, dtype=float).reshape(here.shape[1])
        divided = here[:, engine].any(axis=1) & ~here[:, engine].all(axis=1)
        seconds += divided * device.costs.segment
        seconds += (here.any(axis=1) | (index == 0)) * device.costs.overhead
        total += seconds * _second(problem, device)
    return total


def _hop_values(problem: Problem, placed: Stages, sender: int, receiver: int) -> Column:
    """Return what goes straight from one device to the other costs in every row; infinite without a hop."""
    a, b = problem.devices[sender], problem.devices[receiver]
    total, used = np.zeros(len(placed)), np.zeros(len(placed), dtype=bool)
    for tensor in problem.graph.tensors:
        moves = _made_on(tensor, placed, sender) & (placed[:, list(tensor.consumers)] == receiver).any(axis=1)
        total += np.where(moves, _moving(problem, a, b, tensor), 0.0)
        home = _made_on(tensor, placed, sender) & (
            tensor.is_output and tensor.producer >= 0 and receiver == 0
        )
        total += np.where(home, _bytes_home(problem, a, b, tensor), 0.0)
        used |= moves | home
    hop = problem.hops.get((a.name, b.name))
    message = a.costs.send_message * _second(problem, a) + b.costs.receive_message * _second(problem, b)
    fixed = np.inf if hop is None else problem.objective.latency * hop.delay + message
    return np.asarray(total + np.where(used, fixed, 0.0))


def _made_on(tensor: CostTensor, placed: Stages, device: int) -> Mask:
    if tensor.producer < 0:
        return np.full(len(placed), device == 0)
    return np.asarray(placed[:, tensor.producer] == device)


def _moving(problem: Problem, a: Device, b: Device, tensor: CostTensor) -> float:
    if held(problem, tensor):
        return float(np.inf)
    prices = [codec_price(problem, (a, b), tensor, option) for option in allowed_options(problem, tensor)]
    door = tensor.producer < 0 or problem.graph.layers[tensor.producer].pseudo != ""
    border = a.costs.leaving * _second(problem, a) + b.costs.entering * _second(problem, b)
    return min(prices) + (0.0 if door else tensor.size * border)


def _bytes_home(problem: Problem, a: Device, b: Device, tensor: CostTensor) -> float:
    hop = problem.hops.get((a.name, b.name), NOTHING)
    wire = hop.overhead / hop.rate
    own = a.costs.send_byte * _second(problem, a) + b.costs.receive_byte * _second(problem, b)
    radio = problem.objective.energy * (a.radio_watts + b.radio_watts)
    return tensor.size * (own + wire * (problem.objective.latency + radio) + problem.objective.egress)


def _second(problem: Problem, device: Device) -> float:
    """Return the price of a busy second of `device`."""
    return problem.objective.latency + problem.objective.energy * device.watts
