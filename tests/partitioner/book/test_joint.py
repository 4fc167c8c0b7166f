"""Two variants as one model: what crosses, what it weighs, what each device takes; and the best cut, by an oracle."""

from __future__ import annotations

import dataclasses
import random

import pytest

from partitioner.book import BookOptions, make_book
from partitioner.book.joint import bridges, joint_model, over_joint, sizes_of
from partitioner.book.meeting import meeting
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import DeviceProfile, LayerShare, LinkProfile, Measurement, SegmentTime
from partitioner.graph import down_sets, live_tensors
from partitioner.plan import WeightRef
from partitioner.report import explain
from partitioner.units import Bytes
from tests.partitioner.book.test_meeting import LINE, key, model, random_net

SHORT: list[tuple[str, int, tuple[int, ...]]] = LINE
LONG: list[tuple[str, int, tuple[int, ...]]] = [
    ("x", -1, (0,)), ("a", 0, (1,)), ("only here", 1, (2,)), ("b", 2, (3,)), ("out", 3, ()),
]  # fmt: skip


def weighing(compiled: CompiledModel, length: int) -> CompiledModel:
    """The model with a weight of `length` bytes in each layer."""
    names = [f"{length} {layer.index}" for layer in compiled.graph.layers]
    layers = tuple(
        dataclasses.replace(layer, weights=length, weight_names=(name,))
        for layer, name in zip(compiled.graph.layers, names, strict=True)
    )
    graph = dataclasses.replace(compiled.graph, layers=layers)
    refs = tuple(WeightRef(name, 0, length, name) for name in names)
    return dataclasses.replace(compiled, graph=graph, weights=refs)


def profile(compiled: CompiledModel, device: str, seconds: list[float]) -> DeviceProfile:
    whole = sum(seconds)
    shares = tuple(
        LayerShare(layer.nodes[0], time / whole)
        for layer, time in zip(compiled.graph.layers, seconds, strict=True)
    )
    return DeviceProfile(device, Measurement(whole, whole / 100, 9), shares)


def test_integers_cross_whichever_variant_is_named_first() -> None:
    floats, integers = model(3, LINE), model(3, LINE, integers=("a",))
    for first, second in ((floats, integers), (integers, floats)):
        joint = joint_model(first, second, meeting(first, second))
        assert [(one.name, one.size) for one in joint.graph.tensors] == [
            ("x", 16),
            ("a_q", 4),
            ("b", 16),
            ("out", 16),
        ]


def test_only_the_float_variant_is_bridged() -> None:
    floats, integers = model(3, LINE), model(3, LINE, integers=("a",))
    found = meeting(floats, integers)
    (name, (side, spec)), *rest = bridges(0, floats, integers, found).items()
    assert (name, side.tensor, spec.dtype, spec.size, rest) == ("a", "a_q", "uint8", 4, [])
    assert bridges(1, integers, floats, found) == {}


def test_a_device_counts_the_weights_of_the_variant_that_it_runs() -> None:
    light, heavy = weighing(model(4, LONG), 10), weighing(model(3, SHORT), 1000)
    for first, second in ((light, heavy), (heavy, light)):
        joint = joint_model(first, second, meeting(first, second))
        assert [layer.weights for layer in joint.graph.layers] == [1000] * 3
        own = [
            [sum(sizes_of(one).get(name, 0) for name in layer.weight_names) for layer in joint.graph.layers]
            for one in (light, heavy)
        ]
        assert own == [[10, 20, 10], [1000, 1000, 1000]]


def test_what_fits_only_as_the_light_variant_runs_where_that_is_held() -> None:
    light, heavy = weighing(model(3, SHORT), 10), weighing(model(3, SHORT, integers=("a",)), 1000)
    found = meeting(light, heavy)
    joint = joint_model(light, heavy, found)
    board = over_joint(profile(light, "board", [0.001] * 3), 0, found, joint.graph)
    cloud = over_joint(profile(heavy, "cloud", [1.0] * 3), 1, found, joint.graph)
    room = BookOptions(board_memory=Bytes(100), headroom=0.0)
    own = dataclasses.replace(room, board_weights=sizes_of(light), cloud_weights=sizes_of(heavy))
    assert make_book(joint, board, cloud, LINK, own).active == "local"
    told = explain(joint, make_book(joint, board, cloud, LINK, own), board, cloud, LINK, options=own)
    assert [one["weights"] for one in told["memory"]] == [30, 3000]
    heavier = dataclasses.replace(own, board_weights=sizes_of(heavy))
    assert make_book(joint, board, cloud, LINK, heavier).active != "local"


def test_of_what_both_measured_the_greater_loss_counts_and_either_may_refuse() -> None:
    def having(loss: float, allowed: bool) -> CompiledModel:
        sample = CodecSample("b", "f16", 8, loss, 1.0, allowed, 3)
        return dataclasses.replace(
            model(3, LINE), codecs=(sample, dataclasses.replace(sample, tensor="gone"))
        )

    first, second = having(0.1, True), having(0.01, False)
    (sample,) = joint_model(first, second, meeting(first, second)).codecs
    assert (sample.tensor, sample.loss, sample.allowed) == ("b", 0.1, False)


def test_timed_segments_are_counted_by_the_joint_chain_or_left_out() -> None:
    first, second = model(3, SHORT), model(4, LONG)
    found = meeting(first, second)
    joint = joint_model(first, second, found)
    time = Measurement(0.1, 0.01, 5)
    told = dataclasses.replace(
        profile(second, "board", [1.0] * 4),
        segments=(SegmentTime(0, 1, time), SegmentTime(1, 3, time), SegmentTime(0, 2, time)),
    )
    segments = over_joint(told, 1, found, joint.graph).segments
    assert [(one.first, one.last) for one in segments] == [(0, 1), (1, 2)]


LINK = LinkProfile(1e3, 1e3, 0.0, 0.0, overhead=1.0)


@pytest.mark.parametrize("seed", range(12))
def test_the_best_mixed_plan_is_the_least_of_every_pair_of_cuts(seed: int) -> None:
    dice = random.Random(seed)
    net = random_net(dice, dice.randint(3, 7))
    count = len(net) - 1
    names = [name for name, maker, _ in net if maker >= 0 and name != "out"]
    own = model(count, net)
    int8 = model(count, net, integers=[name for name in names if dice.random() < 0.7])
    near, far = ([dice.uniform(0.001, 0.02) for _ in range(count)] for _ in range(2))
    found = meeting(own, int8)
    joint = joint_model(own, int8, found)
    board = over_joint(profile(int8, "board", near), 1, found, joint.graph)
    cloud = over_joint(profile(own, "cloud", far), 0, found, joint.graph)
    draft = make_book(joint, board, cloud, LINK)
    assert draft.lower_bound == pytest.approx(least(own, int8, near, far), rel=1e-4)


def least(own: CompiledModel, int8: CompiledModel, near: list[float], far: list[float]) -> float:
    """The seconds of the best of all pairs of cuts: int8 layers before it, the model's own behind it."""
    best = []
    for first in down_sets(int8.graph, 10_000) or ():
        for second in down_sets(own.graph, 10_000) or ():
            crossing = live_tensors(int8.graph, first)
            if first != second or {key(one) for one in crossing} != {
                key(one) for one in live_tensors(own.graph, second)
            }:
                continue
            behind = [layer.index for layer in own.graph.layers if layer.index not in second]
            home = sum(one.size for one in own.graph.tensors if one.is_output and one.producer in behind)
            seconds = sum(near[layer] for layer in first) + sum(far[layer] for layer in behind)
            best.append(seconds + (sum(one.size for one in crossing) + home) / LINK.up)
    return min(best)
