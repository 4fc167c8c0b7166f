"""The oracle itself: an instance worked out by hand, and its limit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.costs import LinkProfile
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve import CodecOption, Problem
from partitioner.solve.two_stage_oracle import best_of_all
from partitioner.units import Bytes, BytesPerSecond, CodecName, NodeName, Seconds, TensorName


def chain_of_two() -> Problem:
    """Input of 1000 bytes, then 100 bytes, then an output of 10 bytes; 1 byte a millisecond each way."""
    layers = tuple(Layer(i, NodeName(f"l{i}"), (), Bytes(0), ()) for i in range(2))
    tensors = (
        CostTensor(TensorName("x"), "float32", (250,), Bytes(1000), -1, (0,)),
        CostTensor(TensorName("h"), "float32", (25,), Bytes(100), 0, (1,)),
        CostTensor(TensorName("y"), "uint8", (10,), Bytes(10), 1, (), is_output=True),
    )
    return Problem(
        CostGraph(layers, tensors),
        board=StageCosts(
            (Seconds(0.5), Seconds(3.0)), leaving=0.001, segment=Seconds(0.02), overhead=Seconds(0.1)
        ),
        cloud=StageCosts(
            (Seconds(0.1), Seconds(0.3)), entering=0.002, segment=Seconds(0.03), overhead=Seconds(0.2)
        ),
        link=LinkProfile(
            BytesPerSecond(1000), BytesPerSecond(1000), Seconds(0.04), Seconds(0.05), overhead=2.0
        ),
    )


def test_every_term_is_counted() -> None:
    latency, down_set = best_of_all(chain_of_two())
    assert down_set == {0}
    board = 0.1 + 0.5 + 0.02 + 100 * 0.001
    cloud = 0.2 + 0.3 + 0.03 + 100 * 0.002
    assert latency == pytest.approx(board + cloud + (100 * 2 / 1000 + 0.04) + (10 * 2 / 1000 + 0.05))


def test_a_codec_that_is_not_allowed_is_not_used() -> None:
    tiny = CodecOption(CodecName("jpeg"), Bytes(1))
    allowed = dataclasses.replace(chain_of_two(), options={TensorName("x"): (tiny,)})
    assert best_of_all(allowed)[1] == frozenset()
    options = {TensorName("x"): (dataclasses.replace(tiny, allowed=False),)}
    assert best_of_all(dataclasses.replace(allowed, options=options))[1] == {0}


def test_it_refuses_what_it_cannot_enumerate(make_problem: Callable[[int], Problem]) -> None:
    problem = make_problem(0)
    wide = CostGraph(tuple(dataclasses.replace(problem.graph.layers[0], index=i) for i in range(17)), ())
    with pytest.raises(InvalidProblem, match="at most 16"):
        best_of_all(dataclasses.replace(problem, graph=wide))
