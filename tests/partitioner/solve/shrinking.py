"""From a problem on which something fails to a smaller one on which it still does.

Law: knows the nouns of a problem and how to take parts of them away; not what fails.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from partitioner.graph import CostGraph, CostTensor
from partitioner.predict import StageCosts
from partitioner.solve.problem import NO_LIMITS, Device, Problem
from partitioner.units import Bytes, Seconds

MOST_STEPS = 2000


def minimal(problem: Problem, fails: Callable[[Problem], bool]) -> Problem:
    """Return a problem on which `fails` still holds, and on no smaller neighbour that was tried."""
    for _ in range(MOST_STEPS):
        found = next((one for one in _smaller(problem) if fails(one)), None)
        if found is None:
            return problem
        problem = found
    return problem


def _smaller(problem: Problem) -> Iterator[Problem]:
    for layer in range(len(problem.graph.layers)):
        if len(problem.graph.layers) > 1:
            yield _without_layer(problem, layer)
    for index in range(len(problem.graph.tensors)):
        rest = problem.graph.tensors[:index] + problem.graph.tensors[index + 1 :]
        yield dataclasses.replace(problem, graph=CostGraph(problem.graph.layers, rest))
    yield from _without_wishes(problem)
    yield from _with_less_devices(problem)


def _with_less_devices(problem: Problem) -> Iterator[Problem]:
    for index, device in enumerate(problem.devices):
        for plainer in _plainer(device):
            devices = (*problem.devices[:index], plainer, *problem.devices[index + 1 :])
            yield dataclasses.replace(problem, devices=devices)
    if problem.order is None and len(problem.devices) > 2:
        for device in problem.devices[1:]:
            if device.name not in problem.pins.values():
                rest_devices = tuple(one for one in problem.devices if one is not device)
                yield dataclasses.replace(problem, devices=rest_devices)


def _without_wishes(problem: Problem) -> Iterator[Problem]:
    for pin in problem.pins:
        yield dataclasses.replace(problem, pins={one: at for one, at in problem.pins.items() if one != pin})
    for name in problem.options:
        rest_options = {one: many for one, many in problem.options.items() if one != name}
        yield dataclasses.replace(problem, options=rest_options)
    plain = (("stay", frozenset()), ("keep_input", False), ("weight_bytes", {}), ("limits", NO_LIMITS))
    for name, value in plain:
        if getattr(problem, name) != value:
            yield dataclasses.replace(problem, **{name: value})
    if problem.order and len(problem.order) > 2:
        yield dataclasses.replace(problem, order=problem.order[:-1])


def _plainer(device: Device) -> Iterator[Device]:
    for name, value in (("memory", 0), ("activations", ()), ("watts", 0), ("radio_watts", 0)):
        if getattr(device, name) != value:
            yield dataclasses.replace(device, **{name: value})
    for name, none in (("codecs", {}), ("lacks", frozenset())):
        if getattr(device, name):
            yield dataclasses.replace(device, **{name: none})
    costs = device.costs
    for field in dataclasses.fields(StageCosts):
        if field.name != "layers" and getattr(costs, field.name):
            yield dataclasses.replace(device, costs=dataclasses.replace(costs, **{field.name: 0.0}))
    for index, seconds in enumerate(costs.layers):
        if seconds:
            layers = (*costs.layers[:index], Seconds(0.0), *costs.layers[index + 1 :])
            yield dataclasses.replace(device, costs=dataclasses.replace(costs, layers=layers))


def _without_layer(problem: Problem, gone: int) -> Problem:
    def moved(layer: int) -> int:
        return layer - (layer > gone)

    layers = tuple(
        dataclasses.replace(layer, index=moved(layer.index))
        for layer in problem.graph.layers
        if layer.index != gone
    )
    tensors = tuple(
        _moved(tensor, gone, moved) for tensor in problem.graph.tensors if tensor.producer != gone
    )
    return dataclasses.replace(
        problem,
        graph=CostGraph(layers, tensors),
        devices=tuple(_device_without(device, gone, moved) for device in problem.devices),
        pins={moved(layer): name for layer, name in problem.pins.items() if layer != gone},
        stay=problem.stay & {tensor.name for tensor in tensors},
        options={
            tensor.name: problem.options[tensor.name] for tensor in tensors if tensor.name in problem.options
        },
    )


def _moved(tensor: CostTensor, gone: int, moved: Callable[[int], int]) -> CostTensor:
    consumers = tuple(moved(one) for one in tensor.consumers if one != gone)
    return dataclasses.replace(tensor, producer=moved(tensor.producer), consumers=consumers)


def _device_without(device: Device, gone: int, moved: Callable[[int], int]) -> Device:
    def rest(many: tuple[float, ...]) -> tuple[float, ...]:
        return many[:gone] + many[gone + 1 :]

    costs = dataclasses.replace(device.costs, layers=tuple(Seconds(one) for one in rest(device.costs.layers)))
    return dataclasses.replace(
        device,
        costs=costs,
        activations=tuple(Bytes(int(one)) for one in rest(device.activations)),
        lacks=frozenset(moved(layer) for layer in device.lacks if layer != gone),
    )
