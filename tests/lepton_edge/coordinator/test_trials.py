"""What a device is asked to measure: as much of the model as it holds, and codecs over the range of sizes."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

from lepton_edge.coordinator.trials import (
    PIECES,
    TRIALS_PER_CODEC,
    _codec_trials,
    plausible_cuts,
    reach,
    segment_bounds,
)
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.errors import ModelTooLarge, UnsupportedOperator
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.plan import WeightRef

MIB = 1 << 20


def compiled(
    weights: list[list[str]], *, pseudo: int = 0, codecs: list[tuple[str, str]] | None = None
) -> CompiledModel:
    """A chain whose layers hold these weights of 1 MiB; tensor t0 (4 bytes), t1 (8), ... behind each."""
    layers = tuple(
        Layer(i, f"l{i}", (f"l{i}",), MIB * len(names), tuple(names), "decode_picture" if i < pseudo else "")
        for i, names in enumerate(weights)
    )
    tensors = tuple(
        CostTensor(f"t{i}", "float32", (i + 1,), 4 * (i + 1), i, (i + 1,)) for i in range(len(weights) - 1)
    )
    names = sorted({name for one in weights for name in one})
    refs = tuple(WeightRef(name, MIB * i, MIB, f"{i}" * 64) for i, name in enumerate(names))
    samples = tuple(CodecSample(t, c, 1, 0.0, 1.0, allowed=False, samples=1) for t, c in codecs or [])
    given = CostTensor("x", "float32", (1,), 4, -1, (0,))
    graph = CostGraph(layers, (given, *tensors))
    return CompiledModel("net", "v1", graph, (), (), refs, "b" * 64, 0, codecs=samples)


def test_a_device_holds_as_many_layers_as_fit_with_headroom() -> None:
    net = compiled([["a"], ["b"], ["c"]])
    assert [reach(net, memory * MIB // 10) for memory in (13, 25, 37, 100)] == [1, 2, 3, 3]
    assert reach(net, 0) == 3, "nobody knows its memory"


def test_a_tied_weight_is_held_once() -> None:
    assert reach(compiled([["a"], ["a"], ["b"]]), 13 * MIB // 10) == 2


def test_preparation_alone_is_nothing_to_measure() -> None:
    net = compiled([[], ["a"]], pseudo=1)
    assert reach(net, 2 * MIB) == 2
    with pytest.raises(ModelTooLarge, match="not even the first layers of 'net'"):
        reach(net, MIB // 2)


CROSSING = [9, 8, 7, 6, 9, 9, 2, 9, 5, 9, 1, 9, 0]  # behind 0, 1, ... 12 layers


def test_a_device_is_measured_up_to_the_first_operator_that_it_lacks() -> None:
    net = compiled([[], ["a"], ["b"], ["c"]], pseudo=1)
    kinds = ("decode_picture", "Conv", "Odd", "Conv")
    layers = tuple(
        dataclasses.replace(one, operators=(kind,)) for one, kind in zip(net.graph.layers, kinds, strict=True)
    )
    net = dataclasses.replace(net, graph=CostGraph(layers, net.graph.tensors))
    assert reach(net, 0, ()) == 4
    assert reach(net, 0, ("Odd",)) == 2
    with pytest.raises(UnsupportedOperator, match="lacks an operator of l1, where 'net' begins"):
        reach(net, 0, ("Conv",))


def test_segments_are_equal_parts_from_end_to_end_and_heads_and_tails() -> None:
    pairs = segment_bounds(1, 61, [7] * 62)
    line, rest = pairs[:PIECES], pairs[PIECES:]
    assert (line[0][0], line[-1][1]) == (1, 61)
    assert all(one[1] == other[0] for one, other in pairwise(line))
    assert all(3 <= last - first <= 7 for first, last in line)
    assert [head[1] for head in rest[::2]] == [tail[0] for tail in rest[1::2]]
    assert {(head[0], tail[1]) for head, tail in zip(rest[::2], rest[1::2], strict=True)} == {(1, 61)}


def test_heads_and_tails_meet_where_least_crosses_in_each_stretch() -> None:
    assert plausible_cuts(0, 12, CROSSING) == [3, 6, 10]
    assert (0, 6) in segment_bounds(0, 12, CROSSING)
    assert (6, 12) in segment_bounds(0, 12, CROSSING)


def test_parts_meet_where_less_crosses() -> None:
    crossing = [9 if index % 3 else 1 for index in range(62)]
    line = segment_bounds(0, 60, crossing)[:PIECES]
    assert all(first % 3 == 0 for first, _ in line)
    assert all(3 <= last - first <= 9 for first, last in line)


@pytest.mark.parametrize("layers", range(1, 8))
def test_a_short_chain_has_short_lists(layers: int) -> None:
    pairs = segment_bounds(2, 2 + layers, CROSSING)
    assert len(pairs) == len(set(pairs))
    assert all(2 <= first < last <= 2 + layers for first, last in pairs)
    assert (2, 2 + layers) not in pairs, "that is the whole model"
    assert bool(pairs) == (layers > 1), "one layer is no segment of itself"


def test_codecs_are_tried_on_a_few_sizes_the_ends_among_them() -> None:
    net = compiled([[f"w{i}"] for i in range(31)], codecs=[(f"t{i}", "f16") for i in range(30)])
    trials = _codec_trials(net)
    sizes = [one.tensor.size for one in trials]
    assert {one.codec for one in trials} == {"f16"}
    assert len(sizes) == TRIALS_PER_CODEC
    assert (sizes[0], sizes[-1]) == (4, 120)
    assert sizes == sorted(set(sizes))


def test_a_codec_is_tried_where_it_was_sampled_also_if_it_was_refused() -> None:
    net = compiled(
        [["a"], ["b"], ["c"]], codecs=[("t1", "f16"), ("t0", "u8+zstd"), ("gone", "f16"), ("t0", "raw")]
    )
    assert {(one.tensor.name, one.codec) for one in _codec_trials(net)} == {("t1", "f16"), ("t0", "u8+zstd")}
