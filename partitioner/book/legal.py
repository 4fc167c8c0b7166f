"""Why a division between board and cloud may not run: memory, and what was asked to stay.

Law: checks a division that is given, in a person's words and numbers; searches nothing.
"""

from __future__ import annotations

from partitioner.graph import CostTensor, live_tensors
from partitioner.plan import Prediction
from partitioner.solve.costing import memory_of
from partitioner.solve.problem import Limits, Problem, may_cross

MEGA = 1e6


def forbidden(problem: Problem, down_set: frozenset[int]) -> str:
    """Return why `down_set` may not run on the first device and the rest on the second; nothing when it may.

    Whether a codec passes the accuracy rule is not asked here.
    """
    checks = (too_large, _unable, _leaves, _unpinned)
    return next((why for check in checks if (why := check(problem, down_set))), "")


def is_legal(problem: Problem, down_set: frozenset[int]) -> bool:
    """Return whether the division may run, with an allowed codec for all that crosses."""
    crossing = live_tensors(problem.graph, down_set)
    return not forbidden(problem, down_set) and all(may_cross(problem, tensor) for tensor in crossing)


def too_large(problem: Problem, down_set: frozenset[int]) -> str:
    """Return which device is too small for its part, and by how much."""
    rest = frozenset(range(len(problem.graph.layers))) - down_set
    for device, where, part in zip(problem.devices, ("board", "cloud"), (down_set, rest), strict=False):
        needs = memory_of(problem, device.name, part)
        if part and 0 < device.memory < needs:
            return f"the {where} needs {needs / MEGA:.1f} MB and has {device.memory / MEGA:.1f} MB"
    return ""


def _unable(problem: Problem, down_set: frozenset[int]) -> str:
    """Return which device lacks an operator of its part."""
    rest = frozenset(range(len(problem.graph.layers))) - down_set
    for where, device, part in zip(("board", "cloud"), problem.devices, (down_set, rest), strict=True):
        if wrong := device.lacks & part:
            return f"the {where} lacks an operator of {problem.graph.layers[min(wrong)].name}"
    return ""


def over(limits: Limits, prediction: Prediction, loss: float) -> str:
    """Return which limit a page's prediction breaks, and by how much."""
    rows = (
        (prediction.latency, limits.latency, 1e3, "it takes {:.1f} ms, and {:.1f} ms are allowed"),
        (prediction.energy, limits.energy, 1.0, "it takes {:.3g} J, and {:.3g} J are allowed"),
        (
            prediction.bytes_up + prediction.bytes_down,
            limits.egress,
            1e-3,
            "it sends {:.1f} kB, and {:.1f} kB are allowed",
        ),
        (loss, limits.loss, 100.0, "its codecs lose up to {:.2f} %, and {:.2f} % are allowed"),
    )
    for needs, has, scale, words in rows:
        if needs > has * (1 + 1e-9):
            return words.format(needs * scale, has * scale)
    if prediction.bottleneck > limits.bottleneck * (1 + 1e-9):
        return (
            f"it answers {1 / prediction.bottleneck:.2f} a second, "
            f"and {1 / limits.bottleneck:.2f} a second are asked"
        )
    return ""


def gives_away(problem: Problem, tensor: CostTensor) -> bool:
    """Return whether `tensor` is an input, or made from one by mere preparation."""
    return tensor.producer < 0 or problem.graph.layers[tensor.producer].from_input


def _leaves(problem: Problem, down_set: frozenset[int]) -> str:
    for tensor in live_tensors(problem.graph, down_set):
        if problem.keep_input and gives_away(problem, tensor):
            return f"{tensor.name} would leave the board, where the input is to be kept"
        if tensor.name in problem.stay:
            return f"{tensor.name} would leave the board, where it is to stay"
    return ""


def _unpinned(problem: Problem, down_set: frozenset[int]) -> str:
    entry = problem.entry
    missing = [layer for layer, device in problem.pins.items() if device == entry and layer not in down_set]
    if not missing:
        return ""
    return f"{problem.graph.layers[min(missing)].name} would leave the board, where it is to run"
