"""Shares, the boundary term and the fixed cost, recovered from measurements that were made from them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from partitioner.costs import DeviceProfile, LayerShare, Measurement, SegmentTime
from partitioner.errors import InvalidProblem, ProfileError
from partitioner.graph import CostGraph, CostTensor, Layer, chain
from partitioner.predict import LEAST_ERROR, UNFITTED_ERROR, segment_time, stage_costs
from partitioner.units import Bytes, DeviceId, NodeName, Seconds, TensorName

COUNT = 9  # layer 0 is the decoder
SIZES = [500_000, 300_000, 800_000, 100_000, 400_000, 50_000, 200_000, 20_000, 4_000]
PER_BYTE_IN, PER_BYTE_OUT, FIXED = 2e-9, 3e-9, 2e-4


def graph() -> CostGraph:
    layers = tuple(
        Layer(
            i,
            NodeName(f"l{i}"),
            (NodeName(f"n{i}"), NodeName(f"m{i}")),
            Bytes(0),
            (),
            "" if i else "decode_picture",
        )
        for i in range(COUNT)
    )
    given = CostTensor(TensorName("x@encoded"), "uint8", (1,), Bytes(9_000), -1, (0,))
    made = [
        CostTensor(
            TensorName(f"t{i}"),
            "float32",
            (1,),
            Bytes(SIZES[i]),
            i,
            (i + 1,) if i + 1 < COUNT else (),
            is_output=i + 1 == COUNT,
        )
        for i in range(COUNT)
    ]
    return CostGraph(layers, (given, *made))


def measured(seconds: float, spread: float = 0.0) -> Measurement:
    return Measurement(Seconds(seconds), Seconds(spread), 20)


def profile(segments: tuple[tuple[int, int], ...] = ()) -> DeviceProfile:
    shares = [LayerShare(NodeName(f"n{i}"), i / 36 / 2) for i in range(1, COUNT)]
    shares += [LayerShare(NodeName(f"m{i}"), i / 36 / 2) for i in range(1, COUNT)]
    return DeviceProfile(
        DeviceId("board"),
        whole=measured(0.036),
        layers=tuple(shares),
        segments=tuple(SegmentTime(a, b, measured(true_time(a, b))) for a, b in segments),
        pseudo=(LayerShare(NodeName("n0"), 0.004),),
        overhead=Seconds(0.0007),
    )


def true_time(first: int, last: int) -> float:
    """Layers [first, last) of the chain; what the decoder makes enters the whole model too: free."""
    total = sum(0.001 * i for i in range(first, last))
    entering = SIZES[first - 1] if first > 1 else 0
    leaving = SIZES[last - 1] if last < COUNT else 0
    return total + FIXED + PER_BYTE_IN * entering + PER_BYTE_OUT * leaving


FITTED = ((1, 3), (3, 5), (5, 7), (7, 9), (2, 6), (4, 8), (1, 5))


def test_the_terms_are_recovered_from_segments() -> None:
    costs = stage_costs(profile(FITTED), graph())
    assert costs.entering == pytest.approx(PER_BYTE_IN, rel=0.05)
    assert costs.leaving == pytest.approx(PER_BYTE_OUT, rel=0.05)
    assert costs.segment == pytest.approx(FIXED, abs=0.002 * 0.036)  # of the whole
    assert costs.layers[0] == 0.004
    assert costs.layers[3] == pytest.approx(0.003, rel=0.01)
    assert LEAST_ERROR <= costs.error < 0.03


def test_a_segment_that_was_never_measured_is_predicted() -> None:
    cuts = chain(graph())
    costs = stage_costs(profile(FITTED), graph())
    estimate = segment_time(profile(FITTED), graph(), cuts[2], cuts[4])
    assert estimate.mean == pytest.approx(true_time(2, 4), rel=0.01)
    assert estimate.spread == pytest.approx(math.hypot(costs.error * estimate.mean, costs.error_floor))
    assert 0 < costs.error_floor < 0.01 * 0.036


def test_timed_segments_correct_the_shares_of_their_layers() -> None:
    """The profiler says of layers 1 to 4 that they take a third more than they do, at the cost of the rest."""
    wrong = {f"n{i}": 1.33 if i < 5 else 0.87 for i in range(1, COUNT)}
    told = profile(FITTED)
    scale = sum(one.share * wrong.get("n" + one.node[1:], 1.0) for one in told.layers)
    shares = [replace(one, share=one.share * wrong["n" + one.node[1:]] / scale) for one in told.layers]
    costs = stage_costs(replace(told, layers=tuple(shares)), graph())
    assert sum(costs.layers[1:5]) == pytest.approx(0.010, rel=0.1)  # told: 0.013
    assert sum(costs.layers[1:]) == pytest.approx(0.036)


def test_one_segment_is_enough_to_say_something() -> None:
    costs = stage_costs(profile(FITTED[:1]), graph())
    assert costs.entering > 0
    assert costs.leaving > 0
    assert LEAST_ERROR <= costs.error < 0.3


def test_the_whole_model_is_what_was_measured() -> None:
    cuts = chain(graph())
    noisy = replace(profile(FITTED), whole=measured(0.036, 0.002))
    estimate = segment_time(noisy, graph(), cuts[1], cuts[-1])
    assert estimate.mean == pytest.approx(0.036)
    assert estimate.spread == pytest.approx(1.4826 * 0.002 * 1.2533 / math.sqrt(20))


def test_the_spread_of_a_whole_that_was_never_run_is_its_doubt() -> None:
    guessed = replace(profile(FITTED), whole=Measurement(Seconds(0.036), Seconds(0.002), 0))
    assert stage_costs(guessed, graph()).noise == pytest.approx(1.4826 * 0.002 / 0.036)


def test_a_cut_never_makes_work_disappear() -> None:
    """Segments measured faster than their shares give no negative cost, but a larger error."""
    quick = tuple(SegmentTime(a, b, measured(0.5 * true_time(a, b))) for a, b in FITTED)
    costs = stage_costs(replace(profile(), segments=quick), graph())
    assert costs.segment == costs.entering == costs.leaving == 0
    assert costs.error > 0.5


def test_without_segments_the_error_is_the_profilers() -> None:
    assert stage_costs(profile(), graph()).error == UNFITTED_ERROR


def test_shares_of_unknown_nodes_are_spread_over_the_known() -> None:
    strange = profile()
    shares = tuple(replace(one, share=0.9 * one.share) for one in strange.layers)
    shares += (LayerShare(NodeName("reorder_0"), 0.1),)
    costs = stage_costs(replace(strange, layers=shares), graph())
    assert sum(costs.layers[1:]) == pytest.approx(0.036)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -0.1])
@pytest.mark.parametrize("field", ["whole", "layers", "segments", "pseudo", "overhead"])
def test_absurd_numbers_are_refused(field: str, number: float) -> None:
    values = {
        "whole": measured(number),
        "layers": (LayerShare(NodeName("n1"), number),),
        "segments": (SegmentTime(1, 2, measured(number)),),
        "pseudo": (LayerShare(NodeName("n0"), number),),
        "overhead": Seconds(number),
    }
    broken = replace(profile(FITTED), **{field: values[field]})  # type: ignore[arg-type]
    with pytest.raises(ProfileError, match="board"):
        stage_costs(broken, graph())


def test_a_profile_of_another_model_is_refused() -> None:
    other = replace(profile(), layers=(LayerShare(NodeName("elsewhere"), 1.0),))
    with pytest.raises(ProfileError, match="another version"):
        stage_costs(other, graph())
    with pytest.raises(ProfileError, match="not in this model"):
        stage_costs(with_segment(3, 99), graph())


def with_segment(first: int, last: int) -> DeviceProfile:
    return replace(profile(), segments=(SegmentTime(first, last, measured(0.01)),))


def test_down_sets_must_be_nested() -> None:
    cuts = chain(graph())
    with pytest.raises(InvalidProblem):
        segment_time(profile(), graph(), cuts[3], cuts[1])
