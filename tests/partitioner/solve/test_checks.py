"""Problems that contradict themselves are refused, in words; odd but honest ones are not."""

from __future__ import annotations

import dataclasses
import math

import pytest

from partitioner.errors import InvalidProblem
from partitioner.predict import StageCosts
from partitioner.solve.checks import check
from partitioner.solve.problem import CodecOption, CodecSeconds, Hop, Limits, Objective, Problem, Watts
from partitioner.units import Bytes, BytesPerSecond, CodecName, Seconds, TensorName
from tests.partitioner.solve.small import BOARD, CLOUD, GATE, chain, device, graph, links, problem, tensor

RAW = CodecName("raw")


def plain() -> Problem:
    return problem(chain(10, 20, 30), device(BOARD, 1, 1), device(CLOUD, 1, 1))


def with_board(**changes: object) -> dict[str, object]:
    return {"devices": (dataclasses.replace(plain().devices[0], **changes), plain().devices[1])}  # type: ignore[arg-type]


def with_hop(**changes: object) -> dict[str, object]:
    hop = Hop(BytesPerSecond(1.0))
    return {"hops": {**plain().hops, (BOARD, CLOUD): dataclasses.replace(hop, **changes)}}  # type: ignore[arg-type]


def with_option(**changes: object) -> dict[str, object]:
    option = dataclasses.replace(CodecOption(RAW, Bytes(1)), **changes)  # type: ignore[arg-type]
    return {"options": {TensorName("t0"): (option,)}}


def test_an_honest_problem_passes() -> None:
    check(plain())


def test_zero_costs_disconnected_graphs_and_no_layers_are_honest() -> None:
    check(problem(graph(2, tensor("x", -1, (0,), 0)), device(BOARD, 0, 0), device(CLOUD, 0, 0)))
    check(problem(graph(0), device(BOARD)))


def test_pairs_that_a_given_order_does_not_use_need_no_link() -> None:
    three = problem(chain(1, 1), device(BOARD, 1), device(GATE, 1), device(CLOUD, 1))
    hops = {**links(BOARD, GATE), **links(GATE, CLOUD), (BOARD, CLOUD): Hop(BytesPerSecond(1.0))}
    check(dataclasses.replace(three, hops=hops))
    with pytest.raises(InvalidProblem, match="no link leads from cloud to board"):
        check(dataclasses.replace(three, hops=hops, order=None))
    del hops[BOARD, CLOUD]
    check(dataclasses.replace(three, hops=hops, order=None))  # not linked at all: not neighbours


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"graph": graph(2, tensor("t", 1, (0,), 1))}, "cyclic or not in topological order at tensor t"),
        ({"graph": graph(2, tensor("t", 0, (2,), 1))}, "names a layer that the graph does not have"),
        ({"graph": graph(2, tensor("t", 0, (1,), -1))}, "the size of tensor t is negative"),
        (
            {"graph": graph(2, tensor("t", 0, (1,), 1), tensor("t", 0, (), 1))},
            "two tensors of the graph are called t",
        ),
        ({"graph": graph(2, index={1: 5})}, "numbered from 0"),
        ({"devices": ()}, "there is no device"),
        ({"devices": (plain().devices[0],) * 2}, "two devices have one name"),
        (with_board(costs=StageCosts((Seconds(1.0),))), "1 layer costs of board for a graph of 2 layers"),
        (with_board(costs=StageCosts((Seconds(1.0), Seconds(math.nan)))), "a cost of board is NaN"),
        (with_board(costs=StageCosts((Seconds(1.0), Seconds(-1)))), r"a cost of board is negative \(-1\)"),
        (with_board(costs=StageCosts((Seconds(0), Seconds(math.inf)))), "a cost of board is infinite"),
        (with_board(costs=StageCosts((Seconds(0),) * 2, send_byte=math.nan)), "a cost of board is NaN"),
        (
            with_board(codecs={("t0", RAW): CodecSeconds(Seconds(-1))}),
            "time of codec raw on t0 on board is negative",
        ),
        (with_board(activations=(Bytes(1),)), "1 activations of board"),
        (with_board(watts=Watts(math.nan)), "the power of board is NaN"),
        (with_board(memory=Bytes(-1)), "the memory of board is negative"),
        (with_board(lacks=frozenset({7})), "device board lacks layer 7"),
        ({"order": (CLOUD, BOARD)}, "begins with cloud, but requests enter at board"),
        ({"order": ()}, "begins with nobody"),
        ({"order": (BOARD, GATE)}, "no device is called gate"),
        ({"hops": {(BOARD, CLOUD): Hop(BytesPerSecond(1.0))}}, "no link leads from cloud to board"),
        ({"hops": {(CLOUD, BOARD): Hop(BytesPerSecond(1.0))}}, "no link leads from board to cloud"),
        ({"hops": {}}, "there is no link between board and cloud"),
        (with_hop(rate=0.0), r"from board to cloud has the rate 0.0 bytes/s"),
        (with_hop(rate=math.nan), "has the rate nan"),
        (with_hop(delay=-1.0), "the delay from board to cloud is negative"),
        (with_hop(overhead=math.inf), "the overhead from board to cloud is infinite"),
        ({"pins": {2: BOARD}}, "pinned is layer 2, which the graph of 2 layers does not have"),
        ({"pins": {0: GATE}}, r"layer layer0 is pinned to gate, which is gone \(there is: board, cloud\)"),
        ({"stay": frozenset({"nobody"})}, "no tensor of the graph is called nobody"),
        ({"options": {"nobody": ()}}, "no tensor of the graph is called nobody"),
        (with_option(wire_bytes=-5), "the bytes of codec raw of tensor t0 is negative"),
        (with_option(loss=math.nan), "the loss of codec raw of tensor t0 is NaN"),
        ({"headroom": math.nan}, "the headroom is NaN"),
        ({"weight_bytes": {"w": -1}}, "the bytes of a weight is negative"),
        ({"objective": Objective(latency=-1.0)}, "a weight of the objective is negative"),
        ({"limits": Limits(latency=Seconds(math.nan))}, "the limit on latency is nan"),
        ({"limits": Limits(loss=-0.1)}, "the limit on loss is -0.1"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidProblem, match=words):
        check(dataclasses.replace(plain(), **changes))  # type: ignore[arg-type]


def test_a_codec_that_is_not_allowed_may_be_lossy_beyond_measure() -> None:
    check(dataclasses.replace(plain(), **with_option(loss=math.inf, allowed=False)))  # type: ignore[arg-type]
