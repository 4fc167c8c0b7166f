"""Whether a problem is made of the nouns that it is declared to be made of.

Law: types only; whether numbers and names make sense is `checks.py`'s. A caller of the library who hands a list of
names where layers are meant is told so, and never sees the traceback of a solver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from numbers import Integral

from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.problem import CodecOption, CodecSeconds, Device, Hop, Limits, Objective, Problem

SEQUENCE = (tuple, list)


def check_forms(problem: Problem) -> None:
    """Refuse a problem whose parts are of other types than `problem.py` declares.

    Raises:
        InvalidProblem: says which part, what it is, and what it should be.
    """
    _must("the problem", problem, Problem)
    _check_graph(problem.graph)
    _check_each("the devices", problem.devices, Device)
    for device in problem.devices:
        _check_device(device)
    _check_pairs("the hops", problem.hops, Hop)
    if problem.order is not None:
        _check_each("the order", problem.order, str, tuple)
    _must("the options", problem.options, Mapping)
    for name, options in problem.options.items():
        _must("an option's tensor", name, str)
        _check_each(f"the options of {name}", options, CodecOption)
    _check_wishes(problem)


def _check_graph(graph: CostGraph) -> None:
    _must("the graph", graph, CostGraph)
    _check_each("the graph's layers", graph.layers, Layer)
    _check_each("the graph's tensors", graph.tensors, CostTensor)
    for tensor in graph.tensors:
        _must("a tensor's name", tensor.name, str)
        _must(f"the producer of {tensor.name}", tensor.producer, Integral)
        _check_each(f"the consumers of {tensor.name}", tensor.consumers, Integral)


def _check_device(device: Device) -> None:
    _must("a device's name", device.name, str)
    _must(f"the costs of {device.name}", device.costs, StageCosts)
    _must(f"the layer costs of {device.name}", device.costs.layers, SEQUENCE)
    _must(f"the activations of {device.name}", device.activations, SEQUENCE)
    _check_pairs(f"the codecs of {device.name}", device.codecs, CodecSeconds)
    if device.weight_bytes is not None:
        _must(f"the bytes of weights on {device.name}", device.weight_bytes, Mapping)
    _must(f"what {device.name} lacks", device.lacks, (*SEQUENCE, Set))
    _check_members(f"what {device.name} lacks", device.lacks, Integral)


def _check_wishes(problem: Problem) -> None:
    _must("the pins", problem.pins, Mapping)
    _check_members("the pins", problem.pins, Integral)
    _check_members("the pins", problem.pins.values(), str)
    _must("what must stay", problem.stay, Set)
    _check_members("what must stay", problem.stay, str)
    _must("the bytes of weights", problem.weight_bytes, Mapping)
    _must("the objective", problem.objective, Objective)
    _must("the limits", problem.limits, Limits)


def _check_pairs(what: str, found: object, kind: type) -> None:
    """Check a mapping from pairs of names."""
    _must(what, found, Mapping)
    assert isinstance(found, Mapping)
    for key in found:
        if not (isinstance(key, tuple) and len(key) == 2 and all(isinstance(one, str) for one in key)):
            raise InvalidProblem(f"{what} have the key {key!r}", "a key is a pair of names")
    _check_members(what, found.values(), kind)


def _check_each(what: str, found: object, kind: type, container: type | tuple[type, ...] = SEQUENCE) -> None:
    _must(what, found, container)
    assert isinstance(found, (tuple, list))
    _check_members(what, found, kind)


def _check_members(what: str, found: Iterable[object], kind: type) -> None:
    for strange in {type(one) for one in found}:
        if not issubclass(strange, kind):
            raise InvalidProblem(f"among {what} is a {strange.__name__}", f"each is a {kind.__name__}")


def _must(what: str, found: object, kind: type | tuple[type, ...]) -> None:
    if not isinstance(found, kind):
        wanted = kind[0].__name__ if isinstance(kind, tuple) else kind.__name__
        raise InvalidProblem(f"{what}: found a {type(found).__name__}", f"give a {wanted}")
